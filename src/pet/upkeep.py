"""Upkeep: what is done when the service starts, and again and again while it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from pet.domain.delivery import Delivery
from pet.domain.plays import PLAY_WINDOW, Plays
from pet.domain.times import Clock
from pet.domain.uploads import UploadService

RELAY_PAUSE = timedelta(seconds=2)
"""What a request could not deliver is late by this much; an idle turn costs one look at an index."""

TRIM_PAUSE = timedelta(minutes=10)
KEEP_DELIVERED = timedelta(days=7)
"""Long enough to look into what happened last week; the tables stay small."""

log = logging.getLogger("pet.upkeep")


async def sweep(uploads: UploadService, is_alone: bool) -> None:
    """Remove what crashes left of uploads; alone, whatever its age."""
    if swept := await uploads.sweep(is_alone=is_alone):
        log.info("removed %d objects that a crash left behind", swept)


async def recover(delivery: Delivery) -> None:
    """Deliver what a crash left over before the first request, so that nobody reads old counters."""
    if delivered := await delivery.deliver_pending(older_than=timedelta(0)):
        log.info("delivered %d events that a crash left over", delivered)


@asynccontextmanager
async def upkeep(delivery: Delivery, plays: Plays, clock: Clock) -> AsyncIterator[None]:
    """Relay and trim until the context is left."""

    async def relay() -> None:
        """Deliver what requests could not deliver themselves."""
        await delivery.deliver_pending()

    async def trim() -> None:
        """Forget what is long done."""
        await delivery.trim(before=clock() - KEEP_DELIVERED)
        await plays.trim(before=clock() - 2 * PLAY_WINDOW)

    async with _repeated(RELAY_PAUSE, relay), _repeated(TRIM_PAUSE, trim):
        yield


@asynccontextmanager
async def _repeated(pause: timedelta, work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Do work again and again until the context is left; a failure is logged, and the next turn comes all the same."""

    async def loop() -> None:
        while True:
            await asyncio.sleep(pause.total_seconds())
            try:
                await work()
            except Exception:
                log.exception("upkeep failed and will be tried again")

    task = asyncio.create_task(loop())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
