"""A time limit for each of many, at the price of one timer.

Most limits are never reached, and a timer of its own for each costs as much as some of what an operation does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlines:
    """Bounds the time of what runs in the event loop in which this is made.

    Args:
        seconds: the time that each has; so whoever began first is the first whose time is over.
    """

    def __init__(self, seconds: float) -> None:
        self.loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._bounds: dict[_Bound, None] = {}
        """In the order in which they began."""
        self._is_looking = False

    async def bounded(self, running: Awaitable[T]) -> T:
        """Await something as `asyncio.timeout` would bound it.

        Raises:
            TimeoutError: it took longer, and was cancelled.
        """
        task = asyncio.current_task(self.loop)
        assert task is not None  # noqa: S101 - or nothing could be awaited
        requests = task.cancelling()
        bound = _Bound(task, self.loop.time() + self._seconds)
        self._bounds[bound] = None
        if not self._is_looking:
            self._look()
        try:
            return await running
        except asyncio.CancelledError as error:
            if bound.is_over and task.cancelling() - 1 <= requests:  # nobody else wants it to end
                raise TimeoutError from error
            raise
        finally:
            if bound.is_over:
                task.uncancel()
            else:
                del self._bounds[bound]

    def _look(self) -> None:
        """End those whose time is over, and look again when the next one's is, if there is one."""
        now = self.loop.time()
        while (first := next(iter(self._bounds), None)) and first.until <= now:
            del self._bounds[first]
            first.end()
        self._is_looking = first is not None
        if first:
            self.loop.call_at(first.until, self._look)


class _Bound:
    __slots__ = ("_task", "is_over", "until")

    def __init__(self, task: asyncio.Task[Any], until: float) -> None:
        self._task = task
        self.until = until
        self.is_over = False

    def end(self) -> None:
        self.is_over = True
        self._task.cancel()
