"""What happens when delivery fails, is repeated or races: everything is done in the end, and counts once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from copy import copy
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from tests.contract_suites.scene import NOON, account, after, at_once, media, stub, track
from tests.domain.conftest import House

from pet.domain.delivery import FIRST_PAUSE, MAX_ATTEMPTS, OUTAGE_PAUSE, Projections
from pet.domain.effects import Effect
from pet.domain.errors import NotFound, Service, Unavailable
from pet.domain.events import Event, TrackDeleted, TrackUploaded, UserCreated, UserDeleted
from pet.domain.files import FileType, MediaFile
from pet.domain.follows import FollowService, FollowState
from pet.domain.ids import FileId, UserId, new_uuid7
from pet.domain.media import Blobs
from pet.domain.outbox import BORN_HELD, Outbox
from pet.domain.profiles import ProfileChange, ProfileService
from pet.domain.stats import Stats
from pet.domain.viewers import Role, Viewer


class Failing:
    """Fails as an engine that is down, where a test wishes it."""

    def __init__(
        self,
        real: Projections | Blobs | Outbox,
        method: str,
        *,
        when: type[Event] | None = None,
        error: Exception | None = None,
    ) -> None:
        self.is_down = True
        self.order: list[str] = []
        self._real = getattr(real, method)
        self._when = when
        self._error = error or Unavailable(Service.USER)
        setattr(real, method, self)

    async def __call__(self, subject: Event | str = "", *rest: Sequence[Effect], **options: object) -> bool | None:
        self.order.append(subject.event_id if isinstance(subject, Event) else subject)
        if self.is_down and (self._when is None or isinstance(subject, self._when)):
            raise self._error
        done: bool | None = await self._real(subject, *rest, **options)
        return done


async def uploaded(house: House, owner: UserId) -> tuple[MediaFile, Sequence[Event]]:
    """Publish a track with bytes, undelivered."""
    song = track(owner)
    await house.keep_bytes(song.blob_key)
    event = TrackUploaded(user_id=owner, occurred_at=NOON, file_id=song.file_id)
    return song, await house.store.files.add(song, event)


async def tracks(house: House, owner: UserId) -> int:
    return (await house.store.shown(owner)).stats.tracks


async def test_a_failing_projection_leaves_the_event_to_the_relay_and_the_request_goes_on(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    ann, bob = await house.store.profile("ann"), await house.store.profile("bob")
    fault = Failing(house.store.projections, "apply")
    follow = await FollowService(house.store.follows, house.delivery, house.store.clock).follow(
        Viewer(ann, Role.LISTENER), bob
    )
    assert follow.state is FollowState.FOLLOWING
    assert ((await house.store.shown(bob)).stats, len(await house.store.pending())) == (Stats(), 1)
    assert [(record.levelno, record.exc_info) for record in caplog.records] == [(logging.WARNING, None)]
    fault.is_down = False
    assert await house.delivery.relay(even_held=True) == 1
    assert ((await house.store.shown(bob)).stats, await house.store.pending()) == (Stats(followers=1), [])


async def test_a_request_leaves_what_follows_a_failure_to_the_relay_too(house: House) -> None:
    ann = await house.store.profile("ann")
    fault = Failing(house.store.projections, "apply")
    (_, first), (_, second) = await uploaded(house, ann), await uploaded(house, ann)
    await house.delivery.deliver([*first, *second])
    assert fault.order == [first[0].event_id]


async def test_a_request_delivers_what_waits_of_the_same_user_before_its_own(house: House) -> None:
    ann, bob = await house.store.profile("ann"), await house.store.profile("bob")
    fault = Failing(house.store.projections, "apply")
    fault.is_down = False
    (_, first), (_, others), (_, second) = [await uploaded(house, user) for user in (ann, bob, ann)]
    await house.delivery.deliver(second)
    assert fault.order == [first[0].event_id, second[0].event_id]
    assert await house.store.pending() == list(others)


async def test_a_request_does_not_try_again_what_rests_until_its_next_attempt(house: House) -> None:
    ann = await house.store.profile("ann")
    fault = Failing(house.store.projections, "apply", error=ValueError("broken"))
    (_, first), (_, second) = await uploaded(house, ann), await uploaded(house, ann)
    for _ in range(3):
        await house.delivery.deliver(second)
    assert fault.order == [first[0].event_id]
    house.store.clock.now += FIRST_PAUSE
    await house.delivery.deliver(second)
    assert fault.order == [first[0].event_id] * 2


async def test_a_delivery_that_takes_long_is_left_to_the_relay(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pet.domain.delivery.REQUEST_SECONDS", 0.05)
    ann = await house.store.profile("ann")
    _, events = await uploaded(house, ann)
    really_apply = house.store.projections.apply

    async def slow(event: Event, effects: Sequence[Effect]) -> bool:
        await asyncio.sleep(0.2)
        return await really_apply(event, effects)

    monkeypatch.setattr(house.store.projections, "apply", slow)
    await house.delivery.deliver(events)
    assert (await tracks(house, ann), await house.store.pending()) == (0, list(events))
    assert await house.delivery.relay(even_held=True) == 1
    assert (await tracks(house, ann), await house.store.pending()) == (1, [])


async def test_the_relay_leaves_to_a_request_what_it_still_holds(house: House) -> None:
    ann = await house.store.profile("ann")
    await uploaded(house, ann)
    house.store.clock.now = NOON + BORN_HELD - timedelta(milliseconds=1)
    assert (await house.delivery.relay(), await tracks(house, ann)) == (0, 0)
    house.store.clock.now = NOON + BORN_HELD
    assert (await house.delivery.relay(), await tracks(house, ann)) == (1, 1)


async def test_the_relay_delivers_everything_in_order(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pet.domain.delivery.RELAY_BATCH", 2)
    ann = await house.store.profile("ann")
    fault = Failing(house.store.projections, "apply")
    fault.is_down = False
    stored = [event for _, events in [await uploaded(house, ann) for _ in range(5)] for event in events]
    assert await house.delivery.relay(even_held=True) == 5
    assert fault.order == [event.event_id for event in stored]
    assert (await tracks(house, ann), await house.store.pending()) == (5, [])


async def test_a_failing_event_holds_up_its_own_user_and_nobody_else(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pet.domain.delivery.RELAY_BATCH", 2)
    people = [await house.store.profile(name) for name in ("ann", "bob", "eve", "kim")]
    fault = Failing(house.store.projections, "apply", when=TrackDeleted)
    for person in people:
        song, events = await uploaded(house, person)
        await house.delivery.deliver(events)
        if person is not people[-1]:
            await house.store.files.remove(song.file_id, NOON)
        await uploaded(house, person)
    assert await house.delivery.relay(even_held=True) == 1
    assert [await tracks(house, person) for person in people] == [1, 1, 1, 2]
    fault.is_down = False
    house.store.clock.now += OUTAGE_PAUSE
    assert await house.delivery.relay() == 6
    assert [await tracks(house, person) for person in people] == [1, 1, 1, 2]
    assert await house.store.pending() == []


async def test_an_event_that_fails_of_itself_is_tried_with_growing_pauses_and_parked(house: House) -> None:
    ann = await house.store.profile("ann")
    fault = Failing(house.store.projections, "apply", error=ValueError("no such\nthing"))
    (_, [broken]), (_, [later]) = await uploaded(house, ann), await uploaded(house, ann)
    house.store.clock.now += BORN_HELD
    tried = [house.store.clock.now]
    for _ in range(200):
        before = len(fault.order)
        await house.delivery.relay()
        if len(fault.order) > before:
            tried.append(house.store.clock.now)
        if (await house.store.outbox.backlog()).parked:
            break
        house.store.clock.now += timedelta(seconds=0.5)
    assert fault.order[:MAX_ATTEMPTS] == [broken.event_id] * MAX_ATTEMPTS
    assert [(after - before).total_seconds() for before, after in pairwise(tried[1:])] == [1, 2, 4, 8, 16]
    [parked, *_] = await house.store.outbox.troubled(limit=10)
    assert (parked.event, parked.attempts, parked.error) == (broken, MAX_ATTEMPTS, "ValueError: no such thing")
    fault.is_down = False
    house.store.clock.now += FIRST_PAUSE
    assert await house.delivery.relay() == 1
    assert (await tracks(house, ann), (await house.store.outbox.backlog()).parked) == (1, 1)
    assert await house.store.outbox.retry(broken.event_id)
    assert await house.delivery.relay() == 1
    assert (await tracks(house, ann), (await house.store.outbox.backlog()).parked) == (2, 0)
    assert later not in await house.store.pending()


async def test_an_engine_that_is_down_for_long_parks_nothing(house: House) -> None:
    ann = await house.store.profile("ann")
    fault = Failing(house.store.projections, "apply")
    await uploaded(house, ann)
    for _ in range(3 * MAX_ATTEMPTS):
        await house.delivery.relay(even_held=True)
    assert await house.store.outbox.troubled(limit=10) == []
    fault.is_down = False
    assert await house.delivery.relay(even_held=True) == 1


async def test_what_another_version_stored_is_parked_and_holds_up_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await house.store.profile("ann")
    _, [event] = await uploaded(house, ann)
    monkeypatch.setattr("pet.domain.events.KINDS", {})
    for _ in range(MAX_ATTEMPTS):
        await house.delivery.relay(even_held=True)
    monkeypatch.undo()
    [parked] = await house.store.outbox.troubled(limit=10)
    assert parked.parked_at is not None
    assert parked.error is not None
    assert "'media.track.uploaded'" in parked.error
    _, events = await uploaded(house, ann)
    await house.delivery.deliver(events)
    assert await tracks(house, ann) == 1
    assert await house.store.outbox.retry(event.event_id)
    assert await house.delivery.relay() == 1
    assert await tracks(house, ann) == 2


async def test_going_public_tells_of_each_follow_and_counts_it(house: House) -> None:
    ann = await house.store.profile("ann", is_private=True)
    fans = [await house.store.profile(f"fan{number}") for number in range(3)]
    for minutes, fan in enumerate(fans):
        await house.store.follow(fan, ann, minutes=minutes - len(fans))
    async with house.broadcast.subscribe() as heard:
        viewer = Viewer(ann, Role.MUSICIAN)
        profiles = ProfileService(house.store.profiles, house.delivery, house.store.clock)
        await profiles.update(viewer, ann, ProfileChange(preferences={"private_profile": False}))
        await house.broadcast.close()
        told = [event async for event in heard]
    assert [(event.name, event.user_id) for event in told] == [
        *(("follow.created", fan) for fan in fans),
        ("user.updated", ann),
    ]
    assert (await house.store.shown(ann)).stats == Stats(followers=3)
    assert await house.store.pending() == []


async def test_the_mark_of_a_pending_event_outlives_its_time(house: House) -> None:
    ann = await house.store.profile("ann")
    fault = Failing(house.store.outbox, "settle")
    _, events = await uploaded(house, ann)
    await house.delivery.deliver(events)
    await house.delivery.trim(before=after(60 * 24 * 30))
    fault.is_down = False
    assert await house.delivery.relay(even_held=True) == 1
    assert (await tracks(house, ann), await house.store.pending()) == (1, [])


async def test_a_store_that_cannot_be_read_holds_up_no_other(house: House) -> None:
    ann = await house.store.profile("ann")
    await uploaded(house, ann)
    down = copy(house.store.outbox)
    fault = Failing(down, "claim")
    both = house.delivering([down, house.store.outbox])
    assert await both.relay(even_held=True) == 1
    assert (await tracks(house, ann), fault.is_down) == (1, True)


async def test_a_second_delivery_changes_nothing_and_makes_nothing_known(house: House) -> None:
    ann = await house.store.profile("ann")
    _, events = await uploaded(house, ann)
    async with house.broadcast.subscribe() as heard:
        await asyncio.gather(*(house.delivery.deliver(events) for _ in range(10)))
        await house.broadcast.close()
        assert [event async for event in heard] == list(events)
    assert (await tracks(house, ann), await house.store.pending()) == (1, [])


async def test_bytes_that_resist_are_removed_later_and_counted_once(house: House) -> None:
    ann = await house.store.profile("ann")
    song, events = await uploaded(house, ann)
    await house.delivery.deliver(events)
    fault = Failing(house.blobs, "remove")
    await house.files.delete(Viewer(ann, Role.MUSICIAN), song.file_id)
    assert (await tracks(house, ann), await house.store.pending()) == (0, [])
    assert await house.blobs.size(song.blob_key) > 0
    fault.is_down = False
    for removed in (1, 0):
        assert await house.uploads.remove_abandoned() == removed
    assert fault.order == [song.blob_key] * 2
    with pytest.raises(NotFound):
        await house.blobs.size(song.blob_key)


async def deleted(house: House, user_id: UserId) -> UserDeleted:
    """Store that an account is gone."""
    event = UserDeleted(user_id=user_id, occurred_at=NOON)
    gone = account(f"gone{new_uuid7()[-12:]}")
    await house.store.accounts.add(gone, registered := stub())
    await house.store.settle(registered)
    await house.store.accounts.remove(gone.user_id, event)
    return event


async def test_nothing_of_a_deleted_user_stays(house: House) -> None:
    ann, bob = await house.store.profile("ann"), await house.store.profile("bob")
    await house.store.follow(ann, bob)
    await house.store.follow(bob, ann)
    songs = [await uploaded(house, ann) for _ in range(3)]
    for _, events in songs:
        await house.delivery.deliver(events)
    await house.delivery.deliver([await deleted(house, ann)])
    assert list(await house.store.profiles.get_many([ann, bob])) == [bob]
    assert (await house.store.shown(bob)).stats == Stats()
    assert await house.store.files.of_user(ann, limit=10) == []
    for song, _ in songs:
        with pytest.raises(NotFound):
            await house.blobs.size(song.blob_key)
    assert await house.store.pending() == []


@pytest.mark.parametrize("method", ["purge", "apply"])
async def test_a_deletion_that_breaks_off_is_finished_by_the_relay(house: House, method: str) -> None:
    ann, bob = await house.store.profile("ann"), await house.store.profile("bob")
    await house.store.follow(ann, bob)
    await uploaded(house, ann)
    fault = Failing(house.store.projections, method)
    await house.delivery.deliver([await deleted(house, ann)])
    fault.is_down = False
    await house.delivery.relay(even_held=True)
    assert list(await house.store.profiles.get_many([ann, bob])) == [bob]
    assert (await house.store.shown(bob)).stats == Stats()
    assert await house.store.files.of_user(ann, limit=10) == []
    assert await house.store.pending() == []


async def test_a_deletion_that_takes_long_holds_up_nobody_and_is_finished_turn_by_turn(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pet.domain.delivery.REQUEST_SECONDS", 0.02)
    monkeypatch.setattr("pet.domain.delivery.USER_SECONDS", 0.05)
    ann, bob = await house.store.profile("ann"), await house.store.profile("bob")
    for _ in range(12):
        await house.store.keep(media(ann, FileType.OTHER))
    really_remove = house.store.files.remove

    async def slow(file_id: FileId, at: datetime) -> Sequence[Event]:
        await asyncio.sleep(0.02)
        return await really_remove(file_id, at)

    monkeypatch.setattr(house.store.files, "remove", slow)
    await house.delivery.deliver([await deleted(house, ann)])
    await uploaded(house, bob)
    house.store.clock.now += BORN_HELD
    turns = [await house.delivery.relay()]
    assert (turns, await tracks(house, bob)) == ([1], 1)
    while await house.store.pending():
        turns.append(await house.delivery.relay())
        house.store.clock.now += BORN_HELD
    assert len(turns) > 2
    assert await house.store.files.of_user(ann, limit=20) == []


async def test_no_record_outlives_an_owner_who_goes_while_they_upload_and_follow(house: House) -> None:
    for number in range(5):
        ann, bob = await house.store.profile(f"ann{number}"), await house.store.profile(f"bob{number}")
        event = await deleted(house, ann)
        await at_once(
            *(house.store.keep(media(ann, kind)) for kind in FileType),
            house.store.follow(ann, bob),
            house.delivery.deliver([event]),
            *(house.store.keep(media(ann, kind)) for kind in FileType),
            house.store.follow(bob, ann),
        )
        assert await house.store.files.of_user(ann, limit=100) == []
        assert await house.store.follows.states(bob, [ann]) == {}
        assert await house.store.follows.states(ann, [bob]) == {}
        assert (await house.store.shown(bob)).stats == Stats()


async def test_a_registration_that_is_delivered_after_the_deletion_makes_no_profile(house: House) -> None:
    ann = UserId(new_uuid7())
    created = UserCreated(user_id=ann, occurred_at=NOON, username="ann", role="listener")
    await house.delivery.deliver([await deleted(house, ann)])
    await house.delivery.deliver([created])
    assert await house.store.profiles.get_many([ann]) == {}


@pytest.mark.parametrize("method", ["apply", "settle"])
async def test_a_delivery_that_was_stopped_in_the_middle_is_made_known_once(
    house: House, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """The effects are there when the time of the request is over: the relay, which is not the first, makes it known."""
    monkeypatch.setattr("pet.domain.delivery.REQUEST_SECONDS", 0.05)
    ann = await house.store.profile("ann")
    _, events = await uploaded(house, ann)
    place = house.store.projections if method == "apply" else house.store.outbox
    really = getattr(place, method)

    async def slow(*given: object) -> object:
        result = await really(*given)
        await asyncio.sleep(0.2)
        return result

    async with house.broadcast.subscribe() as heard:
        with monkeypatch.context() as patch:
            patch.setattr(place, method, slow)
            await house.delivery.deliver(events)
        await asyncio.sleep(0.3)
        assert await house.delivery.relay(even_held=True) == (1 if method == "apply" else 0)
        await house.broadcast.close()
        assert [event async for event in heard] == list(events)
    assert (await tracks(house, ann), await house.store.pending()) == (1, [])
