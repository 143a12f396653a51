"""Upkeep: what is done when the service starts, and again and again while it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from pet.domain.delivery import Delivery, Projections
from pet.domain.errors import Unavailable
from pet.domain.exports import ExportService
from pet.domain.listeners import Listeners
from pet.domain.outbox import KEEP_DELIVERED
from pet.domain.plays import PLAY_WINDOW, Plays
from pet.domain.publishing import Publisher
from pet.domain.tasks import ended
from pet.domain.times import Clock
from pet.domain.uploads import UploadService
from pet.domain.waveforms import WaveformService
from pet.metrics import Sampler

AUDIT_PAUSE = timedelta(minutes=1)
"""A hundred profiles a minute: a network of 100,000 is looked through in a night."""

RELAY_PAUSE = timedelta(seconds=1)
"""What a request could not deliver is late by this much; an idle turn costs one look at an index."""

SPREADS_A_TURN = 50
"""Of 500 follows each: a hundred thousand followers are told within some seconds, and the database rests in between."""

BYTES_PAUSE = timedelta(minutes=1)
"""A deletion removes its bytes at once; this is for those that resisted."""

WAVEFORMS_PAUSE = timedelta(seconds=1)
"""A new track has its waveform within some seconds; an idle turn costs one look at an index."""

PUBLISH_PAUSE = timedelta(milliseconds=250)
"""With the time that events settle, one is on its way half a second after the change, whichever process made it."""

EXPORT_PAUSE = timedelta(seconds=1)
"""An archive is begun soon after it was asked for; an idle turn costs one look at an index."""

FAILURE_PAUSE = timedelta(seconds=2)
"""So that what fails every time does not fill the log."""

TRIM_PAUSE = timedelta(minutes=10)

SESSIONS_PAUSE = timedelta(seconds=1)
"""A session that has ended ends its subscriptions within this time, wherever it was ended."""

log = logging.getLogger("pet.upkeep")


async def sweep(uploads: UploadService, is_alone: bool) -> None:
    """Remove what crashes left of uploads; alone, whatever its age."""
    if swept := await uploads.sweep(is_alone=is_alone):
        log.info("removed %d objects that a crash left behind", swept)


async def recover(delivery: Delivery) -> None:
    """Deliver what a crash left over before the first request, so that nobody reads old counters."""
    if delivered := await delivery.relay(even_held=True):
        log.info("delivered %d events that a crash left over", delivered)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What is done again and again, with what it is done to."""

    delivery: Delivery
    projections: Projections
    uploads: UploadService
    exports: ExportService
    waveforms: WaveformService
    plays: Plays
    listeners: Listeners
    sampler: Sampler
    publisher: Publisher | None
    clock: Clock

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Relay, publish, trim, audit, and remove bytes that are nobody's, until the context is left."""
        jobs: list[tuple[timedelta, Callable[[], Awaitable[None]]]] = [
            (RELAY_PAUSE, self._relay),
            (RELAY_PAUSE, self._spread),
            (BYTES_PAUSE, self._remove_bytes),
            (BYTES_PAUSE, self.exports.sweep),
            (EXPORT_PAUSE, self._export),
            (WAVEFORMS_PAUSE, self._make_waveforms),
            (AUDIT_PAUSE, self.sampler.sample),
            (TRIM_PAUSE, self._trim),
            (SESSIONS_PAUSE, self.listeners.look),
        ]
        if self.publisher:
            jobs.append((PUBLISH_PAUSE, self.publisher.publish))
        async with AsyncExitStack() as stack:
            for pause, work in jobs:
                await stack.enter_async_context(repeated(pause, work))
            yield

    async def _relay(self) -> None:
        """Deliver what requests could not deliver themselves."""
        await self.delivery.relay()

    async def _spread(self) -> None:
        """Let all follows of those with many followers know of their news."""
        for _ in range(SPREADS_A_TURN):
            if not await self.projections.spread_news():
                break

    async def _remove_bytes(self) -> None:
        """Remove what a deletion could not, because the store of bytes was down."""
        await self.uploads.remove_abandoned()

    async def _export(self) -> None:
        """Make the archives that people have asked for, one after the other."""
        while await self.exports.make_next():
            pass

    async def _make_waveforms(self) -> None:
        """Make the waveforms that are wanted, one after the other: the other cores are left to those who wait."""
        while await self.waveforms.make_next():
            pass

    async def _trim(self) -> None:
        """Forget what is long done."""
        await self.delivery.trim(before=self.clock() - KEEP_DELIVERED, keep_unpublished=self.publisher is not None)
        await self.plays.trim(before=self.clock() - 2 * PLAY_WINDOW)


@asynccontextmanager
async def repeated(pause: timedelta, work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Do work again and again until the context is left; a failure is logged, and the next turn comes all the same."""

    async def loop() -> None:
        while True:
            await asyncio.sleep(pause.total_seconds())
            try:
                await work()
            except Unavailable as error:
                cause = type(error.__cause__ or error).__name__
                log.warning(
                    "upkeep waits: %s", error.diagnosis, extra={"engine_of": str(error.service), "cause": cause}
                )
                await asyncio.sleep(FAILURE_PAUSE.total_seconds())
            except Exception:
                log.exception("upkeep failed and will be tried again")
                await asyncio.sleep(FAILURE_PAUSE.total_seconds())

    task = asyncio.create_task(loop())
    try:
        yield
    finally:
        await ended(task)
