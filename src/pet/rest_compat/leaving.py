"""Long answers, and clients that leave before their end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from starlette.types import Receive


async def while_connected(receive: Receive, work: Coroutine[None, None, None]) -> None:
    """Run work to its end, but cancel it as soon as the client leaves.

    Work is cancelled once, as asyncio does it, and not again and again, as an anyio scope does: a source may await
    while it closes. Whoever cancels the caller cancels the work too, and waits until it has closed its source.
    """
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_until_disconnect(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.wait((working, leaving))
    for task in (working, leaving):
        if not task.cancelled():
            task.result()


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass  # a request body, which GET gives no meaning
