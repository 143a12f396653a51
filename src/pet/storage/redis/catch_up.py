"""What was delivered while nobody told: read from the outboxes, which hold every event."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

from pet.domain.errors import Unavailable
from pet.domain.events import Event, UnknownEvent
from pet.domain.ids import EventId
from pet.domain.outbox import Outbox
from pet.domain.paging import Position
from pet.domain.times import Clock

OVERLAP = timedelta(seconds=5)
"""How far each turn looks back before the last one: other processes have other clocks, and a delivery is dated before
it is committed."""

LOOK_BACK = timedelta(minutes=5)
"""How far a turn looks back at most: where a store could not be read for longer, no subscription has lived so long."""

BATCH = 500
REMEMBERED_EVENTS = 20_000
"""Some minutes of a busy network, and 4 MB at most."""

log = logging.getLogger("pet.redis")


class SeenEvents:
    """The events that this process knows already; the one that was seen longest ago goes first."""

    def __init__(self, capacity: int = REMEMBERED_EVENTS) -> None:
        self._capacity = capacity
        self._ids: OrderedDict[EventId, None] = OrderedDict()

    def add(self, event_id: EventId) -> bool:
        """Note an event; False when it was seen before."""
        is_new = event_id not in self._ids
        self._ids[event_id] = None
        self._ids.move_to_end(event_id)
        if len(self._ids) > self._capacity:
            self._ids.popitem(last=False)
        return is_new


class CatchUp:
    """Goes through what was delivered, turn by turn."""

    def __init__(self, outboxes: Sequence[Outbox], clock: Clock) -> None:
        self._clock = clock
        self._outboxes = outboxes
        self._until: list[datetime] = [clock()] * len(outboxes)

    def complete_until(self) -> datetime:
        """Return when the last turn began that went through every outbox."""
        return min(self._until, default=self._clock())

    async def turn(self) -> AsyncIterator[Event]:
        """Yield what was delivered since the last turn, and some of what was before it.

        A store that cannot be read is left for the next turn. Events that this version does not know are skipped.
        """
        for number, outbox in enumerate(self._outboxes):
            began = self._clock()
            try:
                async for event in _delivered(outbox, max(self._until[number] - OVERLAP, began - LOOK_BACK)):
                    yield event
            except Unavailable as error:
                log.debug("an outbox cannot be read", extra={"reason": repr(error.__cause__)})
                continue
            self._until[number] = began


async def _delivered(outbox: Outbox, since: datetime) -> AsyncIterator[Event]:
    after = Position(since, "")
    while batch := await outbox.delivered(after=after, limit=BATCH):
        for each in batch:
            if not isinstance(each.event, UnknownEvent):
                yield each.event
        after = batch[-1].position
