"""Upkeep: what is done when the service starts, and again and again while it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from pet.domain.delivery import Delivery, Projections
from pet.domain.plays import PLAY_WINDOW, Plays
from pet.domain.times import Clock
from pet.domain.uploads import UploadService
from pet.metrics import Sampler

AUDIT_PAUSE = timedelta(minutes=1)
"""A hundred profiles a minute: a network of 100,000 is looked through in a night."""

RELAY_PAUSE = timedelta(seconds=1)
"""What a request could not deliver is late by this much; an idle turn costs one look at an index."""

SPREADS_A_TURN = 50
"""Of 500 follows each: a hundred thousand followers are told within some seconds, and the database rests in between."""

BYTES_PAUSE = timedelta(minutes=1)
"""A deletion removes its bytes at once; this is for those that resisted."""

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
    if delivered := await delivery.relay(even_held=True):
        log.info("delivered %d events that a crash left over", delivered)


@asynccontextmanager
async def upkeep(
    delivery: Delivery,
    uploads: UploadService,
    projections: Projections,
    plays: Plays,
    sampler: Sampler,
    clock: Clock,
) -> AsyncIterator[None]:
    """Relay, trim, audit, and remove bytes that are nobody's, until the context is left."""

    async def relay() -> None:
        """Deliver what requests could not deliver themselves."""
        await delivery.relay()

    async def spread() -> None:
        """Let all follows of those with many followers know of their news."""
        for _ in range(SPREADS_A_TURN):
            if not await projections.spread_news():
                break

    async def trim() -> None:
        """Forget what is long done."""
        await delivery.trim(before=clock() - KEEP_DELIVERED)
        await plays.trim(before=clock() - 2 * PLAY_WINDOW)

    async def remove_bytes() -> None:
        """Remove what a deletion could not, because the store of bytes was down."""
        await uploads.remove_abandoned()

    async with AsyncExitStack() as stack:
        for pause, work in (
            (RELAY_PAUSE, relay),
            (RELAY_PAUSE, spread),
            (BYTES_PAUSE, remove_bytes),
            (AUDIT_PAUSE, sampler.sample),
            (TRIM_PAUSE, trim),
        ):
            await stack.enter_async_context(_repeated(pause, work))
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
