"""What every `Outbox` and every `Projections` does, whatever its engine."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tests.contract_suites.scene import NOON, Store, after, at_once, editing, kinds, media, stub, track, twenty

from pet.domain.effects import effects_of
from pet.domain.events import (
    Event,
    FollowCreated,
    FollowDeleted,
    TrackDeleted,
    TrackPlayed,
    TrackUploaded,
    UserCreated,
    UserUpdated,
)
from pet.domain.feed import Action
from pet.domain.files import FileType, MediaFile
from pet.domain.follows import FollowList, FollowState
from pet.domain.ids import UserId, new_uuid7
from pet.domain.paging import Position
from pet.domain.stats import Stats
from pet.domain.viewers import Role, Viewer


async def apply(store: Store, event: Event) -> bool:
    return await store.projections.apply(event, effects_of(event))


async def actions(store: Store, follower_id: UserId) -> list[Action]:
    viewer = Viewer(follower_id, Role.LISTENER)
    page = await store.activities.feed(follower_id, seen_by=viewer, after=None, limit=100)
    return [activity.action for activity in page.items]


async def test_pending_events_come_back_whole_in_the_order_of_their_ids(store: Store) -> None:
    ann, bob, song = UserId("ann"), UserId("bob"), track(UserId("ann"))
    events: list[Event] = [
        UserCreated(user_id=ann, occurred_at=NOON, username="ann", role="musician"),
        UserUpdated(user_id=ann, occurred_at=NOON, is_news=True, went_public=True, role="admin"),
        TrackDeleted(user_id=ann, occurred_at=NOON, file_id=song.file_id, blob_key=song.blob_key),
        FollowCreated(user_id=ann, occurred_at=NOON, following_id=bob),
    ]
    await store.store_events(events[::-1])
    assert await store.outbox.pending(older_than=timedelta(0), limit=10) == events
    assert await store.outbox.pending(older_than=timedelta(0), limit=3) == events[:3]
    assert await store.outbox.pending(older_than=timedelta(0), limit=10, after=events[1].event_id) == events[2:]


async def test_young_events_are_not_pending_yet(store: Store) -> None:
    old, young = stub(), stub(at=after(1))
    await store.store_events([old, young])
    store.clock.now = after(1)
    assert await store.outbox.pending(older_than=timedelta(seconds=2), limit=10) == [old]
    assert await store.outbox.pending(older_than=timedelta(0), limit=10) == [old, young]


async def test_a_settled_event_is_pending_no_more_and_settling_twice_does_nothing(store: Store) -> None:
    first, second = stub(), stub()
    await store.store_events([first, second])
    for minutes in range(2):
        store.clock.now = after(minutes)
        assert await store.outbox.settle(first.event_id)
    assert await store.pending() == [second]
    [delivered] = await store.outbox.delivered(after=Position(NOON, ""), limit=10)
    assert (delivered.event, delivered.at) == (first, NOON)


async def test_an_event_of_another_store_is_not_settled_here(store: Store) -> None:
    assert not await store.outbox.settle(stub().event_id)


async def test_the_oldest_pending_event_is_found_by_its_time(store: Store) -> None:
    assert await store.outbox.oldest_pending() is None
    young, old = stub(at=after(5)), stub(at=after(1))
    await store.store_events([young, old])
    assert await store.outbox.oldest_pending() == after(1)
    await store.settle(old)
    assert await store.outbox.oldest_pending() == after(5)


async def test_delivered_events_come_in_the_order_of_their_delivery(store: Store) -> None:
    first, second, third, pending = stub(), stub(), stub(), stub()
    await store.store_events([first, second, third, pending])
    for minutes, event in enumerate((third, first, second)):
        store.clock.now = after(minutes // 2)
        await store.outbox.settle(event.event_id)
    page = await store.outbox.delivered(after=Position(NOON, ""), limit=2)
    assert [delivered.event for delivered in page] == [first, third]
    page = await store.outbox.delivered(after=page[-1].position, limit=2)
    assert [(delivered.event, delivered.at) for delivered in page] == [(second, after(1))]


async def test_events_are_unpublished_until_a_broker_has_confirmed_them(store: Store) -> None:
    old, settled, young = stub(), stub(), stub(at=after(1))
    await store.store_events([young, settled, old])
    await store.settle(settled)
    assert await store.outbox.unpublished(older_than=timedelta(0), limit=10) == [old, settled]
    store.clock.now = after(1)
    assert await store.outbox.unpublished(older_than=timedelta(0), limit=2) == [old, settled]
    for _ in range(2):
        await store.outbox.mark_published([old.event_id, settled.event_id])
    assert await store.outbox.unpublished(older_than=timedelta(0), limit=10) == [young]
    assert await store.pending() == [old, young]


async def test_trimming_keeps_pending_events_and_what_was_delivered_since(store: Store) -> None:
    pending, old, young = stub(), stub(), stub()
    await store.store_events([pending, old, young])
    for minutes, event in enumerate((old, young)):
        store.clock.now = after(minutes)
        await apply(store, event)
        await store.outbox.settle(event.event_id)
    await store.outbox.trim(before=after(1), keep_unpublished=False)
    await store.projections.trim(before=after(1))
    assert await store.pending() == [pending]
    await store.store_events([old])
    with pytest.raises(store.refusal):
        await store.store_events([young])
    assert [await apply(store, old), await apply(store, young)] == [True, False]


async def test_trimming_keeps_what_a_broker_still_has_to_confirm_where_there_is_one(store: Store) -> None:
    waiting, published = stub(), stub()
    await store.store_events([waiting, published])
    await store.settle(waiting, published)
    await store.outbox.mark_published([published.event_id])
    await store.outbox.trim(before=after(1), keep_unpublished=True)
    kept = await store.outbox.delivered(after=Position(after(-1), ""), limit=10)
    assert [delivered.event for delivered in kept] == [waiting]


async def test_effects_are_applied_once(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    event = FollowCreated(user_id=ann, occurred_at=NOON, following_id=bob)
    results = await twenty(lambda: apply(store, event))
    assert sum(results) == 1
    assert (await store.shown(ann)).stats == Stats(following=1)
    assert (await store.shown(bob)).stats == Stats(followers=1)


async def test_effects_are_applied_all_or_none(store: Store) -> None:
    ann = await store.profile("ann")
    event = TrackUploaded(user_id=ann, occurred_at=NOON, file_id=track(ann).file_id)
    broken = [*effects_of(event), object()]
    with pytest.raises(TypeError):
        await store.projections.apply(event, broken)  # type: ignore[arg-type]
    assert (await store.shown(ann)).stats == Stats()
    assert await apply(store, event)
    assert (await store.shown(ann)).stats == Stats(tracks=1)


async def test_counters_are_exact_after_many_at_once(store: Store) -> None:
    ann = await store.profile("ann")
    fans = [await store.profile(f"fan{number}") for number in range(10)]
    gained = [FollowCreated(user_id=fan, occurred_at=NOON, following_id=ann) for fan in fans]
    lost = [FollowDeleted(user_id=fan, occurred_at=NOON, following_id=ann) for fan in fans[:4]]
    await asyncio.gather(*(apply(store, event) for event in (*lost, *gained, *gained)))
    assert (await store.shown(ann)).stats == Stats(followers=6)
    assert [(await store.shown(fan)).stats.following for fan in fans] == [0] * 4 + [1] * 6


async def test_plays_count_for_the_owner_and_for_the_track(store: Store) -> None:
    ann = await store.profile("ann")
    song = await store.keep(track(ann))
    for _ in range(3):
        await apply(store, TrackPlayed(user_id=ann, occurred_at=NOON, file_id=song.file_id))
    await store.deliver(*await store.files.remove(song.file_id, NOON))
    await apply(store, TrackPlayed(user_id=ann, occurred_at=NOON, file_id=song.file_id))
    assert (await store.shown(ann)).stats == Stats(tracks=-1, plays=4)


async def test_a_role_is_shown(store: Store) -> None:
    ann = await store.profile("ann")
    await apply(store, UserUpdated(user_id=ann, occurred_at=NOON, role="admin"))
    assert (await store.shown(ann)).role is Role.ADMIN


async def test_a_track_that_is_gone_is_not_announced_late(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    await store.follow(bob, ann)
    song = track(ann)
    uploaded = TrackUploaded(user_id=ann, occurred_at=NOON, file_id=song.file_id)
    await store.settle(*await store.files.add(song, uploaded))
    await store.deliver(*await store.files.remove(song.file_id, NOON))
    await apply(store, uploaded)
    assert await actions(store, bob) == []
    assert (await store.shown(ann)).stats == Stats(followers=1)


async def test_a_track_that_goes_while_it_is_announced_is_in_no_feed(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    await store.follow(bob, ann)
    for _ in range(10):
        song = track(ann)
        uploaded = TrackUploaded(user_id=ann, occurred_at=NOON, file_id=song.file_id)
        await store.settle(*await store.files.add(song, uploaded))

        async def remove(song: MediaFile = song) -> None:
            await store.deliver(*await store.files.remove(song.file_id, NOON))

        await asyncio.gather(apply(store, uploaded), remove())
        assert await actions(store, bob) == []


async def test_a_deleted_track_leaves_every_feed(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    await store.follow(bob, ann)
    song = track(ann)
    await store.deliver(
        *await store.files.add(song, TrackUploaded(user_id=ann, occurred_at=NOON, file_id=song.file_id))
    )
    assert await actions(store, bob) == [Action.TRACK_PUBLISHED]
    await store.deliver(*await store.files.remove(song.file_id, NOON))
    assert await actions(store, bob) == []


async def test_going_public_accepts_and_counts_those_who_wait(store: Store) -> None:
    ann = await store.profile("ann", is_private=True)
    fans = [await store.profile(f"fan{number}") for number in range(3)]
    for fan in fans:
        await store.follow(fan, ann)
    event = UserUpdated(user_id=ann, occurred_at=after(1), went_public=True)
    assert [await apply(store, event), await apply(store, event)] == [True, False]
    assert (await store.shown(ann)).stats == Stats(followers=3)
    assert [(await store.shown(fan)).stats for fan in fans] == [Stats(following=1)] * 3
    assert [await store.follows.states(fan, [ann]) for fan in fans] == [{ann: FollowState.FOLLOWING}] * 3


async def test_going_public_late_accepts_nobody_who_asked_when_it_was_private_again(store: Store) -> None:
    ann, bob = await store.profile("ann", is_private=True), await store.profile("bob")
    await store.follow(bob, ann, minutes=5)
    await apply(store, UserUpdated(user_id=ann, occurred_at=after(4), went_public=True))
    assert await store.follows.states(bob, [ann]) == {ann: FollowState.PENDING}
    assert (await store.shown(ann)).stats == Stats()


async def test_going_public_and_accepting_at_once_count_once(store: Store) -> None:
    ann, bob = await store.profile("ann", is_private=True), await store.profile("bob")
    await store.follow(bob, ann)

    async def accept() -> None:
        event = FollowCreated(user_id=bob, following_id=ann, occurred_at=NOON)
        _, is_first = await store.follows.accept(bob, ann, event)
        await store.deliver(*[event] * is_first)

    await asyncio.gather(accept(), apply(store, UserUpdated(user_id=ann, occurred_at=after(1), went_public=True)))
    assert (await store.shown(ann)).stats == Stats(followers=1)
    assert (await store.shown(bob)).stats == Stats(following=1)


async def test_going_public_while_many_follow_leaves_nobody_waiting(store: Store) -> None:
    ann = await store.profile("ann", is_private=True)
    fans = [await store.profile(f"fan{number}") for number in range(10)]

    async def go_public() -> None:
        event = UserUpdated(user_id=ann, occurred_at=NOON, went_public=True)
        await store.profiles.edit(ann, editing(is_private=False, event=event))
        await store.deliver(event)

    follows = [store.follow(fan, ann) for fan in fans]
    await asyncio.gather(*follows[:5], go_public(), *follows[5:])
    assert (await store.shown(ann)).stats == Stats(followers=10)
    waiting = await store.follows.pages([ann], FollowList.REQUESTS, after=None, limit=100)
    assert waiting[ann].items == []


async def test_a_purge_leaves_nothing_of_the_user_and_counts_the_others_down(store: Store) -> None:
    ann, bob, eve = [await store.profile(name) for name in ("ann", "bob", "eve")]
    kim = await store.profile("kim", is_private=True)
    for pair in ((ann, bob), (bob, ann), (eve, ann), (eve, bob), (ann, kim)):
        await store.follow(*pair)
    await apply(store, UserUpdated(user_id=ann, occurred_at=NOON, is_news=True))
    for _ in range(2):
        await store.projections.purge(ann)
    assert set(await store.profiles.get_many([ann, bob, eve, kim])) == {bob, eve, kim}
    assert [(await store.shown(user)).stats for user in (bob, eve, kim)] == [
        Stats(followers=1),
        Stats(following=1),
        Stats(),
    ]
    assert await store.follows.states(eve, [ann, bob]) == {bob: FollowState.FOLLOWING}
    requests = await store.follows.pages([kim], FollowList.REQUESTS, after=None, limit=10)
    assert requests[kim].items == []
    assert await store.profiles.count(search="ann") == 0
    assert await actions(store, eve) == []


async def test_nothing_outlives_a_purge_that_it_races_with(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    fans = [await store.profile(f"fan{number}") for number in range(5)]
    before = [store.follow(fan, ann) for fan in fans]
    later = [store.follow(ann, fan) for fan in fans]
    await at_once(*before, store.projections.purge(ann), *later)
    everyone = [bob, *fans]
    assert [(await store.shown(user)).stats for user in everyone] == [Stats()] * 6
    assert [await store.follows.states(user, [ann]) for user in everyone] == [{}] * 6
    with pytest.raises(Exception, match="User not found"):
        await store.keep(media(ann, FileType.OTHER))


async def test_a_purged_profile_never_comes_back(store: Store) -> None:
    ann, bob = UserId(new_uuid7()), await store.profile("bob")
    created = UserCreated(user_id=ann, occurred_at=NOON, username="ann", role="musician")
    await store.projections.purge(ann)
    assert await apply(store, created)
    await apply(store, UserUpdated(user_id=ann, occurred_at=NOON, is_news=True))
    assert list(await store.profiles.get_many([ann, bob])) == [bob]


async def test_a_username_is_free_at_once_even_when_the_purge_is_late(store: Store) -> None:
    old = await store.profile("ann")
    new = await store.profile("ANN")
    assert list(await store.profiles.get_many([old, new])) == [new]
    await store.projections.purge(old)
    found = await store.profiles.find_by_username("ann")
    assert found is not None
    assert found.user_id == new
    assert await store.profiles.count(search="ann") == 1


async def test_creating_a_profile_twice_makes_one(store: Store) -> None:
    ann = await store.profile("ann")
    before = await store.shown(ann)
    await apply(store, UserCreated(user_id=ann, occurred_at=after(5), username="ann", role="musician"))
    assert await store.shown(ann) == before
    assert kinds(await store.pending()) == []
