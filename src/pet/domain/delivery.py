"""Delivery: what an event causes is done at least once, and counts once.

A change and its event are stored together. Right after the commit the request itself delivers what it caused, so that a
client reads its own write; what a crash or a failure left over is delivered by the relay.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from pet.domain.broadcast import Broadcast
from pet.domain.effects import Effect, effects_of
from pet.domain.errors import Unavailable
from pet.domain.events import Event, FileDeleted, UserDeleted
from pet.domain.ids import EventId, UserId
from pet.domain.media import Blobs
from pet.domain.paging import Position

RELAY_BATCH = 100
RELAY_AGE = timedelta(seconds=2)
"""Younger events are still in the hands of the request that caused them."""

log = logging.getLogger("pet.delivery")


@dataclass(frozen=True, slots=True)
class Delivered:
    """An event, and when everything that it causes was done."""

    event: Event
    at: datetime

    @property
    def position(self) -> Position:
        """Where it stands among those that were delivered."""
        return Position(self.at, self.event.event_id)


class Outbox(Protocol):
    """The events of one store, each stored with its change. Every store has its own."""

    async def pending(self, *, older_than: timedelta, limit: int, after: EventId | None = None) -> Sequence[Event]:
        """Return undelivered events by their ids, ascending: those of one process come oldest first.

        Args:
            older_than: leaves out what happened within this time.
            after: the exclusive id from which to go on; None for the start.
        """

    async def settle(self, event_id: EventId) -> bool:
        """Mark an event as delivered; doing so twice does nothing. False when this store holds no such event."""

    async def oldest_pending(self) -> datetime | None:
        """Return when the oldest undelivered event happened; None when all are delivered."""

    async def delivered(self, *, after: Position, limit: int) -> Sequence[Delivered]:
        """Return delivered events in the order of their delivery, ascending; equal times by event id.

        Args:
            after: the exclusive time of delivery and event id from which to go on.
        """

    async def unpublished(self, *, older_than: timedelta, limit: int) -> Sequence[Event]:
        """Return events that no broker has confirmed yet, by their ids, ascending, delivered or not.

        Args:
            older_than: leaves out what happened within this time.
        """

    async def mark_published(self, event_ids: Sequence[EventId]) -> None:
        """Note that the broker has confirmed up to 1,000 events; doing so twice does nothing."""

    async def trim(self, *, before: datetime, keep_unpublished: bool) -> None:
        """Forget events that were delivered before a moment, in steps of bounded size.

        Args:
            keep_unpublished: keep those that no broker has confirmed, however old.
        """


class Projections(Protocol):
    """Applies what events cause."""

    async def apply(self, event: Event, effects: Sequence[Effect]) -> bool:
        """Apply an event's effects and remember that they were, in one transaction; False when they had been before."""

    async def purge(self, user_id: UserId) -> None:
        """Remove a user's profile, then follows in both directions (counted down on the other side) and activities.

        The profile goes first, so that nothing more is added, and it never comes back. The rest goes in steps of
        bounded size, each of them whole; what was interrupted is repeated from the start.
        """

    async def trim(self, *, before: datetime) -> None:
        """Forget the marks that were made before a moment, in steps of bounded size."""


Purge = Callable[[UserId], Awaitable[None]]


class Delivery:
    """Delivers events: projections, then bytes, then the mark, then whoever listens."""

    def __init__(
        self,
        outboxes: Sequence[Outbox],
        projections: Projections,
        blobs: Blobs,
        broadcast: Broadcast[Event],
        purge_files: Purge,
    ) -> None:
        """Take what delivery works on.

        Args:
            outboxes: of every store, those that hold most events first.
        """
        self._outboxes = outboxes
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

        An event that cannot be delivered is left for the next time, and holds up none of those behind it; so is a store
        that cannot be read.
        """
        return sum([await self._deliver_from(outbox, older_than) for outbox in self._outboxes])

    async def trim(self, *, before: datetime, keep_unpublished: bool = False) -> None:
        """Forget events that were delivered before a moment, and marks as old; never the mark of a pending event.

        Without its mark, an event whose bytes resist removal for days would be counted again.

        Raises:
            Unavailable: a store cannot be reached.
        """
        waiting = [await outbox.oldest_pending() for outbox in self._outboxes]
        for outbox in self._outboxes:
            await outbox.trim(before=before, keep_unpublished=keep_unpublished)
        await self._projections.trim(before=min([before, *(moment for moment in waiting if moment)]))

    async def _deliver_from(self, outbox: Outbox, older_than: timedelta) -> int:
        delivered, after = 0, None
        try:
            while batch := await outbox.pending(older_than=older_than, limit=RELAY_BATCH, after=after):
                for event in batch:
                    delivered += await self._is_delivered(event)
                after = batch[-1].event_id
        except Unavailable as error:
            log.warning("an outbox cannot be read, the relay will try again", extra={"reason": repr(error.__cause__)})
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
        await self._settle(event.event_id)
        if is_first:
            await self._broadcast.publish(event)

    async def _settle(self, event_id: EventId) -> None:
        for outbox in self._outboxes:
            if await outbox.settle(event_id):
                return
