"""Following: open profiles at once, private ones after their owner's answer; the counters are exact throughout."""

from __future__ import annotations

from typing import Any

import pytest

from pet.domain.ids import new_uuid7
from tests.conftest import Person, Service
from tests.schema.operations import mistake, run


async def counters(service: Service, person: Person) -> tuple[int, int]:
    """Return how many followers someone has, and how many they follow, as the card and the lists tell it."""
    by = {"by": {"userId": person.user_id}}
    stats = (await run(service, "ProfilePage", by))["stats"]
    if not (await run(service, "ProfilePage", by))["isPrivate"]:
        followers = (await run(service, "Followers", by))["followers"]
        following = (await run(service, "Following", by))["following"]
        assert stats["followersCount"] == followers["totalCount"] == len(followers["edges"])
        assert stats["followingCount"] == following["totalCount"] == len(following["edges"])
    return stats["followersCount"], stats["followingCount"]


async def set_private(service: Service, person: Person, *, private: bool) -> None:
    """Close or open a profile."""
    await run(service, "UpdateProfile", {"input": {"preferences": {"privateProfile": private}}}, by=person)


async def requests(service: Service, person: Person) -> list[str]:
    """Return who asks to follow someone, the newest first."""
    listed = (await run(service, "FollowRequests", by=person))["followRequests"]
    return [edge["node"]["username"] for edge in listed["edges"]]


async def state(service: Service, person: Person, *, by: Person) -> str:
    """Return how the viewer stands to someone."""
    found: str = (await run(service, "ProfilePage", {"by": {"userId": person.user_id}}, by=by))["viewerFollowState"]
    return found


async def test_a_second_follow_returns_the_first(service: Service, ann: Person, bob: Person) -> None:
    first = await run(service, "Follow", {"userId": bob.user_id}, by=ann)
    second = await run(service, "Follow", {"userId": bob.user_id}, by=ann)
    assert second == first
    assert await counters(service, bob) == (1, 0)
    assert await counters(service, ann) == (0, 1)


async def test_a_second_unfollow_changes_nothing(service: Service, ann: Person, bob: Person) -> None:
    await run(service, "Follow", {"userId": bob.user_id}, by=ann)
    first = await run(service, "Unfollow", {"userId": bob.user_id}, by=ann)
    second = await run(service, "Unfollow", {"userId": bob.user_id}, by=ann)
    assert second == first
    assert await counters(service, bob) == (0, 0)
    assert await counters(service, ann) == (0, 0)


async def test_several_mutations_of_one_request_see_each_others_effects(
    service: Service, ann: Person, bob: Person
) -> None:
    answer = await service.graphql(
        """mutation ($id: ID!) {
          one: follow(userId: $id) { profile { stats { followersCount } viewerFollowState } }
          two: unfollow(userId: $id) { profile { stats { followersCount } viewerFollowState } }
          three: follow(userId: $id) { profile { stats { followersCount } viewerFollowState } }
        }""",
        {"id": bob.user_id},
        by=ann,
    )
    followed = {"profile": {"stats": {"followersCount": 1}, "viewerFollowState": "FOLLOWING"}}
    gone = {"profile": {"stats": {"followersCount": 0}, "viewerFollowState": "NONE"}}
    assert answer == {"data": {"one": followed, "two": gone, "three": followed}}


@pytest.mark.parametrize(
    ("target", "code"),
    [("self", "INVALID"), ("stranger", "NOT_FOUND"), ("no id", "INVALID"), ("", "INVALID")],
    ids=["oneself", "nobody", "no_id", "empty"],
)
async def test_following_whom_one_cannot_is_a_mistake(service: Service, ann: Person, target: str, code: str) -> None:
    user_id = {"self": ann.user_id, "stranger": new_uuid7()}.get(target, target)
    error = await mistake(service, "Follow", {"userId": user_id}, by=ann)
    assert (error["code"], error["field"]) == (code, "userId")
    assert await counters(service, ann) == (0, 0)


