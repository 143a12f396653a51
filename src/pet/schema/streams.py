"""Streams of events that do not keep a server from stopping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeVar

from anyio import CancelScope
from starlette.types import Message, Scope, Send

from pet.domain.tasks import ended
from pet.http_protocol import ABORT

T = TypeVar("T")

WRITE_SECONDS = 15.0
"""How long a client may leave a stream of events unread, once its buffers are full."""


def impatient(scope: Scope, send: Send) -> Send:
    """Return what sends a stream of events, and ends the connection of a client that takes nothing any more.

    No code can reach such a client.
    """

    async def send_in_time(message: Message) -> None:
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await send(message)
        except TimeoutError:
            extension = scope.get("extensions", {}).get(ABORT)
            if extension is None:
                raise
            extension["abort"]()

    return send_in_time


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
            if coming:  # before a stream has ended its work on the next item, it cannot be closed
                await ended(coming)
            await stream.aclose()
