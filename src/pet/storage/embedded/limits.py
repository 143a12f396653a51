"""Rate limits counted in the process, with the `limits` library."""

from __future__ import annotations

import hashlib
import math
import time
from typing import NamedTuple

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from pet.domain.errors import LimitState, RateLimited
from pet.domain.limits import WINDOW_SECONDS, Bucket

SHARDS = 256
"""The library looks through a whole storage for expired windows at each attempt. With 20,000 callers an attempt took
1.4 ms of the event loop in one storage, and 0.03 ms in these."""


class _Window(NamedTuple):
    """Where the attempts of one caller in one bucket are counted."""

    storage: MemoryStorage
    item: RateLimitItem
    name: str


class EmbeddedRateLimits:
    """Fixed windows that start with a caller's first attempt.

    A count costs the same memory whatever the key, and is dropped after its window has ended.

    Args:
        window_seconds: the length of a window.
    """

    def __init__(self, *, window_seconds: int = WINDOW_SECONDS) -> None:
        self._window_seconds = window_seconds
        self._shards = [MemoryStorage() for _ in range(SHARDS)]

    async def spend(self, bucket: Bucket, key: str, *, amount: int = 1) -> LimitState:
        """Count one attempt, or work that weighs `amount`; RateLimited when not so much was left."""
        window = self._window(bucket, key)
        if not await FixedWindowRateLimiter(window.storage).hit(window.item, window.name, cost=amount):
            await self._uncount(window, amount)
            raise RateLimited(await self._state(bucket, window))
        return await self._state(bucket, window)

    async def check(self, bucket: Bucket, key: str) -> None:
        """Count nothing; RateLimited when the budget is spent."""
        window = self._window(bucket, key)
        if not await FixedWindowRateLimiter(window.storage).test(window.item, window.name):
            raise RateLimited(await self._state(bucket, window))

    async def refund(self, bucket: Bucket, key: str, *, amount: int = 1) -> None:
        """Give back; never goes below zero."""
        await self._uncount(self._window(bucket, key), amount)

    def _window(self, bucket: Bucket, key: str) -> _Window:
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16)
        item = RateLimitItemPerSecond(bucket.amount, self._window_seconds, namespace=bucket.name)
        return _Window(self._shards[digest.digest()[0]], item, digest.hexdigest())

    async def _uncount(self, window: _Window, amount: int) -> None:
        name = window.item.key_for(window.name)
        if await window.storage.get(name):  # counting down what has expired would leave an entry that never expires
            await window.storage.decr(name, amount)

    async def _state(self, bucket: Bucket, window: _Window) -> LimitState:
        stats = await FixedWindowRateLimiter(window.storage).get_window_stats(window.item, window.name)
        return LimitState(
            bucket=bucket.name,
            limit=bucket.amount,
            window_seconds=self._window_seconds,
            remaining=stats.remaining,
            reset_seconds=max(1, math.ceil(stats.reset_time - time.time())),
        )


class UnlimitedRateLimits:
    """Lets everything pass: for load tests (`PET_RATE_LIMITS=off`)."""

    async def spend(self, bucket: Bucket, key: str, *, amount: int = 1) -> LimitState:
        """Count nothing: the whole budget is always left."""
        del key, amount
        return LimitState(bucket.name, bucket.amount, WINDOW_SECONDS, remaining=bucket.amount, reset_seconds=1)

    async def check(self, bucket: Bucket, key: str) -> None:
        """Refuse nothing."""

    async def refund(self, bucket: Bucket, key: str, *, amount: int = 1) -> None:
        """There is nothing to give back."""
