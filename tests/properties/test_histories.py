"""Whatever several people do in whatever order, every counter, list and feed equals the model, on every set-up.

Between the steps events are delivered again, in the wrong order. In other histories what several steps cause is held
back, and then delivered in any order, some of it twice.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from pet.app import Overrides, Parts, open_parts
from pet.domain.accounts import Account
from pet.domain.errors import Forbidden, Invalid, NotFound
from pet.domain.events import Event, TrackUploaded, UserCreated, UserDeleted, UserUpdated
from pet.domain.feed import Activity
from pet.domain.files import FileList
from pet.domain.follows import FollowList, FollowState
from pet.domain.ids import FileId, UserId, new_uuid7
from pet.domain.paging import Position
from pet.domain.profiles import ProfileChange
from pet.domain.viewers import Client, Role, Viewer
from pet.settings import Settings
from tests.clock import HandClock
from tests.properties.model import Model
from tests.schema.seeding import track_record
from tests.setups import Prepare

NAMES = ("ann", "bob", "eve", "kim")
HERE = Client("192.0.2.1")
HELD_AT_LEAST = 8
"""Events whose order is drawn; of a few hours, so that several people have several of them."""

T = TypeVar("T")


@dataclass
class Network:
    """A service on fresh engines, its people by name, and the model beside it.

    `held` are the events that wait while deliveries are held back, None while they are not.
    """

    parts: Parts
    clock: HandClock
    model: Model = field(default_factory=Model)
    ids: dict[str, UserId] = field(default_factory=dict)
    held: list[Event] | None = None

    def __post_init__(self) -> None:
        """Stand between the services and their delivery."""
        deliver = self.parts.delivery.deliver

        async def deliver_or_hold(events: Sequence[Event]) -> None:
            if self.held is None:
                await deliver(events)
            else:
                self.held += events

        setattr(self.parts.delivery, "deliver", deliver_or_hold)  # noqa: B010 - a method is no attribute to mypy

    def viewer(self, name: str) -> Viewer:
        """Return someone as a request sees them."""
        return Viewer(self.ids[name], Role.MUSICIAN)

    def name(self, user_id: UserId) -> str:
        """Return whose id it is."""
        return next(name for name, known in self.ids.items() if known == user_id)

    def names(self, ids: Sequence[UserId]) -> list[str]:
        """Return whose ids they are."""
        return [self.name(user_id) for user_id in ids]

    async def register(self, name: str) -> None:
        """Let someone in, without the time that a password costs."""
        user_id, at = UserId(new_uuid7()), self.clock()
        account = Account(user_id, f"{name}@example.com", name, Role.MUSICIAN, "no password", at)
        event = UserCreated(user_id=user_id, occurred_at=at, username=name, role="musician")
        await self.parts.engines.accounts.add(account, event)
        await self.parts.delivery.deliver([event])
        self.ids[name], self.model.people[name] = user_id, False

    async def leave(self, name: str) -> None:
        """Delete someone's account."""
        event = UserDeleted(user_id=self.ids[name], occurred_at=self.clock())
        assert await self.parts.engines.accounts.remove(self.ids[name], event)
        await self.parts.delivery.deliver([event])
        self.model.leave(name)

    async def publish(self, name: str) -> FileId:
        """Publish a track whose bytes nobody asks for."""
        record = track_record(self.ids[name], at=self.clock())
        event = TrackUploaded(user_id=record.user_id, occurred_at=record.created_at, file_id=record.file_id)
        await self.parts.delivery.deliver(await self.parts.engines.documents.files.add(record, event))
        self.model.publish(name, record.file_id, record.created_at)
        return record.file_id

    async def repeat_everything(self) -> None:
        """Deliver each event that is still to be had once more, the newest first."""
        for outbox in self.parts.engines.outboxes:
            done = await outbox.delivered(after=Position(self.clock.now - timedelta(days=400), ""), limit=1000)
            await self.parts.delivery.deliver_at_once([delivered.event for delivered in reversed(done)])

    async def deliver_held(self, order: Sequence[Event]) -> None:
        """Deliver what was held back, each event without a look at what else waits; hold back what comes then."""
        self.held = []
        for event in order:
            await self.parts.delivery.deliver_at_once([event])

    async def check(self) -> None:
        """Compare everything with the model."""
        assert [await outbox.waiting(limit=1) for outbox in self.parts.engines.outboxes] == [
            [] for _ in self.parts.engines.outboxes
        ]
        for name in self.model.people:
            await self._check_person(name)
            for viewer in (name, None, *(other for other in self.model.people if other != name)):
                seen_by = self.viewer(viewer) if viewer else None
                page = await self.parts.services.feed.page(self.ids[name], seen_by=seen_by, after=None, limit=100)
                assert [self._told(activity) for activity in page.items] == self.model.feed(name, viewer), viewer

    async def _check_person(self, name: str) -> None:
        documents, user_id = self.parts.engines.documents, self.ids[name]
        profile = (await documents.profiles.get_many([user_id]))[user_id]
        assert (profile.stats, profile.is_private) == (self.model.stats(name), self.model.people[name])
        for which, pairs, side in (
            (FollowList.FOLLOWERS, self.model.following, 1),
            (FollowList.FOLLOWING, self.model.following, 0),
            (FollowList.REQUESTS, self.model.asking, 1),
        ):
            page = (await documents.follows.pages([user_id], which, after=None, limit=100))[user_id]
            others = [follow.follower_id if side else follow.following_id for follow in page.items]
            assert self.names(others) == self.model.listed(pairs, side, name), which
        states = await documents.follows.states(user_id, [self.ids[other] for other in self.model.people])
        assert {self.name(other): state for other, state in states.items()} == {
            whom: state
            for pairs, state in (
                (self.model.following, FollowState.FOLLOWING),
                (self.model.asking, FollowState.PENDING),
                (self.model.blocks, FollowState.BLOCKED),
            )
            for who, whom in pairs
            if who == name
        }
        tracks = (await documents.files.pages([user_id], FileList.TRACKS, after=None, limit=100))[user_id].items
        assert {file.file_id: file.play_count for file in tracks} == {
            track: self.model.track_plays[track] for track, owner in self.model.tracks.items() if owner == name
        }

    def _told(self, activity: Activity) -> tuple[str, str]:
        return self.name(activity.actor_id), activity.track_id or ""


