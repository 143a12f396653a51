"""Publishing: every event goes to other systems at least once, and each user's in the order of their ids.

It goes on beside the requests, from what the stores keep: with the broker down nothing is lost and nobody waits.

The events of all stores are merged by their ids. An event is published when it has settled, so that one with a smaller
id, from a process whose clock is a little behind or from a transaction that takes its time, goes before it. What was
not confirmed is published again from the first such event on, so whoever forgets the ids that were seen before reads
an order without gaps: two processes that publish the same events do not change that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from itertools import takewhile
from typing import NamedTuple, Protocol

from pet.domain.errors import Unavailable
from pet.domain.events import Event, UnknownEvent
from pet.domain.outbox import Outbox
from pet.domain.times import Clock

SETTLING = timedelta(milliseconds=250)
"""How long an event waits for those that belong before it; clocks may differ by as much."""

PATIENCE = timedelta(seconds=1.5)
"""How long events wait for the process that publishes before another one tries to take its place."""

WINDOW = 100
"""The most events that are on their way unconfirmed, and so the most that are repeated after a failure."""

RETRY_PAUSE = timedelta(seconds=0.5)

PLACE_PAUSE = timedelta(seconds=1.5)
"""Longer: the broker logs each time that somebody asks for a place that is another's."""

log = logging.getLogger("pet.publishing")


class AnotherPublishes(Exception):
    """Another process publishes at the moment."""


class Exchange(Protocol):
    """Where events go for other systems; one process at a time publishes there."""

    async def publish(self, events: Sequence[Event]) -> int:
        """Publish up to 100 events in their order; return how many of them, from the first on, were confirmed.

        Confirmed means that the broker keeps them for whoever has asked for them. They are fewer than all when the
        broker is down or refuses some; those behind may have arrived as well. A broker that takes nothing for the
        moment is waited for.

        Raises:
            AnotherPublishes: nothing was published, another process has the place. Whoever publishes keeps it until
                the connection ends, and can publish nothing afterwards.
        """

    async def release(self) -> None:
        """Leave the place to another process; doing so twice does nothing."""


class _Waiting(NamedTuple):
    event: Event
    outbox: Outbox


class Publisher:
    """Publishes what the outboxes hold."""

    def __init__(self, outboxes: Sequence[Outbox], exchange: Exchange, clock: Clock) -> None:
        self._outboxes = outboxes
        self._exchange = exchange
        self._clock = clock
        self._window = 1
        self._has_place = True  # until it turns out otherwise
        self._can_read = True

    async def publish(self) -> None:
        """Publish what has settled, oldest first, until nothing is left; pause where that fails."""
        try:
            while waiting := await self._settled():
                if not self._has_place and waiting[0].event.occurred_at > self._clock() - PATIENCE:
                    return
                await self._publish(waiting)
        except AnotherPublishes:
            self._has_place, self._window = False, 1
            await _pause(PLACE_PAUSE)
        except Exception as error:
            # Another process may be able to do what this one is not.
            self._has_place, self._window = False, 1
            await self._exchange.release()
            if not isinstance(error, Unavailable):
                raise
            # Order before speed: what this store holds may belong before what the others hold.
            if self._can_read:
                log.warning("a store cannot be reached, events wait", extra={"reason": repr(error.__cause__)})
            self._can_read = False
            await _pause(RETRY_PAUSE)

    async def _settled(self) -> list[_Waiting]:
        """Return the next events of all stores, up to the first that has not settled.

        Raises:
            KeyError: one is of another version, which has to publish it.

        The moment is taken before the first store is read: what another store gets meanwhile must not overtake.
        """
        settled_at = self._clock() - SETTLING
        waiting: list[_Waiting] = []
        for outbox in self._outboxes:
            events = await outbox.unpublished(older_than=timedelta(0), limit=self._window)
            waiting += [_Waiting(event, outbox) for event in events]
        self._can_read = True
        waiting.sort(key=lambda item: item.event.event_id)
        settled = list(takewhile(lambda item: item.event.occurred_at <= settled_at, waiting[: self._window]))
        for item in settled:
            if isinstance(item.event, UnknownEvent):
                raise KeyError(item.event.stored_name)
        return settled

    async def _publish(self, waiting: Sequence[_Waiting]) -> None:
        """Publish a window; it grows while all goes well, and after a failure it begins anew with a single event.

        A queue that is full would otherwise let others have a whole window again and again.
        """
        confirmed = await self._exchange.publish([item.event for item in waiting])
        self._has_place |= confirmed > 0
        for outbox in self._outboxes:
            mine = [item.event.event_id for item in waiting[:confirmed] if item.outbox is outbox]
            if mine:
                await outbox.mark_published(mine)
        if confirmed == len(waiting):
            self._window = min(2 * self._window, WINDOW)
        else:
            self._window = 1
            await _pause(RETRY_PAUSE)


async def _pause(duration: timedelta) -> None:
    await asyncio.sleep(duration.total_seconds())
