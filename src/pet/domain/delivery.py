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

    async def pending(self, *, older_than: timedelta, limit: int, after: EventId | None = None) -> Sequence[Event]:
        """Return undelivered events by their ids, ascending: those of one process come oldest first.

        Args:
            older_than: leaves out what happened within this time.
            after: the exclusive id from which to go on; None for the start.
        """

    async def settle(self, event_id: EventId) -> None:
        """Mark an event as delivered; doing so twice does nothing."""

    async def trim(self, *, before: datetime) -> None:
        """Forget events that were delivered before a moment, and marks as old; never the mark of a pending event."""


class Projections(Protocol):
    """Applies what events cause."""

    async def apply(self, event: Event, effects: Sequence[Effect]) -> bool:
        """Apply an event's effects and remember that they were, in one transaction; False when they had been before."""

    async def purge(self, user_id: UserId) -> None:
        """Remove a user's profile, then follows in both directions (counted down on the other side) and activities.

        The profile goes first, so that nothing more is added, and it never comes back. The rest goes in steps of
        bounded size, each of them whole; what was interrupted is repeated from the start.
        """


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
            if not await self._is_delivered(event):
                return

    async def deliver_pending(self, *, older_than: timedelta = RELAY_AGE) -> int:
        """Deliver what was left over, oldest first; return how many were delivered.

        An event that cannot be delivered is left for the next time, and holds up none of those behind it.

        Raises:
            Unavailable: the outbox cannot be read.
        """
        delivered, after = 0, None
        while batch := await self._outbox.pending(older_than=older_than, limit=RELAY_BATCH, after=after):
            for event in batch:
                delivered += await self._is_delivered(event)
            after = batch[-1].event_id
        return delivered

    async def _is_delivered(self, event: Event) -> bool:
        try:
            await self._deliver(event)
        except Exception:
            log.exception("delivery failed, the relay will try again", extra={"event_name": event.name})
            return False
        return True

    async def _deliver(self, event: Event) -> None:
        if isinstance(event, UserDeleted):
            # Without a profile no file and no follow can be added: what these two remove stays removed.
            await self._projections.purge(event.user_id)
            await self._purge_files(event.user_id)
        is_first = await self._projections.apply(event, effects_of(event))
        if isinstance(event, FileDeleted):
            await self._blobs.remove(event.blob_key)
        await self._outbox.settle(event.event_id)
        if is_first:
            await self._broadcast.publish(event)
