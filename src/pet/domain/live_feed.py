"""The live feed: what those whom one follows do, as it happens, and what happened while one could not listen.

Each activity has a cursor. Whoever goes on from the last one that they received hears everything that was delivered
since, once, each author's in the order of delivery; then what happens from now on. Replayed is what the outboxes still
hold: 7 days, and no more than 10,000 events at a time.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from pet.domain.broadcast import Broadcast
from pet.domain.errors import Invalid
from pet.domain.events import Event, TrackUploaded, UserUpdated
from pet.domain.feed import Activities, Activity
from pet.domain.follows import FollowService, FollowState
from pet.domain.heard import CLOCK_MARGIN, OVERLAP, Heard, resumed
from pet.domain.outbox import Outbox, Stored
from pet.domain.paging import Position
from pet.domain.times import Clock
from pet.domain.viewers import Viewer

BATCH = 50
"""Events that are replayed together: what is needed to show them is read once for all of them."""

MAX_GAP = 10_000
"""Publications and changes of profiles, anyone's, that a replay looks through: about a second."""

SHORT_GAP = timedelta(seconds=30)
"""What was missed in this time is replayed while the live subscription is open already."""

KINDS = (TrackUploaded, UserUpdated)
_NAMES = tuple(kind.name for kind in KINDS)
_TOO_MUCH = "Too much has happened since after. Read feed, and subscribe without after."


@dataclass(frozen=True, slots=True)
class News:
    """An activity with the event that caused it; `stored` is how the outbox holds that, where it was replayed."""

    activity: Activity
    event: Event
    stored: Stored | None = None


class LiveFeed:
    """Opens ears."""

    def __init__(
        self,
        outboxes: Sequence[Outbox],
        activities: Activities,
        follows: FollowService,
        broadcast: Broadcast[Event],
        clock: Clock,
    ) -> None:
        self.outboxes = outboxes
        self.activities = activities
        self.follows = follows
        self.broadcast = broadcast
        self.clock = clock

    def listen(self, viewer: Viewer, after: str | None) -> Ear:
        """Return what hears for a viewer from now on, or from a cursor.

        Raises:
            Invalid: the cursor is malformed, another user's, or too old.
        """
        now = self.clock()
        if after is None:
            return Ear(self, viewer, Heard(viewer.user_id, Position(now - OVERLAP, "")), is_new=True)
        return Ear(self, viewer, resumed(viewer.user_id, after, now=now), is_new=False)


class Ear:
    """Hears for one viewer. What it gives is heard once it was told so by `hand_out`."""

    def __init__(self, feed: LiveFeed, viewer: Viewer, heard: Heard, *, is_new: bool) -> None:
        self._feed = feed
        self._viewer = viewer
        self._heard = heard
        self._is_new = is_new
        self._looked_through = 0

    def hand_out(self, news: News) -> None:
        """Note that the viewer is being told."""
        latest = self._feed.clock() + CLOCK_MARGIN
        if news.stored and news.stored.delivered_at:
            latest = news.stored.delivered_at + CLOCK_MARGIN
        self._heard.add(news.event.event_id, no_later_than=latest)

    def cursor(self) -> str:
        """Return the cursor from which the viewer goes on after what was handed out last."""
        return self._heard.cursor()

    async def news(self) -> AsyncGenerator[Sequence[News], None]:
        """Yield what those whom the viewer follows do, in batches.

        The viewer must still follow when a batch is made; whoever hands it out later looks again.

        Raises:
            Invalid: too much was missed.
            SlowSubscriber: the listener fell too far behind.
        """
        if self._is_new:
            await self._ignore_what_was()
        elif self._feed.clock() - self._heard.after.at > SHORT_GAP:
            async for batch in self._missed():  # what waits for a live subscription is bounded: first catch up
                yield batch
        async with self._feed.broadcast.subscribe() as events:
            if not self._is_new:
                async for batch in self._missed():
                    yield batch
            async for event in events:
                is_new = isinstance(event, KINDS) and not self._heard.knows(event.event_id)
                # The cursor of this event may say so: whoever has it has heard all that came before this event.
                self._heard.advance(Position(events.complete_until - OVERLAP, ""))
                if is_new and (told := await self._to_tell([event])):
                    yield told

    async def still_to_tell(self, batch: Sequence[News]) -> Sequence[News]:
        """Return what of a batch the viewer may hear now, as it is now."""
        stored = {news.event.event_id: news.stored for news in batch}
        told = await self._to_tell([news.event for news in batch])
        return [replace(news, stored=stored[news.event.event_id]) for news in told]

    async def _ignore_what_was(self) -> None:
        """Note as known what was delivered just before: it lies beyond the place from which a cursor goes on."""
        place = self._heard.after
        while page := await self._delivered(place):
            for stored in page:
                self._heard.add(stored.event.event_id, no_later_than=self._feed.clock() + CLOCK_MARGIN)
            place = page[-1].position

    async def _missed(self) -> AsyncIterator[Sequence[News]]:
        """Yield what was delivered beyond what is known, until now, in the order of delivery."""
        place = self._heard.after
        while True:
            settled = min(self._feed.clock(), self._feed.broadcast.complete_until()) - OVERLAP
            page = await self._delivered(place)
            new = [stored for stored in page if not self._heard.knows(stored.event.event_id)]
            by_id = {stored.event.event_id: stored for stored in new}
            if told := await self._to_tell([stored.event for stored in new]):
                yield [replace(news, stored=by_id[news.event.event_id]) for news in told]
            if page:
                place = page[-1].position
                self._heard.advance(min(place, Position(settled, ""), key=lambda each: (each.at, each.id)))
            if len(page) < BATCH:
                return
            self._looked_through += len(page)
            if self._looked_through >= MAX_GAP:
                raise Invalid(_TOO_MUCH, field="after")

    async def _delivered(self, after: Position) -> Sequence[Stored]:
        """Return the next events of all outboxes together."""
        found = [
            stored
            for outbox in self._feed.outboxes
            for stored in await outbox.delivered(after=after, limit=BATCH, names=_NAMES)
        ]
        found.sort(key=lambda stored: (stored.position.at, stored.position.id))
        return found[:BATCH]

    async def _to_tell(self, events: Sequence[Event]) -> Sequence[News]:
        """Return the news that the viewer may hear now, in the order of their events."""
        if not events:
            return []
        authors = list({event.user_id for event in events})
        states = await self._feed.follows.states(self._viewer.user_id, authors)
        followed = [event for event in events if states.get(event.user_id) is FollowState.FOLLOWING]
        activities = await self._feed.activities.of_events(followed)
        return [News(activities[event.event_id], event) for event in followed if event.event_id in activities]