class Histories(RuleBasedStateMachine):
    """Everything that people may do, one thing after the other, compared after each."""

    prepare: Prepare
    people = Bundle("people")
    tracks = Bundle("tracks")

    def __init__(self) -> None:
        super().__init__()
        self._stack = AsyncExitStack()
        self._runner = asyncio.Runner()
        self._folder = tempfile.TemporaryDirectory()
        self._runner.get_loop()
        self.network = self.run(self._open())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do asynchronous work to its end."""
        return self._runner.run(work)

    async def _open(self) -> Network:
        data_dir, clock = Path(self._folder.name), HandClock()
        chosen = Settings(data_dir=data_dir, rate_limits=False, **type(self).prepare(data_dir))
        return Network(await self._stack.enter_async_context(open_parts(chosen, Overrides(clock=clock))), clock)

    def teardown(self) -> None:
        """Close everything."""
        self.run(self._stack.aclose())
        self._runner.close()
        self._folder.cleanup()

    @property
    def model(self) -> Model:
        """What should be."""
        return self.network.model

    def alive(self, *names: str) -> bool:
        """Tell whether all of them are there."""
        return all(name in self.model.people for name in names)

    @initialize()
    def everyone_registers(self) -> None:
        """Begin with everyone there."""
        for name in NAMES:
            self.run(self.network.register(name))

    who = st.sampled_from(NAMES)

    @rule(who=who, whom=who)
    def follow(self, who: str, whom: str) -> None:
        """Follow, or ask to."""
        if self.alive(who, whom) and who != whom:
            services, network = self.network.parts.services, self.network
            following = services.follows.follow(network.viewer(who), network.ids[whom])
            if self.model.blocks & {(who, whom), (whom, who)}:
                with pytest.raises((Forbidden, Invalid)):
                    self.run(following)
            else:
                self.model.follow(who, whom, self.run(following).created_at)

    @rule(who=who, whom=who, keeps_out=st.booleans())
    def block_or_unblock(self, who: str, whom: str, *, keeps_out: bool) -> None:
        """Keep someone out, or let them in again."""
        if self.alive(who, whom) and who != whom:
            blocks, blocker = self.network.parts.services.blocks, self.network.viewer(whom)
            if keeps_out:
                self.run(blocks.block(blocker, self.network.ids[who]))
                self.model.block(who, whom)
            else:
                self.run(blocks.unblock(blocker, self.network.ids[who]))
                self.model.blocks.discard((who, whom))

    @rule(who=who, whom=who)
    def unfollow(self, who: str, whom: str) -> None:
        """Follow no longer."""
        if self.alive(who, whom) and who != whom:
            follows = self.network.parts.services.follows
            self.run(follows.unfollow(self.network.viewer(who), self.network.ids[whom]))
            self.model.end(who, whom)

    @rule(who=who, whom=who)
    def accept(self, who: str, whom: str) -> None:
        """Let someone in."""
        if self.alive(who, whom):
            accepting = self.network.parts.services.follows.accept(self.network.viewer(whom), self.network.ids[who])
            if (who, whom) in self.model.asking or (who, whom) in self.model.following:
                assert self.run(accepting).state is FollowState.FOLLOWING
            else:
                with pytest.raises(NotFound):
                    self.run(accepting)
            self.model.accept(who, whom)

    @rule(who=who, whom=who)
    def decline(self, who: str, whom: str) -> None:
        """Keep someone out who asked: whoever had asked when the profile went public is not asking any more."""
        if self.alive(who, whom):
            self._catch_up_when_gone_public(whom)
            self.run(self.network.parts.services.follows.decline(self.network.viewer(whom), self.network.ids[who]))
            self.model.asking.pop((who, whom), None)

    def _catch_up_when_gone_public(self, whom: str) -> None:
        """Deliver what is held back, where going public would let those in whom the next step keeps out."""
        held = self.network.held or []
        ids = [event.user_id for event in held if isinstance(event, UserUpdated) and event.went_public]
        if self.network.ids[whom] in ids:
            self.run(self.network.deliver_held(held))

    @rule(who=who, is_private=st.booleans())
    def go_private_or_public(self, who: str, *, is_private: bool) -> None:
        """Close or open a profile."""
        if self.alive(who):
            self._update(who, ProfileChange(preferences={"private_profile": is_private}))
            self.model.set_private(who, is_private=is_private)

    @rule(who=who, bio=st.integers())
    def tell_news(self, who: str, bio: int) -> None:
        """Change what others read."""
        if self.alive(who):
            self.network.clock.advance(seconds=1)
            self._update(who, ProfileChange(bio=f"{bio} at {self.network.clock.now}"))
            updated = self.run(self.network.parts.services.profiles.find(self.network.ids[who]))
            assert updated is not None
            self.model.update(who, updated.updated_at)

    def _update(self, who: str, change: ProfileChange) -> None:
        profiles = self.network.parts.services.profiles
        self.run(profiles.update(self.network.viewer(who), self.network.ids[who], change))

    @rule(target=tracks, who=who)
    def publish(self, who: str) -> FileId | None:
        """Publish a track."""
        return self.run(self.network.publish(who)) if self.alive(who) else None

    @rule(track=consumes(tracks))
    def delete_track(self, track: FileId | None) -> None:
        """Delete a track."""
        if track in self.model.tracks and track:
            owner = self.network.viewer(self.model.tracks[track])
            self.run(self.network.parts.services.files.delete(owner, track))
            self.model.unpublish(track)

    @rule(track=tracks, listener=who)
    def play(self, track: FileId | None, listener: str) -> None:
        """Start a track."""
        if track in self.model.tracks and track and self.alive(listener):
            services = self.network.parts.services
            file = self.run(services.files.find(track))
            assert file is not None
            self.network.clock.advance(seconds=1)
            at = self.network.clock.now + timedelta(milliseconds=1)
            self.run(services.plays.count(file, self.network.viewer(listener), HERE))
            self.model.play(track, listener, at)

    @rule(minutes=st.sampled_from([1, 31, 61]))
    def wait(self, minutes: int) -> None:
        """Let time pass."""
        self.network.clock.advance(minutes=minutes)

    @rule(who=who)
    def leave(self, who: str) -> None:
        """Delete an account."""
        if self.alive(who) and len(self.model.people) > 2:
            self.run(self.network.leave(who))

    @rule()
    def deliver_everything_again_backwards(self) -> None:
        """Repeat deliveries in the wrong order."""
        self.run(self.network.repeat_everything())

    @invariant()
    def everything_equals_the_model(self) -> None:
        """Compare."""
        if self.network.ids:
            self.run(self.network.check())


class LateHistories(Histories):
    """The same, but what the steps cause is held back, and delivered late: in any order, some of it twice."""

    @initialize(order=st.randoms(use_true_random=True))
    def hold_back(self, order: Random) -> None:
        """Hold back what comes after the registrations, which all the rest needs."""
        super().everyone_registers()
        self._order, self.network.held = order, []

    def everyone_registers(self) -> None:
        """Left to `hold_back`."""

    @invariant()
    def everything_equals_the_model(self) -> None:
        """Deliver as soon as there is enough whose order could matter, and compare then."""
        held = self.network.held or []
        if len(held) >= HELD_AT_LEAST:
            twice = self._order.sample(held, len(held) // 3)
            self.run(self.network.deliver_held(self._order.sample([*held, *twice], len(held) + len(twice))))
            self.run(self.network.check())


@pytest.mark.slow
@pytest.mark.parametrize(("histories", "steps"), [(Histories, 30), (LateHistories, 100)])
def test_any_history_equals_the_model(prepare: Prepare, histories: type[Histories], steps: int) -> None:
    chosen = type("Chosen", (histories,), {"prepare": staticmethod(prepare)})
    run_state_machine_as_test(
        chosen,
        settings=settings(
            max_examples=15,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            print_blob=True,
        ),
    )
