"""Delivery: what an event causes is done at least once, in order for each user, and counts once.

Right after the commit the request itself delivers what it caused, so that a client reads its own write. What a crash, a
failure or a long piece of work left over is delivered by the relay of any process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from pet.domain.broadcast import Broadcast
from pet.domain.effects import Effect, effects_of
from pet.domain.errors import Unavailable
from pet.domain.events import Event, FileDeleted, UnknownEvent, UserDeleted, UserUpdated
from pet.domain.ids import EventId, UserId
from pet.domain.outbox import Outbox
from pet.domain.times import Clock

REQUEST_SECONDS = 2.0
"""How long a request delivers before it answers and leaves the rest to the relay."""

REQUEST_HELPS_WITH = 20
"""How many older events of the same user a request delivers before its own."""

RELAY_BATCH = 100
HOLD = timedelta(seconds=30)
"""How long the relay holds what it has claimed; a delivery that takes longer may be repeated beside it."""

USER_SECONDS = 5.0
"""How long the relay stays with one user whose events take long, such as the deletion of someone with ten thousand
tracks. The rest comes at its next turn, and the others do not wait for it."""

MAX_ATTEMPTS = 6
FIRST_PAUSE = timedelta(seconds=1)
"""Doubles with each attempt: an event that fails for a reason of its own is parked after about half a minute."""

OUTAGE_PAUSE = timedelta(seconds=1)
"""An engine that is down is no fault of the event: it is tried again until it succeeds."""

log = logging.getLogger("pet.delivery")


class Projections(Protocol):
    """Applies what events cause."""

    async def apply(self, event: Event, effects: Sequence[Effect]) -> bool:
        """Apply an event's effects and remember that they were, in one transaction; False when they had been before.

        Raises:
            TooEarly: an effect needs what another event of the same user still has to make; nothing was applied.
        """

    async def accept_requests(self, user_id: UserId, *, asked_by: datetime) -> Sequence[Event]:
        """Accept some of those who asked to follow a user up to a moment, and store that they follow, in one
        transaction.

        Return the events; none when nobody is left. Whoever asks later, when the profile may be private again, is not
        meant.
        """

    async def spread_news(self) -> bool:
        """Let some more follows know of the news of someone with many followers; False when nobody has such.

        Feeds have the news at once; this makes them cheap to read again. Any process may do it at any time.
        """

    async def purge(self, user_id: UserId) -> None:
        """Remove a user's profile, then follows in both directions (counted down on the other side) and activities.

        The profile goes first, so that nothing more is added, and it never comes back. The rest goes in steps of
        bounded size, each of them whole; what was interrupted is repeated from the start.
        """

    async def trim(self, *, before: datetime) -> None:
        """Forget the marks that were made before a moment, in steps of bounded size."""


class TooEarly(Exception):
    """An effect needs what an earlier event still has to make."""


Purge = Callable[[UserId], Awaitable[None]]
RemoveBytes = Callable[[str], Awaitable[None]]


class Delivery:
    """Delivers events: what is done in steps, then the effects with their mark, then whoever listens."""

    def __init__(
        self,
        outboxes: Sequence[Outbox],
        projections: Projections,
        broadcast: Broadcast[Event],
        clock: Clock,
        *,
        purge: Purge,
        remove_bytes: RemoveBytes,
    ) -> None:
        """Take what delivery works on.

        Args:
            outboxes: of every store, those that hold most events first.
            purge: removes everything that belonged to a deleted user.
            remove_bytes: removes the bytes of a deleted file; their effect has noted them already, so that a failure is
                made up for by the sweep.
        """
        self._outboxes = outboxes
        self._projections = projections
        self._broadcast = broadcast
        self._clock = clock
        self._purge = purge
        self._remove_bytes = remove_bytes
        self._untold: set[EventId] = set()
        """What this process has applied, and not yet settled and made known: another attempt of it does that."""

    async def deliver(self, events: Sequence[Event]) -> None:
        """Deliver a request's events, and before them what else waits of the same users. Never raises.

        The change is committed; what takes too long, and what fails, is left to the relay.
        """
        last = {event.user_id: event for event in events}
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                for event in last.values():
                    await self._deliver_upto(event)
        except TimeoutError:
            log.warning("a delivery takes long and is left to the relay", extra={"event_name": events[0].name})
        except Unavailable as error:
            log.warning("an outbox cannot be read, the relay delivers later", extra={"reason": repr(error.__cause__)})

    async def deliver_at_once(self, events: Sequence[Event]) -> None:
        """Deliver the events that a delivery itself has stored, without a look at what waits: that waits for it."""
        await self._in_order(events)

    async def relay(self, *, even_held: bool = False) -> int:
        """Deliver what was left over, each user's events in their order; return how many were delivered.

        What cannot be delivered is left for the next time and holds up no other user, nor does a store that is down.

        Args:
            even_held: at the start, when those who hold events may have died.
        """
        return sum([await self._relay_from(outbox, even_held=even_held) for outbox in self._outboxes])

    async def trim(self, *, before: datetime, keep_unpublished: bool = False) -> None:
        """Forget events that were delivered before a moment, and marks as old; never the mark of an undelivered event.

        Raises:
            Unavailable: a store cannot be reached.
        """
        backlogs = [await outbox.backlog() for outbox in self._outboxes]
        for outbox in self._outboxes:
            await outbox.trim(before=before, keep_unpublished=keep_unpublished)
        await self._projections.trim(before=min([before, *(b.oldest_at for b in backlogs if b.oldest_at)]))

    async def _deliver_upto(self, event: Event) -> None:
        for outbox in self._outboxes:
            waiting = await outbox.waiting(event.user_id, upto=event.event_id, limit=REQUEST_HELPS_WITH)
            # What has failed of itself rests until its next attempt, lest a burst of requests uses up all of them.
            resting = [stored.is_resting(self._clock()) for stored in waiting]
            ready = waiting[: resting.index(True)] if True in resting else waiting
            await self._in_order([stored.event for stored in ready])

    async def _relay_from(self, outbox: Outbox, *, even_held: bool) -> int:
        delivered, after = 0, None
        try:
            while heads := await outbox.claim(hold=HOLD, limit=RELAY_BATCH, after=after, even_held=even_held):
                for head in heads:
                    delivered += await self._relay_user(outbox, head)
                after = heads[-1].event_id
        except Unavailable as error:
            log.warning("an outbox cannot be read, the relay will try again", extra={"reason": repr(error.__cause__)})
        return delivered

    async def _relay_user(self, outbox: Outbox, head: Event) -> int:
        """Deliver all that waits of a user whose first event was claimed, as far as the time for one user goes."""
        delivered, batch = 0, [head]
        try:
            async with asyncio.timeout(USER_SECONDS):
                while batch:
                    done = await self._in_order(batch)
                    delivered += done
                    if done < len(batch):
                        break
                    batch = [stored.event for stored in await outbox.waiting(head.user_id, limit=RELAY_BATCH)]
        except TimeoutError:
            log.info("a delivery takes long and goes on at the next turn", extra={"event_name": head.name})
            await outbox.postpone(head.event_id, until=self._clock())
        return delivered

    async def _in_order(self, events: Sequence[Event]) -> int:
        """Deliver events until one fails; return how many were delivered."""
        for number, event in enumerate(events):
            if not await self._is_delivered(event):
                return number
        return len(events)

    async def _is_delivered(self, event: Event) -> bool:
        try:
            await self._carry_out(event)
        except Exception as error:  # noqa: BLE001 - it is logged, and the event is tried again or parked
            await self._note_failure(event, error)
            return False
        if isinstance(event, FileDeleted):
            await self._try_to_remove_bytes(event.blob_key)
        return True

    async def _carry_out(self, event: Event) -> None:
        if isinstance(event, UnknownEvent):
            raise TypeError(f"This version knows no event {event.stored_name!r}: a newer one stored it.")
        if isinstance(event, UserDeleted):
            await self._purge(event.user_id)
        if isinstance(event, UserUpdated) and event.went_public:
            while accepted := await self._projections.accept_requests(event.user_id, asked_by=event.occurred_at):
                await self.deliver_at_once(accepted)
        try:
            if await self._projections.apply(event, effects_of(event)):
                self._untold.add(event.event_id)
        except asyncio.CancelledError:
            self._untold.add(event.event_id)  # the effects may be there: whoever delivers again is not the first
            raise
        # A request whose time is over must not be stopped between the two: nobody would make the event known.
        await asyncio.shield(self._make_known(event))

    async def _make_known(self, event: Event) -> None:
        await self._settle(event.event_id)
        if event.event_id in self._untold:
            self._untold.discard(event.event_id)
            await self._broadcast.publish(event)

    async def _settle(self, event_id: EventId) -> None:
        for outbox in self._outboxes:
            if await outbox.settle(event_id):
                return

    async def _try_to_remove_bytes(self, blob_key: str) -> None:
        """Remove the bytes now if their store lets us: the sweep finds them by the note that the effects have left."""
        try:
            await self._remove_bytes(blob_key)
        except Unavailable:
            log.warning("bytes cannot be removed now, the sweep will do it", extra={"blob_key": blob_key})

    async def _note_failure(self, event: Event, error: Exception) -> None:
        """Decide when an event is tried again, or that it is parked. The store may be down as well: then it just is."""
        is_outage = isinstance(error, Unavailable)
        said: dict[str, object] = {"event_name": event.name, "event_id": event.event_id}
        if is_outage:
            log.warning("an engine is down, the relay will try again", extra=said | {"reason": repr(error.__cause__)})
        else:
            log.error("delivery failed, the relay will try again", exc_info=error, extra=said)
        try:
            for outbox in self._outboxes:
                stored = await outbox.find(event.event_id)
                if stored is None:
                    continue
                if is_outage:
                    await outbox.postpone(event.event_id, until=self._clock() + OUTAGE_PAUSE)
                elif stored.attempts + 1 < MAX_ATTEMPTS:
                    pause = FIRST_PAUSE * 2**stored.attempts
                    await outbox.postpone(event.event_id, until=self._clock() + pause, error=_line(error))
                else:
                    await outbox.park(event.event_id, error=_line(error))
                    log.error("an event is parked: see `pet events list`", extra=said)
        except Unavailable:
            log.warning("the outbox cannot be written either", extra=said)


def _line(error: Exception) -> str:
    """Return an error on one line, for operators."""
    return " ".join(f"{type(error).__name__}: {error}".split())
