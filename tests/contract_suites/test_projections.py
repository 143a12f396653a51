"""What every `Projections` does, whatever its engine."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import permutations

import pytest
from tests.contract_suites.scene import NOON, Store, after, at_once, editing, kinds, media, stub, track, twenty

from pet.domain.delivery import TooEarly
from pet.domain.effects import effects_of
from pet.domain.events import (
    Event,
    FollowCreated,
    FollowDeleted,
    TrackPlayed,
    TrackUploaded,
    UserCreated,
    UserUpdated,
)
from pet.domain.feed import Action
from pet.domain.files import FileType, MediaFile
from pet.domain.follows import FollowList, FollowState
from pet.domain.ids import UserId, new_uuid7
from pet.domain.stats import Stats
from pet.domain.viewers import Role, Viewer


async def apply(store: Store, event: Event) -> bool:
    return await store.projections.apply(event, effects_of(event))


async def actions(store: Store, follower_id: UserId) -> list[Action]:
    viewer = Viewer(follower_id, Role.LISTENER)
    page = await store.activities.feed(follower_id, seen_by=viewer, after=None, limit=100)
    return [activity.action for activity in page.items]


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


async def accept(store: Store, user_id: UserId, *, minutes: int) -> list[Event]:
    """Accept everyone who asked until then, and deliver that."""
    accepted: list[Event] = []
    while some := await store.projections.accept_requests(user_id, asked_by=after(minutes)):
        await store.deliver(*some)
        accepted += some
    return accepted


async def test_going_public_accepts_and_counts_those_who_wait_in_their_order(store: Store) -> None:
    ann = await store.profile("ann", is_private=True)
    fans = [await store.profile(f"fan{number}") for number in range(3)]
    for minutes, fan in enumerate(fans):
        await store.follow(fan, ann, minutes=minutes)
    store.clock.now = after(5)
    accepted = await accept(store, ann, minutes=5)
    assert [(event.user_id, event.occurred_at, event.name) for event in accepted] == [
        (fan, after(5), "follow.created") for fan in fans
    ]
    assert await accept(store, ann, minutes=5) == []
    assert (await store.shown(ann)).stats == Stats(followers=3)
    assert [(await store.shown(fan)).stats for fan in fans] == [Stats(following=1)] * 3
    assert [await store.follows.states(fan, [ann]) for fan in fans] == [{ann: FollowState.FOLLOWING}] * 3
    assert await store.pending() == []


async def test_accepting_many_goes_in_steps_and_stores_an_event_for_each(store: Store) -> None:
    ann = await store.profile("ann", is_private=True)
    fans = [await store.profile(f"fan{number}") for number in range(7)]
    for fan in fans:
        await store.follow(fan, ann)
    steps = await asyncio.gather(*(store.projections.accept_requests(ann, asked_by=NOON) for _ in range(5)))
    accepted = [event for step in steps for event in step]
    assert sorted(event.user_id for event in accepted) == sorted(fans)
    assert {event.event_id for event in accepted} == {event.event_id for event in await store.pending()}


async def test_going_public_before_any_number_who_wait_counts_each_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for engine in ("sql", "mongo"):
        monkeypatch.setattr(f"pet.storage.{engine}.effects.STEP", 3)
    ann = await store.profile("ann", is_private=True)
    fans = [await store.profile(f"fan{number}") for number in range(9)]
    for fan in fans:
        await store.follow(fan, ann)
    rounds = await asyncio.gather(*(accept(store, ann, minutes=1) for _ in range(3)))
    assert sorted(event.user_id for accepted in rounds for event in accepted) == sorted(fans)
    assert (await store.shown(ann)).stats == Stats(followers=9)


async def test_going_public_late_accepts_nobody_who_asked_when_it_was_private_again(store: Store) -> None:
    ann, bob = await store.profile("ann", is_private=True), await store.profile("bob")
    await store.follow(bob, ann, minutes=5)
    assert await accept(store, ann, minutes=4) == []
    assert await store.follows.states(bob, [ann]) == {ann: FollowState.PENDING}
    assert (await store.shown(ann)).stats == Stats()


async def test_going_public_and_accepting_at_once_count_once(store: Store) -> None:
    ann, bob = await store.profile("ann", is_private=True), await store.profile("bob")
    await store.follow(bob, ann)

    async def accept_one() -> None:
        event = FollowCreated(user_id=bob, following_id=ann, occurred_at=NOON)
        _, is_first = await store.follows.accept(bob, ann, event)
        await store.deliver(*[event] * is_first)

    await asyncio.gather(accept_one(), accept(store, ann, minutes=1))
    assert (await store.shown(ann)).stats == Stats(followers=1)
    assert (await store.shown(bob)).stats == Stats(following=1)


async def test_going_public_while_many_follow_leaves_nobody_waiting(store: Store) -> None:
    ann = await store.profile("ann", is_private=True)
    fans = [await store.profile(f"fan{number}") for number in range(10)]

    async def go_public() -> None:
        event = UserUpdated(user_id=ann, occurred_at=NOON, went_public=True)
        await store.profiles.edit(ann, editing(is_private=False, event=event))
        await store.deliver(event)
        await accept(store, ann, minutes=0)

    follows = [store.follow(fan, ann) for fan in fans]
    await asyncio.gather(*follows[:5], go_public(), *follows[5:])
    assert (await store.shown(ann)).stats == Stats(followers=10)
    waiting = await store.follows.pages([ann], FollowList.REQUESTS, after=None, limit=100)
    assert waiting[ann].items == []


async def test_a_role_of_a_profile_that_is_not_made_yet_is_too_early(store: Store) -> None:
    ann = UserId(new_uuid7())
    promoted = UserUpdated(user_id=ann, occurred_at=NOON, role="admin")
    with pytest.raises(TooEarly):
        await apply(store, promoted)
    await apply(store, UserCreated(user_id=ann, occurred_at=NOON, username="ann", role="musician"))
    assert await apply(store, promoted)
    assert (await store.shown(ann)).role is Role.ADMIN
    await store.projections.purge(ann)
    assert await apply(store, replace(promoted, event_id=stub().event_id))


@pytest.mark.parametrize("order", list(permutations(range(4))))
async def test_updates_of_an_hour_merge_into_the_last_in_whatever_order_they_arrive(
    store: Store, order: tuple[int, ...]
) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    await store.follow(bob, ann)
    updates = [UserUpdated(user_id=ann, occurred_at=after(50 * number), is_news=True) for number in (0, 1, 2, 5)]
    for number in order:
        await apply(store, updates[number])
    viewer = Viewer(bob, Role.LISTENER)
    feed = (await store.activities.feed(bob, seen_by=viewer, after=None, limit=10)).items
    assert [activity.created_at for activity in feed] == [after(250), after(100)]


async def test_bytes_of_deleted_files_are_noted_for_the_sweep(store: Store) -> None:
    ann = await store.profile("ann")
    files = [await store.keep(track(ann)), await store.keep(media(ann, FileType.OTHER))]
    for file in files:
        for event in await store.files.remove(file.file_id, NOON):
            await apply(store, event)
            await apply(store, event)
    keys = sorted(file.blob_key for file in files)
    assert sorted(await store.files.abandoned(before=after(-(10**6)), limit=10)) == keys


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


async def test_a_profile_is_made_when_that_of_an_earlier_owner_of_the_name_is_removed(store: Store) -> None:
    old, new = await store.profile("ann"), UserId(new_uuid7())
    created = UserCreated(user_id=new, occurred_at=NOON, username="ANN", role="musician")
    with pytest.raises(TooEarly):
        await apply(store, created)
    assert list(await store.profiles.get_many([old, new])) == [old]
    await store.projections.purge(old)
    assert await apply(store, created)
    found = await store.profiles.find_by_username("ann")
    assert found is not None
    assert found.user_id == new
    assert await store.profiles.count(search="ann") == 1


async def test_a_creation_that_is_delivered_very_late_takes_no_name_from_a_newer_owner(store: Store) -> None:
    old, new = UserId(new_uuid7()), UserId(new_uuid7())
    registered, again = [
        UserCreated(user_id=user, occurred_at=NOON, username="ann", role="musician") for user in (old, new)
    ]
    await store.projections.purge(old)
    await apply(store, again)
    await apply(store, registered)
    assert list(await store.profiles.get_many([old, new])) == [new]


async def test_creating_a_profile_twice_makes_one(store: Store) -> None:
    ann = await store.profile("ann")
    before = await store.shown(ann)
    await apply(store, UserCreated(user_id=ann, occurred_at=after(5), username="ann", role="musician"))
    assert await store.shown(ann) == before
    assert kinds(await store.pending()) == []
