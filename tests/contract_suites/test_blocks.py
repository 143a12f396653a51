"""What every `Follows` does about blocks, whatever its engine."""

from __future__ import annotations

import pytest
from tests.contract_suites.scene import (
    NOBODY,
    NOON,
    Store,
    after,
    at_once,
    blocking,
    following,
    track,
    twenty,
)

from pet.domain.errors import NotFound
from pet.domain.events import FollowCreated, TrackUploaded
from pet.domain.follows import Follow, FollowList, FollowState
from pet.domain.ids import UserId
from pet.domain.paging import Page
from pet.domain.stats import Stats
from pet.domain.viewers import Role, Viewer

PENDING, FOLLOWING, BLOCKED = FollowState


async def states(store: Store, one: UserId, other: UserId) -> tuple[FollowState | None, FollowState | None]:
    """Return how the first stands to the second, and the second to the first."""
    there = (await store.follows.states(one, [other])).get(other)
    back = (await store.follows.states(other, [one])).get(one)
    return there, back


async def blocks(store: Store, user_id: UserId) -> Page[Follow]:
    return (await store.follows.pages([user_id], FollowList.BLOCKS, after=None, limit=2))[user_id]


async def test_a_block_ends_what_both_had_with_its_events(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    await store.follow(ann, bob)
    await store.follow(bob, ann)
    wanted = blocking(ann, bob, at=after(5))
    block, events = await store.follows.block(wanted)
    assert block == wanted == Follow(block.object_id, bob, ann, BLOCKED, after(5))
    assert sorted((event.name, event.user_id, event.occurred_at) for event in events) == sorted(
        [("follow.deleted", ann, after(5)), ("follow.deleted", bob, after(5))]
    )
    assert await store.pending() == sorted(events, key=lambda event: event.event_id)
    assert await states(store, ann, bob) == (None, BLOCKED)
    await store.deliver(*events)
    assert [(await store.shown(user)).stats for user in (ann, bob)] == [Stats(), Stats()]


async def test_requests_of_both_directions_end_silently(store: Store) -> None:
    ann, bob = [await store.profile(name, is_private=True) for name in ("ann", "bob")]
    await store.follow(ann, bob)
    await store.follow(bob, ann)
    _, events = await store.follows.block(blocking(ann, bob))
    assert events == []
    assert await store.pending() == []
    assert await states(store, ann, bob) == (None, BLOCKED)
    for which in (FollowList.REQUESTS, FollowList.SENT_REQUESTS):
        pages = await store.follows.pages([ann, bob], which, after=None, limit=2)
        assert [page.items for page in pages.values()] == [[], []]


async def test_a_second_block_returns_the_first(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    first = await store.block(ann, bob)
    assert await store.follows.block(blocking(ann, bob, at=after(5))) == (first, [])
    assert await store.pending() == []


async def test_two_may_block_each_other_and_each_unblocks_alone(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    await store.block(ann, bob)
    await store.block(bob, ann)
    assert await states(store, ann, bob) == (BLOCKED, BLOCKED)
    await store.follows.unblock(bob, ann)
    assert await states(store, ann, bob) == (BLOCKED, None)
    await store.follows.unblock(ann, bob)
    await store.follows.unblock(ann, bob)
    assert await states(store, ann, bob) == (None, None)


async def test_unblocking_ends_nothing_else(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob", is_private=True)
    await store.follow(bob, ann)
    await store.follow(ann, bob)
    await store.follows.unblock(bob, ann)
    await store.follows.unblock(ann, bob)
    assert await states(store, ann, bob) == (PENDING, FOLLOWING)


@pytest.mark.parametrize("is_private", [False, True])
async def test_neither_of_two_follows_the_other_while_one_blocks(store: Store, is_private: bool) -> None:
    ann, bob = [await store.profile(name, is_private=is_private) for name in ("ann", "bob")]
    block = await store.block(ann, bob)
    for pair in ((bob, ann), (ann, bob)):
        assert await store.follows.add(*pair, following(*pair)) == (block, ())
    assert await states(store, ann, bob) == (None, BLOCKED)
    await store.follows.unblock(bob, ann)
    for pair in ((bob, ann), (ann, bob)):
        assert (await store.follow(*pair)).state is (PENDING if is_private else FOLLOWING)


async def test_whoever_is_blocked_does_not_end_it_by_unfollowing_nor_by_going_public(store: Store) -> None:
    ann, bob = await store.profile("ann", is_private=True), await store.profile("bob")
    await store.follow(bob, ann)
    await store.block(ann, bob)
    for only in (None, PENDING):
        assert await store.follows.remove(bob, ann, only=only, at=NOON) == ()
    event = FollowCreated(user_id=bob, following_id=ann, occurred_at=NOON)
    assert await store.follows.accept(bob, ann, event) == (None, False)
    assert await store.projections.accept_requests(ann, asked_by=after(60)) == []
    assert await states(store, ann, bob) == (None, BLOCKED)
    assert await store.pending() == []


@pytest.mark.parametrize("missing", ["blocker", "blocked"])
async def test_nobody_cannot_block_or_be_blocked(store: Store, missing: str) -> None:
    ann = await store.profile("ann")
    pair = (NOBODY, ann) if missing == "blocker" else (ann, NOBODY)
    with pytest.raises(NotFound):
        await store.follows.block(blocking(*pair))
    assert await states(store, *pair) == (None, None)


async def test_a_block_is_not_kept_without_the_events_of_what_it_ends(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    await store.follow(bob, ann)

    async def fail(*_: object) -> None:
        raise RuntimeError("no room")

    for engine in ("sql", "mongo"):
        monkeypatch.setattr(f"pet.storage.{engine}.follows.store_events", fail)
    with pytest.raises(RuntimeError):
        await store.follows.block(blocking(ann, bob))
    assert await states(store, ann, bob) == (None, FOLLOWING)


async def test_blocks_are_listed_for_who_made_them_newest_first(store: Store) -> None:
    ann, *others = [await store.profile(f"user{number}") for number in range(4)]
    made = [await store.block(ann, other, minutes=minutes) for minutes, other in enumerate(others)]
    assert (await blocks(store, ann)) == Page(items=[made[2], made[1]], has_next=True)
    assert (await blocks(store, others[0])).items == []
    followers = await store.follows.pages([ann], FollowList.FOLLOWERS, after=None, limit=2)
    assert followers[ann].items == []
    assert await store.follows.following_ids([ann, *others]) == {user: [] for user in (ann, *others)}


async def test_of_twenty_blocks_at_once_one_is_made_and_the_follows_end_once(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    await store.follow(bob, ann)
    results = await twenty(lambda: store.follows.block(blocking(ann, bob)))
    assert len({block for block, _ in results}) == 1
    assert [event.name for _, events in results for event in events] == ["follow.deleted"]


async def test_two_who_block_each_other_at_once_both_do(store: Store) -> None:
    for number in range(3):
        ann, bob = await store.profile(f"ann{number}"), await store.profile(f"bob{number}")
        await store.follow(ann, bob)
        made = await at_once(store.block(ann, bob), store.block(bob, ann))
        assert [type(block) for block in made] == [Follow, Follow]
        assert await states(store, ann, bob) == (BLOCKED, BLOCKED)
        assert [(await store.shown(user)).stats for user in (ann, bob)] == [Stats(), Stats()]


async def test_a_purge_takes_the_blocks_of_both_directions_and_counts_nothing_down(store: Store) -> None:
    ann, bob, eve = [await store.profile(name) for name in ("ann", "bob", "eve")]
    await store.follow(eve, bob)
    await store.block(ann, bob)
    await store.block(eve, ann)
    await store.block(bob, ann)
    await store.projections.purge(ann)
    assert (await blocks(store, eve)).items == (await blocks(store, bob)).items == []
    assert await store.follows.states(bob, [ann]) == await store.follows.states(ann, [bob, eve]) == {}
    assert (await store.shown(bob)).stats == Stats(followers=1)
    assert (await store.shown(eve)).stats == Stats(following=1)


@pytest.mark.parametrize("is_private", [False, True])
async def test_someone_elses_feed_hides_who_keeps_the_viewer_out(store: Store, is_private: bool) -> None:
    ann, bob, eve = [await store.profile(name) for name in ("ann", "bob", "eve")]
    for author in (ann, bob):
        await store.follow(eve, author)
        song = await store.keep(track(author))
        await store.deliver(TrackUploaded(user_id=author, occurred_at=NOON, file_id=song.file_id))
    await store.set_private(ann, is_private=is_private)
    root = await store.profile("root")
    for blocked in (bob, root):
        await store.block(ann, blocked)

    async def authors(viewer: Viewer | None) -> set[UserId]:
        page = await store.activities.feed(eve, seen_by=viewer, after=None, limit=10)
        return {activity.actor_id for activity in page.items}

    assert await authors(Viewer(bob, Role.LISTENER)) == {bob}
    assert await authors(None) == ({bob} if is_private else {ann, bob})
    for sees_all in (Viewer(eve, Role.LISTENER), Viewer(root, Role.ADMIN), Viewer(ann, Role.LISTENER)):
        assert await authors(sees_all) == {ann, bob}
