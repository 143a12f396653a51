"""Failures in a row, counted in the process."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from pet.domain.failures import MEMORY_SECONDS, PAUSES_SECONDS, must_pause

CAPACITY = 50_000
"""About 15 MB. To be forgotten before its time, a key has to be pushed out by as many other failures."""


class _Failed(NamedTuple):
    times: int
    pauses_until: float
    forgotten_at: float


class EmbeddedFailures:
    """Keeps the keys that failed last, in the order of their failures.

    Args:
        pauses_seconds: the pause after the first, second, ... failure; the last one holds for all that follow.
        memory_seconds: after so long without a failure a key is forgotten.
        capacity: how many keys are kept; the one whose failure is longest ago goes first.
    """

    def __init__(
        self,
        *,
        pauses_seconds: Sequence[float] = PAUSES_SECONDS,
        memory_seconds: float = MEMORY_SECONDS,
        capacity: int = CAPACITY,
    ) -> None:
        self._pauses_seconds = pauses_seconds
        self._memory_seconds = memory_seconds
        self._capacity = capacity
        self._entries: OrderedDict[bytes, _Failed] = OrderedDict()

    async def begin(self, key: str) -> None:
        """Count an attempt as failed before it is made; RateLimited during a pause."""
        now, name = time.monotonic(), _name(key)
        self._drop_forgotten(now)
        failed = self._entries.get(name, _Failed(0, now, now))
        if failed.pauses_until > now:
            raise must_pause(self._pause(failed.times), failed.pauses_until - now)
        self._keep(name, failed.times + 1, now, pauses_until=now + self._pause(failed.times + 1))

    async def take_back(self, key: str) -> None:
        """Count one failure less, and end its pause."""
        now, name = time.monotonic(), _name(key)
        failed = self._entries.pop(name, None)
        if failed and failed.times > 1:
            self._keep(name, failed.times - 1, now, pauses_until=now)

    async def forget(self, key: str) -> None:
        """Begin anew."""
        self._entries.pop(_name(key), None)

    def _pause(self, count: int) -> float:
        return self._pauses_seconds[min(count, len(self._pauses_seconds)) - 1]

    def _keep(self, name: bytes, count: int, now: float, *, pauses_until: float) -> None:
        self._entries[name] = _Failed(count, pauses_until, now + self._memory_seconds)
        self._entries.move_to_end(name)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def _drop_forgotten(self, now: float) -> None:
        """Drop what has been forgotten: it stands first, since everything is remembered for as long."""
        while self._entries and next(iter(self._entries.values())).forgotten_at <= now:
            self._entries.popitem(last=False)


class UncountedFailures:
    """Lets everything pass: for load tests (`PET_RATE_LIMITS=off`)."""

    async def begin(self, key: str) -> None:
        """Count nothing."""

    async def take_back(self, key: str) -> None:
        """There is nothing to take back."""

    async def forget(self, key: str) -> None:
        """There is nothing to forget."""


def _name(key: str) -> bytes:
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
