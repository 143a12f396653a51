"""Streams of events that do not keep a server from stopping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeVar

from anyio import CancelScope

T = TypeVar("T")


async def until(stopping: asyncio.Event, stream: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Yield what a stream yields, and end when the server begins to stop.

    The stream ends in the middle of nothing, without its last event, so clients connect anew, as they do after a broken
    connection.
    """
    stop = asyncio.ensure_future(stopping.wait())
    coming: asyncio.Future[T | None] | None = None
    try:
        while True:
            coming = asyncio.ensure_future(anext(stream, None))
            await asyncio.wait((coming, stop), return_when=asyncio.FIRST_COMPLETED)
            item = coming.result() if coming.done() else None
            if item is None:
                return
            yield item
    finally:
        stop.cancel()
        with CancelScope(shield=True):  # a client that leaves cancels all that waits here, but not the tidying up
            await _ended(coming)
            await stream.aclose()


async def _ended(task: asyncio.Future[T | None] | None) -> None:
    """Wait until a stream no longer works on its next item: before, it cannot be closed."""
    if task:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
