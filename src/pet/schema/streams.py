"""Streams of events that do not keep a server from stopping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")


async def until(stopping: asyncio.Event, stream: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Yield what a stream yields, and end when the server begins to stop.

    The stream ends in the middle of nothing, without its last event, so clients connect anew, as they do after a broken
    connection.
    """
    stop = asyncio.ensure_future(stopping.wait())
    try:
        async with aclosing(stream):
            while True:
                coming = asyncio.ensure_future(anext(stream, None))
                await asyncio.wait((coming, stop), return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    await _cancelled(coming)
                    return
                item = coming.result()
                if item is None:
                    return
                yield item
    finally:
        stop.cancel()


async def _cancelled(task: asyncio.Future[T | None]) -> None:
    task.cancel()
    await asyncio.wait((task,))
