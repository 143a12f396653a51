"""Blocks: whoever is kept out sees the card and follows no more, wherever they look from; what was had is over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pet.domain.ids import UserId, new_uuid7
from tests.conftest import Person, Service
from tests.media_factory import mp3
from tests.schema.operations import DOCUMENT, run
from tests.schema.seeding import Seeds
from tests.schema.talking import listening
from tests.schema.test_follows import counters, set_private

CARD_AND_STATE = "userId username bio viewerFollowState stats { followersCount followingCount }"
BLOCK = f"""mutation ($id: ID!) {{ payload: block(userId: $id) {{
  profile {{ {CARD_AND_STATE} }} userErrors {{ code field }} }} }}"""
UNBLOCK = f"""mutation ($id: ID!) {{ payload: unblock(userId: $id) {{
  profile {{ {CARD_AND_STATE} }} userErrors {{ code field }} }} }}"""
BLOCKS = """query ($first: Int, $after: String) { blocks(first: $first, after: $after) {
  edges { blockedAt node { username } } pageInfo { hasNextPage endCursor } } }"""


async def change(service: Service, mutation: str, person: Person | str, *, by: Person | None) -> dict[str, Any]:
    """Block or unblock, and return the payload."""
    user_id = person if isinstance(person, str) else person.user_id
    answer = await service.graphql(mutation, {"id": user_id}, by=by)
    payload: dict[str, Any] = answer["data"]["payload"]
    return payload


async def block(service: Service, person: Person, *, by: Person) -> None:
    """Block someone."""
    assert (await change(service, BLOCK, person, by=by))["userErrors"] == []


async def bio(service: Service, person: Person, *, by: Person | None) -> str | None:
    """Return what a viewer sees of someone's bio."""
    shown: str | None = (await run(service, "ProfilePage", {"by": {"userId": person.user_id}}, by=by))["bio"]
    return shown


async def test_a_block_ends_the_follows_of_both_and_a_second_one_changes_nothing(
    service: Service, ann: Person, bob: Person
) -> None:
    await run(service, "UpdateProfile", {"input": {"bio": "Hello."}}, by=ann)
    await run(service, "UpdateProfile", {"input": {"bio": "Hi."}}, by=bob)
    for one, other in ((ann, bob), (bob, ann)):
        await run(service, "Follow", {"userId": other.user_id}, by=one)
    first = await change(service, BLOCK, bob, by=ann)
    assert first == {
        "profile": {
            "userId": bob.user_id,
            "username": "bob",
            "bio": "Hi.",
            "viewerFollowState": "NONE",
            "stats": {"followersCount": 0, "followingCount": 0},
        },
        "userErrors": [],
    }
    assert await change(service, BLOCK, bob, by=ann) == first
    assert [await counters(service, person) for person in (ann, bob)] == [(0, 0), (0, 0)]
    assert [await bio(service, ann, by=viewer) for viewer in (bob, None, ann)] == [None, "Hello.", "Hello."]
    assert await change(service, UNBLOCK, bob, by=ann) == first
    assert await change(service, UNBLOCK, bob, by=ann) == first
    assert await bio(service, ann, by=bob) == "Hello."


async def test_neither_follows_the_other_before_the_block_is_lifted(service: Service, ann: Person, bob: Person) -> None:
    await block(service, bob, by=ann)
    for is_private in (False, True):
        await set_private(service, ann, private=is_private)
        for one, other, code in ((bob, ann, "FORBIDDEN"), (ann, bob, "INVALID")):
            answer = await service.graphql(DOCUMENT, {"userId": other.user_id}, by=one, name="Follow")
            payload = answer["data"]["follow"]
            assert payload["follow"] is None
            assert [(error["code"], error["field"]) for error in payload["userErrors"]] == [(code, "userId")]
    legacy = await service.client.post(
        f"/social/follow/{ann.user_id}", json={"followerId": bob.user_id}, headers=bob.headers
    )
    refusal = {"success": False, "error": "This user does not let you follow them."}
    assert (legacy.status_code, legacy.json()) == (403, refusal)
    await run(service, "Unfollow", {"userId": ann.user_id}, by=bob)
    assert (await run(service, "ProfilePage", {"by": {"userId": ann.user_id}}, by=bob))["viewerFollowState"] == "NONE"
    await change(service, UNBLOCK, bob, by=ann)
    assert (await run(service, "Follow", {"userId": ann.user_id}, by=bob))["follow"]["state"] == "PENDING"


