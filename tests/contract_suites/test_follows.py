"""What every `Follows` does, whatever its engine."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.contract_suites.scene import NOBODY, NOON, Store, after, at_once, following, kinds, stub, twenty

from pet.domain.errors import NotFound
from pet.domain.events import FollowCreated
from pet.domain.follows import Follow, FollowList, FollowState
from pet.domain.ids import ObjectId, UserId
from pet.domain.paging import Page, Position
from pet.domain.stats import Stats

PENDING, FOLLOWING = FollowState.PENDING, FollowState.FOLLOWING


async def state(store: Store, follower_id: UserId, following_id: UserId) -> FollowState | None:
    return (await store.follows.states(follower_id, [following_id])).get(following_id)


async def page(store: Store, user_id: UserId, which: FollowList, *, last: Follow | None = None) -> Page[Follow]:
    position = Position(last.created_at, last.object_id) if last else None
    return (await store.follows.pages([user_id], which, after=position, limit=2))[user_id]


def accepting(follower_id: UserId, following_id: UserId) -> FollowCreated:
    return FollowCreated(user_id=follower_id, following_id=following_id, occurred_at=NOON)


@pytest.mark.parametrize(
    ("is_private", "expected", "event"), [(False, FOLLOWING, "follow.created"), (True, PENDING, "follow.requested")]
)
async def test_a_follow_is_made_for_what_the_profile_is_at_that_moment(
    store: Store, is_private: bool, expected: FollowState, event: str
) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob", is_private=is_private)
    follow, events = await store.follows.add(ann, bob, following(ann, bob))
    assert follow == Follow(follow.object_id, ann, bob, expected, NOON)
    assert kinds(events) == [event]
    assert await store.pending() == list(events)
    assert (await state(store, ann, bob), await state(store, bob, ann)) == (expected, None)


async def test_a_second_follow_returns_the_first_without_an_event(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    first = await store.follow(ann, bob)
    await store.set_private(bob, is_private=True)
    assert await store.follows.add(ann, bob, following(ann, bob, at=after(5))) == (first, ())
    assert await store.pending() == []


async def test_of_twenty_follows_at_once_one_is_made(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    results = await twenty(lambda: store.follows.add(ann, bob, following(ann, bob)))
    assert len({follow for follow, _ in results}) == 1
    assert sum(len(events) for _, events in results) == 1
    assert len(await store.pending()) == 1


async def test_following_each_other_at_once_works(store: Store) -> None:
    people = [await store.profile(f"user{number}") for number in range(5)]
    pairs = [(one, other) for one in people for other in people if one != other]
    results = await at_once(*(store.follow(*pair) for pair in pairs))
    assert [type(result) for result in results] == [Follow] * 20
    assert [(await store.shown(user_id)).stats for user_id in people] == [Stats(followers=4, following=4)] * 5


@pytest.mark.parametrize("missing", ["follower", "followed"])
async def test_nobody_cannot_follow_or_be_followed(store: Store, missing: str) -> None:
    ann = await store.profile("ann")
    pair = (NOBODY, ann) if missing == "follower" else (ann, NOBODY)
    with pytest.raises(NotFound):
        await store.follows.add(*pair, following(*pair))
    assert await state(store, *pair) is None
    assert await store.pending() == []


async def test_a_follow_is_not_kept_without_its_event(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    event = stub(ann)
    assert await store.accounts.remove(ann, event) is False
    _, [taken] = await store.follows.add(bob, ann, following(bob, ann))
    with pytest.raises(store.refusal):
        await store.follows.add(ann, bob, following(ann, bob, event_id=taken.event_id))
    assert await state(store, ann, bob) is None


async def test_a_request_is_accepted_once_with_its_event(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob", is_private=True)
    asked = await store.follow(ann, bob)
    event = accepting(ann, bob)
    accepted = replace(asked, state=FOLLOWING)
    assert await store.follows.accept(ann, bob, event) == (accepted, True)
    assert await store.follows.accept(ann, bob, accepting(ann, bob)) == (accepted, False)
    assert await store.pending() == [event]


async def test_accepting_what_nobody_asked_for_gives_nothing(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    assert await store.follows.accept(ann, bob, accepting(ann, bob)) == (None, False)
    assert await store.pending() == []


async def test_of_twenty_acceptances_at_once_one_is_the_first(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob", is_private=True)
    await store.follow(ann, bob)
    results = await twenty(lambda: store.follows.accept(ann, bob, accepting(ann, bob)))
    assert sum(is_first for _, is_first in results) == 1
    assert len(await store.pending()) == 1


async def test_an_acceptance_is_not_kept_without_its_event(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob", is_private=True)
    await store.follow(ann, bob)
    _, [taken] = await store.follows.add(bob, ann, following(bob, ann))
    with pytest.raises(store.refusal):
        await store.follows.accept(ann, bob, replace(accepting(ann, bob), event_id=taken.event_id))
    assert await state(store, ann, bob) is PENDING


async def test_a_follow_is_removed_with_its_event_and_once(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    await store.follow(ann, bob)
    events = [*await store.follows.remove(ann, bob, only=None, at=after(5))]
    events += await store.follows.remove(ann, bob, only=None, at=after(6))
    assert [(event.name, event.user_id, event.occurred_at) for event in events] == [("follow.deleted", ann, after(5))]
    assert await store.pending() == events
    assert await state(store, ann, bob) is None


async def test_a_request_ends_silently(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob", is_private=True)
    await store.follow(ann, bob)
    assert await store.follows.remove(ann, bob, only=PENDING, at=NOON) == ()
    assert await state(store, ann, bob) is None
    assert await store.pending() == []


async def test_a_follow_in_another_state_is_not_removed(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    await store.follow(ann, bob)
    assert await store.follows.remove(ann, bob, only=PENDING, at=NOON) == ()
    assert await state(store, ann, bob) is FOLLOWING


async def test_of_twenty_removals_at_once_one_has_an_event(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    await store.follow(ann, bob)
    results = await twenty(lambda: store.follows.remove(ann, bob, only=None, at=NOON))
    assert sum(len(events) for events in results) == 1
    assert len(await store.pending()) == 1


async def test_accepting_and_declining_at_once_agree(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob", is_private=True)
    for _ in range(5):
        await store.follow(ann, bob)
        (accepted, removed) = await at_once(
            store.follows.accept(ann, bob, accepting(ann, bob)),
            store.follows.remove(ann, bob, only=PENDING, at=NOON),
        )
        assert isinstance(accepted, tuple)
        assert removed == ()
        assert await state(store, ann, bob) is (FOLLOWING if accepted[1] else None)
        await store.settle(*await store.follows.remove(ann, bob, only=None, at=NOON))


async def test_states_are_told_of_those_alone_who_are_followed(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    eve, kim = await store.profile("eve", is_private=True), await store.profile("kim")
    await store.follow(ann, bob)
    await store.follow(ann, eve)
    await store.follow(kim, ann)
    many = [UserId(str(number)) for number in range(996)]
    assert await store.follows.states(ann, [bob, eve, kim, NOBODY, *many]) == {bob: FOLLOWING, eve: PENDING}
    assert await store.follows.states(ann, []) == {}


async def test_lists_hold_followers_following_and_requests(store: Store) -> None:
    ann, bob, eve = [await store.profile(name) for name in ("ann", "bob", "eve")]
    bob_to_ann = await store.follow(bob, ann)
    await store.set_private(ann, is_private=True)
    eve_to_ann = await store.follow(eve, ann)
    assert (await page(store, ann, FollowList.FOLLOWERS)).items == [bob_to_ann]
    assert (await page(store, ann, FollowList.REQUESTS)).items == [eve_to_ann]
    assert (await page(store, bob, FollowList.FOLLOWING)).items == [bob_to_ann]
    assert (await page(store, eve, FollowList.FOLLOWING)).items == []
    assert (await page(store, eve, FollowList.SENT_REQUESTS)).items == [eve_to_ann]
    assert (await page(store, bob, FollowList.SENT_REQUESTS)).items == []


@pytest.mark.parametrize("which", [FollowList.FOLLOWERS, FollowList.FOLLOWING])
async def test_lists_are_newest_first_and_equal_times_order_by_id_descending(store: Store, which: FollowList) -> None:
    ann = await store.profile("ann")
    others = [await store.profile(f"user{number}") for number in range(5)]
    for number, other in enumerate(others):
        pair = (other, ann) if which is FollowList.FOLLOWERS else (ann, other)
        given = following(*pair, at=after(min(number, 1)), object_id=ObjectId(f"{(number * 3) % 5:024x}"))
        await store.follows.add(*pair, given)
    pages = [await page(store, ann, which)]
    while pages[-1].has_next:
        pages.append(await page(store, ann, which, last=pages[-1].items[-1]))
    found = [int(follow.object_id, 16) for each in pages for follow in each.items]
    assert found == [4, 3, 2, 1, 0]
    assert [len(each.items) for each in pages] == [2, 2, 1]
    assert (await page(store, ann, which, last=pages[-1].items[-1])).items == []


async def test_the_lists_of_a_hundred_users_come_at_once_and_everyone_has_one(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    follow = await store.follow(ann, bob)
    nobodies = [UserId(str(number)) for number in range(98)]
    found = await store.follows.pages([bob, *nobodies, ann], FollowList.FOLLOWERS, after=None, limit=2)
    assert found == {user: Page(items=[], has_next=False) for user in (*nobodies, ann)} | {
        bob: Page(items=[follow], has_next=False)
    }
    assert await store.follows.pages([], FollowList.FOLLOWERS, after=None, limit=2) == {}


async def test_everyone_is_listed_whom_users_follow_newest_first(store: Store) -> None:
    ann, bob, eve, kim = [await store.profile(name) for name in ("ann", "bob", "eve", "kim")]
    await store.set_private(kim, is_private=True)
    for minutes, pair in enumerate([(ann, bob), (ann, eve), (bob, ann), (ann, kim)]):
        await store.follow(*pair, minutes=minutes)
    assert await store.follows.following_ids([ann, bob, eve]) == {ann: [eve, bob], bob: [ann], eve: []}
    assert await store.follows.following_ids([]) == {}