async def test_following_needs_a_token(service: Service, ann: Person, bob: Person) -> None:
    for name in ("Follow", "Unfollow"):
        assert (await mistake(service, name, {"userId": bob.user_id}, by=None))["code"] == "UNAUTHENTICATED"
    for name in ("AcceptFollow", "DeclineFollow"):
        assert (await mistake(service, name, {"followerId": ann.user_id}, by=None))["code"] == "UNAUTHENTICATED"
    assert await counters(service, bob) == (0, 0)


async def test_a_request_counts_nowhere_until_it_is_accepted(service: Service, ann: Person, bob: Person) -> None:
    await set_private(service, ann, private=True)
    asked = await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    assert (asked["follow"]["state"], asked["profile"]["viewerFollowState"]) == ("PENDING", "PENDING")
    assert await state(service, ann, by=bob) == "PENDING"
    assert await requests(service, ann) == ["bob"]
    assert await counters(service, ann) == (0, 0)
    assert await counters(service, bob) == (0, 0)
    pair = {"followerId": bob.user_id, "followingId": ann.user_id}
    assert await run(service, "IsFollowing", pair, by=ann) is False

    for _ in range(2):
        assert (await run(service, "AcceptFollow", {"followerId": bob.user_id}, by=ann))["follow"]["state"] == (
            "FOLLOWING"
        )
    assert await state(service, ann, by=bob) == "FOLLOWING"
    assert await requests(service, ann) == []
    assert await counters(service, ann) == (1, 0)
    assert await counters(service, bob) == (0, 1)
    assert await run(service, "IsFollowing", pair, by=ann) is True


async def test_a_declined_request_is_gone_and_may_be_made_again(service: Service, ann: Person, bob: Person) -> None:
    await set_private(service, ann, private=True)
    await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    for _ in range(2):
        assert (await run(service, "DeclineFollow", {"followerId": bob.user_id}, by=ann))["success"] is True
    assert await state(service, ann, by=bob) == "NONE"
    assert await requests(service, ann) == []
    error = await mistake(service, "AcceptFollow", {"followerId": bob.user_id}, by=ann)
    assert (error["code"], error["field"]) == ("NOT_FOUND", "followerId")
    assert await counters(service, ann) == (0, 0)
    assert (await run(service, "Follow", {"userId": ann.user_id}, by=bob))["follow"]["state"] == "PENDING"


async def test_declining_does_not_end_an_accepted_follow(service: Service, ann: Person, bob: Person) -> None:
    await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    assert (await run(service, "DeclineFollow", {"followerId": bob.user_id}, by=ann))["success"] is True
    assert await state(service, ann, by=bob) == "FOLLOWING"
    assert await counters(service, ann) == (1, 0)


async def test_a_withdrawn_request_is_gone(service: Service, ann: Person, bob: Person) -> None:
    await set_private(service, ann, private=True)
    await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    assert (await run(service, "Unfollow", {"userId": ann.user_id}, by=bob))["profile"]["viewerFollowState"] == "NONE"
    assert await requests(service, ann) == []
    assert await counters(service, ann) == (0, 0)
    assert await counters(service, bob) == (0, 0)


async def test_nobody_answers_requests_to_others(service: Service, ann: Person, bob: Person) -> None:
    await set_private(service, ann, private=True)
    await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    error = await mistake(service, "AcceptFollow", {"followerId": bob.user_id}, by=bob)
    assert error["code"] == "NOT_FOUND"
    await run(service, "DeclineFollow", {"followerId": bob.user_id}, by=bob)
    assert await requests(service, ann) == ["bob"]
    assert await requests(service, bob) == []


async def test_going_public_accepts_everyone_who_waits(service: Service, ann: Person, bob: Person) -> None:
    eve = await service.register("eve")
    await run(service, "Follow", {"userId": ann.user_id}, by=eve)
    await set_private(service, ann, private=True)
    fred = await service.register("fred")
    for person in (bob, fred):
        await run(service, "Follow", {"userId": ann.user_id}, by=person)
    assert await requests(service, ann) == ["fred", "bob"]
    assert await counters(service, ann) == (1, 0)
    await set_private(service, ann, private=False)
    assert await requests(service, ann) == []
    assert await counters(service, ann) == (3, 0)
    for person in (bob, eve, fred):
        assert await counters(service, person) == (0, 1)
        assert await state(service, ann, by=person) == "FOLLOWING"
    await run(service, "Unfollow", {"userId": ann.user_id}, by=bob)
    assert await counters(service, ann) == (2, 0)
    assert await counters(service, bob) == (0, 0)


