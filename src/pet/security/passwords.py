"""Password hashes: argon2id (RFC 9106), in threads that yield to everything else."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import argon2
from argon2.exceptions import VerifyMismatchError

from pet.domain.errors import Service, Unavailable
from pet.hashing_costs import HashingCosts

T = TypeVar("T")

NICENESS = 10


class Argon2Hasher:
    """Hashes in a few threads of low priority; a bounded number of callers waits for one of them."""

    def __init__(self, costs: HashingCosts = HashingCosts()) -> None:  # noqa: B008 - it never changes
        self._argon2 = _argon2(costs)
        self._threads = ThreadPoolExecutor(costs.threads, thread_name_prefix="argon2", initializer=_lower_priority)
        self._capacity = costs.threads + costs.waiting
        self._busy = 0
        self._nobodys_hash = _nobodys_hash(costs)

    async def hash(self, password: str) -> str:
        """Return a new salted hash; Unavailable when too many are waiting."""
        return await self._in_thread(lambda: self._argon2.hash(_encoded(password)))

    async def verify(self, hash: str | None, password: str) -> bool:
        """Tell whether the password belongs to the hash; an unknown account (None) takes as long as a known one."""
        matches = await self._in_thread(lambda: self._matches(hash or self._nobodys_hash, password))
        return matches and hash is not None

    def needs_rehash(self, hash: str) -> bool:
        """Tell whether a hash was made with other parameters than these."""
        return self._argon2.check_needs_rehash(hash)

    def close(self) -> None:
        """Let the threads end; what still waits is dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, hash: str, password: str) -> bool:
        try:
            return self._argon2.verify(hash, _encoded(password))
        except VerifyMismatchError:
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._busy >= self._capacity:
            raise Unavailable(Service.AUTH)
        self._busy += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._busy -= 1


def measured_seconds(costs: HashingCosts, *, rounds: int = 3) -> float:
    """Return the processor time of one hash on this machine, the best of some rounds; it does not count other work."""
    argon2_hasher, seconds = _argon2(costs), []
    for _ in range(rounds):
        began = time.process_time()
        argon2_hasher.hash(b"correct horse")
        seconds.append(time.process_time() - began)
    return min(seconds)


def _argon2(costs: HashingCosts) -> argon2.PasswordHasher:
    return argon2.PasswordHasher(time_cost=costs.passes, memory_cost=costs.memory_kib, parallelism=costs.lanes)


@cache
def _nobodys_hash(costs: HashingCosts) -> str:
    """Return the hash of a password that nobody knows; one does for the whole process."""
    return _argon2(costs).hash(secrets.token_bytes(16))


def _encoded(password: str) -> bytes:
    """Encode any text: JSON can bring lone surrogates, which strict UTF-8 refuses."""
    return password.encode("utf-8", "surrogatepass")


def _lower_priority() -> None:
    """Let the event loop go first; Linux alone has a priority for each thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
