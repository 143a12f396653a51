"""Rate limits: one budget per bucket and caller, whichever front the caller comes through.

The numbers are those of the legacy document, section 8.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from pet.domain.errors import DomainError, LimitState, Unavailable

WINDOW_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Bucket:
    """A budget: `amount` attempts, or units of work, in a window of 60 seconds that starts with the first of them."""

    name: str
    amount: int


REGISTER = Bucket("register", 5)
LOGIN = Bucket("login", 5)
UPLOAD_AVATAR = Bucket("avatar", 10)
UPLOAD_TRACK = Bucket("track", 5)
UPLOAD_COVER = Bucket("cover", 10)
EXPORT = Bucket("export", 5)


class RateLimits(Protocol):
    """Counts attempts. Every method takes the caller's key: an address or an account."""

    async def spend(self, bucket: Bucket, key: str, *, amount: int = 1) -> LimitState:
        """Count one attempt, or work that weighs `amount`, atomically; return where the caller stands after it.

        Raises:
            RateLimited: not so much was left of the budget; the attempt counts no further.
        """

    async def check(self, bucket: Bucket, key: str) -> None:
        """Count nothing; only look, before work that would be in vain.

        Raises:
            RateLimited: the budget is spent.
        """

    async def refund(self, bucket: Bucket, key: str, *, amount: int = 1) -> None:
        """Give back: the failure was the server's own, or the work weighed less. Never goes below zero."""


@asynccontextmanager
async def charged(limits: RateLimits, bucket: Bucket, *keys: str) -> AsyncIterator[None]:
    """Spend one attempt of each key for the work inside, and give it back when the failure is the server's own.

    Raises:
        RateLimited: a budget was spent already; the work inside does not begin.
    """
    spent: list[str] = []
    try:
        for key in keys:
            await limits.spend(bucket, key)
            spent.append(key)
        yield
    except Exception as error:
        if isinstance(error, Unavailable) or not isinstance(error, DomainError):
            for key in spent:
                await limits.refund(bucket, key)
        raise
