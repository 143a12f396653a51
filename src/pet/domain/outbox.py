"""The outbox: events stored with the change that they tell of, until everything that they cause is done.

Every store has its own. An event belongs to its user; those of one user are delivered in the order of their ids, which
grow with time. Whoever is about to deliver holds an event for a while, so that processes keep out of each other's way;
when two deliver the same one nevertheless, the marks of `Projections` make the second delivery harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from pet.domain.events import Event
from pet.domain.ids import EventId, UserId
from pet.domain.paging import Position

BORN_HELD = timedelta(seconds=5)
"""A new event is in the hands of the request that caused it; whoever still finds it then takes it over."""


KEEP_DELIVERED = timedelta(days=7)
"""Long enough to look into what happened last week, and to resume a subscription; the tables stay small."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An event as its store keeps it.

    `attempts` counts the deliveries that failed for a reason of their own, and `error` tells the last one in a line.
    `held_until` is when it may be tried next. A parked event waits for an operator, and holds up nobody.
    """

    event: Event
    attempts: int
    error: str | None
    held_until: datetime
    delivered_at: datetime | None = None
    parked_at: datetime | None = None

    def is_resting(self, now: datetime) -> bool:
        """Tell whether an attempt has failed and the next one's time has not come."""
        return self.attempts > 0 and self.held_until > now

    @property
    def position(self) -> Position:
        """Where a delivered event stands among those that were delivered."""
        return Position(self.delivered_at or self.held_until, self.event.event_id)


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many events wait for their delivery, how many are parked, and when the oldest of either kind happened."""

    waiting: int
    parked: int
    oldest_at: datetime | None


class Outbox(Protocol):
    """The events of one store. Lists are in the order of event ids, ascending, where nothing else is said."""

    async def claim(
        self, *, hold: timedelta, limit: int, after: EventId | None = None, even_held: bool = False
    ) -> Sequence[Event]:
        """Take the first waiting event of each user whose first one nobody holds, in one atomic step.

        Each is held from now on for a time. Two claims at once never take the same event.

        Args:
            after: the exclusive id from which to go on; None for the start.
            even_held: take those that somebody holds as well: at the start, when the holder may have died.
        """

    async def waiting(
        self, user_id: UserId | None = None, *, upto: EventId | None = None, limit: int
    ) -> Sequence[Stored]:
        """Return events that are neither delivered nor parked, held or not: one user's or everyone's.

        Args:
            upto: the last event wanted, inclusive.
        """

    async def settle(self, event_id: EventId) -> bool:
        """Mark an event as delivered; doing so twice does nothing. False when this store holds no such event."""

    async def postpone(self, event_id: EventId, *, until: datetime, error: str | None = None) -> None:
        """Let an event wait until a moment; with an error, which is cut to 500 characters, count a failed attempt.

        A delivered event stays delivered.
        """

    async def park(self, event_id: EventId, *, error: str) -> None:
        """Count a last failed attempt, and leave an event to an operator; a delivered one stays delivered."""

    async def retry(self, event_id: EventId) -> bool:
        """Let an event that waits or is parked be tried at once, with no attempts counted; False when there is none."""

    async def find(self, event_id: EventId) -> Stored | None:
        """Return one event, delivered or not."""

    async def troubled(self, *, after: EventId | None = None, limit: int) -> Sequence[Stored]:
        """Return undelivered events of which an attempt has failed, the parked ones among them.

        Args:
            after: the exclusive id from which to go on; None for the start.
        """

    async def backlog(self) -> Backlog:
        """Return how much is undelivered."""

    async def delivered(self, *, after: Position, limit: int, names: Sequence[str] = ()) -> Sequence[Stored]:
        """Return delivered events in the order of their delivery, ascending; equal times by event id.

        Args:
            after: the exclusive time of delivery and event id from which to go on.
            names: of the kinds wanted; without any, all kinds.
        """

    async def unpublished(self, *, older_than: timedelta, limit: int) -> Sequence[Event]:
        """Return events that no broker has confirmed yet, delivered or not.

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