@pytest.mark.parametrize(
    ("target", "code"), [("self", "INVALID"), ("stranger", "NOT_FOUND"), ("no id", "INVALID"), ("", "INVALID")]
)
async def test_blocking_whom_one_cannot_is_a_mistake(service: Service, ann: Person, target: str, code: str) -> None:
    user_id = {"self": ann.user_id, "stranger": new_uuid7()}.get(target, target)
    payload = await change(service, BLOCK, user_id, by=ann)
    assert payload == {"profile": None, "userErrors": [{"code": code, "field": "userId"}]}
    assert (await service.graphql(BLOCKS, by=ann))["data"]["blocks"]["edges"] == []


async def test_blocks_need_a_token_and_are_listed_for_who_made_them(
    service: Service, ann: Person, bob: Person, clock: Any
) -> None:
    for mutation in (BLOCK, UNBLOCK):
        payload = await change(service, mutation, bob, by=None)
        assert payload == {"profile": None, "userErrors": [{"code": "UNAUTHENTICATED", "field": None}]}
    assert (await service.graphql(BLOCKS))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    eve = await service.register("eve")
    for person in (bob, eve):
        clock.advance(seconds=1)
        await block(service, person, by=ann)
    page = (await service.graphql(BLOCKS, {"first": 1}, by=ann))["data"]["blocks"]
    assert [edge["node"]["username"] for edge in page["edges"]] == ["eve"]
    assert page["pageInfo"]["hasNextPage"] is True
    rest = {"first": 1, "after": page["pageInfo"]["endCursor"]}
    page = (await service.graphql(BLOCKS, rest, by=ann))["data"]["blocks"]
    assert [edge["node"]["username"] for edge in page["edges"]] == ["bob"]
    assert page["pageInfo"]["hasNextPage"] is False
    for other in (bob, eve):
        assert (await service.graphql(BLOCKS, by=other))["data"]["blocks"]["edges"] == []


async def test_a_link_that_was_signed_before_the_block_opens_nothing_after_it(
    service: Service, ann: Person, bob: Person
) -> None:
    track = (await run(service, "UploadTrack", {"title": "Song"}, ("file", "s.mp3", mp3()), by=ann))["track"]
    await set_private(service, ann, private=True)
    await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    await run(service, "AcceptFollow", {"followerId": bob.user_id}, by=ann)
    link = (await run(service, "TrackPage", {"fileId": track["fileId"]}, by=bob))["url"]
    assert (await service.client.get(link)).status_code == 200
    await block(service, bob, by=ann)
    assert (await service.client.get(link)).status_code == 404
    await set_private(service, ann, private=False)
    plain = link.partition("?")[0]
    signed_in = [(await service.client.get(url, headers=bob.headers)).status_code for url in (link, plain)]
    assert (signed_in, (await service.client.get(link)).status_code) == ([404, 404], 404)
    assert (await service.client.get(plain)).status_code == 200  # to whoever is nobody it is public


async def test_a_subscription_that_is_open_hears_nothing_after_the_block(
    service: Service, live: str, seeds: Seeds, ann: Person, bob: Person
) -> None:
    eve = await service.register("eve")
    for person in (ann, eve):
        await run(service, "Follow", {"userId": person.user_id}, by=bob)
    async with listening(live, DOCUMENT, "FeedActivity", by=bob) as heard:
        await run(service, "UpdateProfile", {"input": {"bio": "One."}}, by=ann)
        assert (await heard())["data"]["feedActivity"]["actor"]["username"] == "ann"
        await block(service, bob, by=ann)
        await run(service, "UpdateProfile", {"input": {"location": "Here"}}, by=ann)
        await run(service, "UpdateProfile", {"input": {"location": "There"}}, by=eve)
        assert (await asyncio.wait_for(heard(), 10))["data"]["feedActivity"]["actor"]["username"] == "eve"
    feed = (await run(service, "Feed", by=bob))["edges"]
    assert [edge["node"]["actor"]["username"] for edge in feed] == ["eve"]


async def test_an_admin_who_is_blocked_sees_all(service: Service, seeds: Seeds, ann: Person) -> None:
    root = await service.register("root")
    await service.services.accounts.promote("root")
    song = await seeds.track(UserId(ann.user_id))
    await run(service, "UpdateProfile", {"input": {"bio": "Hello."}}, by=ann)
    await block(service, root, by=ann)
    assert await bio(service, ann, by=root) == "Hello."
    assert (await run(service, "TrackPage", {"fileId": song}, by=root))["title"] == "Song"
