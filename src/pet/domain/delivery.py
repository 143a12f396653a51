"""Delivery: what an event causes is done at least once, and counts once.

A change and its event are stored together. Right after the commit the request itself delivers what it caused, so that a
client reads its own write; what a crash or a failure left over is delivered by the relay.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from pet.domain.broadcast import Broadcast
from pet.domain.effects import Effect, effects_of
from pet.domain.events import Event, FileDeleted, UserDeleted
from pet.domain.ids import EventId, UserId
from pet.domain.media import Blobs

RELAY_BATCH = 100
RELAY_AGE = timedelta(seconds=2)
"""Younger events are still in the hands of the request that caused them."""

log = logging.getLogger("pet.delivery")


class Outbox(Protocol):
    """Events that were stored with their change and are not delivered yet."""

    async def pending(self, *, older_than: timedelta, limit: int) -> Sequence[Event]:
        """Return undelivered events, oldest first."""

    async def settle(self, event_id: EventId) -> None:
        """Mark an event as delivered; doing so twice does nothing."""

    async def trim(self, *, before: datetime) -> None:
        """Forget events that were delivered before a moment, with their marks."""


class Projections(Protocol):
    """Applies what events cause."""

    async def apply(self, event: Event, effects: Sequence[Effect]) -> bool:
        """Apply an event's effects and remember that they were, in one transaction; False when they had been before."""


Purge = Callable[[UserId], Awaitable[None]]


class Delivery:
    """Delivers events: projections, then bytes, then the mark, then whoever listens."""

    def __init__(
        self, outbox: Outbox, projections: Projections, blobs: Blobs, broadcast: Broadcast[Event], purge_files: Purge
    ) -> None:
        self._outbox = outbox
        self._projections = projections
        self._blobs = blobs
        self._broadcast = broadcast
        self._purge_files = purge_files

    async def deliver(self, events: Sequence[Event]) -> None:
        """Deliver events in their order. Never raises: the change is committed, and the relay tries again."""
        for event in events:
            try:
                await self._deliver(event)
            except Exception:
                log.exception("delivery failed, the relay will try again", extra={"event_name": event.name})
                return

    async def deliver_pending(self, *, older_than: timedelta = RELAY_AGE) -> int:
        """Deliver what was left over, oldest first; return how many were delivered.

        Raises:
            Exception: whatever stops the first event that cannot be delivered; those before it are done.
        """
        delivered = 0
        while batch := await self._outbox.pending(older_than=older_than, limit=RELAY_BATCH):
            for event in batch:
                await self._deliver(event)
                delivered += 1
        return delivered

    async def _deliver(self, event: Event) -> None:
        if isinstance(event, UserDeleted):
            await self._purge_files(event.user_id)
        is_first = await self._projections.apply(event, effects_of(event))
        if isinstance(event, FileDeleted):
            await self._blobs.remove(event.blob_key)
        await self._outbox.settle(event.event_id)
        if is_first:
            await self._broadcast.publish(event)
