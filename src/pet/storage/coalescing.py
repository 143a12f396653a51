"""Reads by key that are in flight together become one read of all their keys.

All who ask in one turn of the event loop share a read, which begins in the next one. Two reads are under way at most:
whoever asks meanwhile waits for one of them to end, and all who wait are then served by one read. No timer is involved:
while nobody else reads, nobody waits, and the busier the service, the more keys share a round trip.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Generic, TypeVar

from pet.domain.errors import Unavailable

UNDER_WAY = 2
"""One answer is taken in while the engine works on the next; more would only make the batches smaller."""

KEYS = 500
"""Of one read: some milliseconds of work, far from the limits on parameters."""

PATIENCE_SECONDS = 0.5
"""Whoever has waited for longer when the engine fails a read before theirs is refused as well, and does not wait for a
second deadline."""

K = TypeVar("K")
V = TypeVar("V")
Read = Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]


@dataclass(slots=True)
class _Caller(Generic[K, V]):
    keys: Sequence[K]
    found: asyncio.Future[Mapping[K, V]]
    since: float


class Coalescing(Generic[K, V]):
    """Reads things by key, for all who ask at the same time at once.

    A read that has begun is never joined: it may not see what was committed since. So whoever asks after a commit gets
    an answer that was read after it. A caller who is cancelled leaves the others theirs, and the read to its end; an
    error goes to all callers of its read.

    Args:
        read: returns what there is of some keys. What it returns is shared by the callers, and must not change.
        most: keys of one read that serves several callers; a caller who asks for more is served alone.
    """

    def __init__(self, read: Read[K, V], *, most: int = KEYS) -> None:
        self._read = read
        self._most = most
        self._under_way = 0
        self._is_about_to_begin = False
        self._waiting: deque[_Caller[K, V]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def get_many(self, keys: Sequence[K]) -> Mapping[K, V]:
        """Return what there is of these keys."""
        found = await self._ask(keys)
        return {key: found[key] for key in keys if key in found}

    async def get(self, key: K) -> V | None:
        """Return the thing of one key, or None."""
        return (await self._ask((key,))).get(key)

    def _ask(self, keys: Sequence[K]) -> asyncio.Future[Mapping[K, V]]:
        """Return the future of a read that has these keys among others."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Mapping[K, V]] = loop.create_future()
        self._waiting.append(_Caller(keys, found, loop.time()))
        if self._under_way < UNDER_WAY and not self._is_about_to_begin:
            self._is_about_to_begin = True
            loop.call_soon(self._begin, context=Context())  # a read belongs to no single request
        return found

    def _begin(self) -> None:
        """Begin a read for all who wait, or two where they ask for too much."""
        self._is_about_to_begin = False
        while self._under_way < UNDER_WAY and (callers := self._next_callers()):
            self._under_way += 1
            task = asyncio.create_task(self._serve(callers), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _next_callers(self) -> list[_Caller[K, V]]:
        callers: list[_Caller[K, V]] = []
        count = 0
        while self._waiting and (not callers or count + len(self._waiting[0].keys) <= self._most):
            caller = self._waiting.popleft()
            if not caller.found.done():
                callers.append(caller)
                count += len(caller.keys)
        return callers

    async def _serve(self, callers: Sequence[_Caller[K, V]]) -> None:
        try:
            found = await self._read(list({key: None for caller in callers for key in caller.keys}))
        except Exception as error:  # noqa: BLE001 - each caller raises it
            if isinstance(error, Unavailable):
                self._refuse_who_waited_long(error)
            _refuse(callers, error)
        except BaseException as error:
            _refuse(callers, error)
            raise
        else:
            for caller in callers:
                if not caller.found.done():
                    caller.found.set_result(found)
        finally:
            self._under_way -= 1
            self._begin()

    def _refuse_who_waited_long(self, error: Unavailable) -> None:
        now = asyncio.get_running_loop().time()
        while self._waiting and now - self._waiting[0].since > PATIENCE_SECONDS:
            _refuse([self._waiting.popleft()], error)


def _refuse(callers: Sequence[_Caller[K, V]], error: BaseException) -> None:
    for caller in callers:
        if not caller.found.done():
            caller.found.set_exception(error)
