"""Tasks that are ended from outside."""

from __future__ import annotations

import asyncio
from typing import Any

AGAIN_SECONDS = 0.2
"""After this a task that was cancelled and has not ended is cancelled again."""


async def ended(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait until it has ended, however it does.

    Whoever is cancelled in the moment in which what it waits for ends may never learn of it (`asyncio.wait_for` before
    Python 3.12, for one), and goes on: so it is told again.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=AGAIN_SECONDS)
    if not task.cancelled():
        task.exception()  # nobody else asks for it