async def test_requests_come_in_pages(service: Service, ann: Person, bob: Person) -> None:
    await set_private(service, ann, private=True)
    eve = await service.register("eve")
    for person in (bob, eve):
        await run(service, "Follow", {"userId": ann.user_id}, by=person)
    first = (await run(service, "FollowRequests", {"first": 1}, by=ann))["followRequests"]
    assert [edge["node"]["username"] for edge in first["edges"]] == ["eve"]
    assert first["pageInfo"]["hasNextPage"] is True
    after = {"first": 1, "after": first["pageInfo"]["endCursor"]}
    second = (await run(service, "FollowRequests", after, by=ann))["followRequests"]
    assert [edge["node"]["username"] for edge in second["edges"]] == ["bob"]
    assert second["pageInfo"]["hasNextPage"] is False


async def test_lists_of_follows_come_in_pages_the_newest_first(service: Service, ann: Person, bob: Person) -> None:
    eve = await service.register("eve")
    for person in (bob, eve):
        await run(service, "Follow", {"userId": ann.user_id}, by=person)
        await run(service, "Follow", {"userId": person.user_id}, by=ann)
    for name, field in (("Followers", "followers"), ("Following", "following")):
        given: dict[str, Any] = {"by": {"userId": ann.user_id}, "first": 1}
        first = (await run(service, name, given))[field]
        after = {**given, "after": first["pageInfo"]["endCursor"]}
        second = (await run(service, name, after))[field]
        seen = [edge["node"]["username"] for page in (first, second) for edge in page["edges"]]
        assert seen == ["eve", "bob"]
        assert [page["pageInfo"]["hasNextPage"] for page in (first, second)] == [True, False]
        assert [page["totalCount"] for page in (first, second)] == [2, 2]


async def test_is_following_of_unknown_people_is_false(service: Service, ann: Person) -> None:
    for pair in ((ann.user_id, "x"), ("x", ann.user_id), (new_uuid7(), new_uuid7()), (ann.user_id, ann.user_id)):
        assert await run(service, "IsFollowing", {"followerId": pair[0], "followingId": pair[1]}) is False


async def test_a_request_is_on_both_sides_lists_until_it_is_answered_or_withdrawn(
    service: Service, ann: Person, bob: Person
) -> None:
    eve = await service.register("eve")
    query = """query Sent($first: Int, $after: String) { me { sentFollowRequests(first: $first, after: $after) {
      edges { createdAt node { username } } pageInfo { hasNextPage endCursor } } } }"""

    async def sent(first: int = 20, after: str | None = None) -> tuple[list[str], dict[str, Any]]:
        answer = await service.graphql(query, {"first": first, "after": after}, by=eve)
        found = answer["data"]["me"]["sentFollowRequests"]
        return [edge["node"]["username"] for edge in found["edges"]], found["pageInfo"]

    kim = await service.register("kim")
    for owner in (ann, bob, kim):
        await set_private(service, owner, private=True)
        await run(service, "Follow", {"userId": owner.user_id}, by=eve)
    assert [await requests(service, owner) for owner in (ann, bob, kim)] == [["eve"]] * 3
    names, page = await sent(2)
    assert (names, page["hasNextPage"]) == (["kim", "bob"], True)
    assert (await sent(2, page["endCursor"]))[0] == ["ann"]
    await run(service, "AcceptFollow", {"followerId": eve.user_id}, by=ann)
    await run(service, "DeclineFollow", {"followerId": eve.user_id}, by=bob)
    assert (await sent())[0] == ["kim"]
    await run(service, "Unfollow", {"userId": kim.user_id}, by=eve)
    assert (await sent())[0] == []
    assert [await requests(service, owner) for owner in (ann, bob, kim)] == [[]] * 3
