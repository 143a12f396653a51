"""Work that ends whole even when whoever asked for it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def whole(work: Coroutine[Any, Any, T], running: set[asyncio.Task[Any]]) -> T:
    """Do the work in a task of its own and return its result; a caller that is cancelled leaves it to its end.

    How it ends then, nobody is told: whoever reads next sees what became of it.

    Args:
        running: holds the task while it runs, for whoever has to wait for all of them.
    """
    task = asyncio.create_task(work)
    running.add(task)
    task.add_done_callback(running.discard)
    task.add_done_callback(_noted)
    return await asyncio.shield(task)


def _noted(task: asyncio.Task[Any]) -> None:
    """Take the failure of a task whose caller is gone, which asyncio would report as forgotten."""
    if not task.cancelled():
        task.exception()
