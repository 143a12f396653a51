"""One's own page through another's eyes: what they get, by the same rules, and nothing that is theirs."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from pet.domain.ids import UserId, new_uuid7
from tests.conftest import Person, Service
from tests.schema.operations import run
from tests.schema.seeding import Seeds
from tests.schema.test_blocks import block
from tests.schema.test_follows import set_private

PAGE = """
  username displayName avatarUrl coverImageUrl isPrivate bio location genres viewerIsSelf viewerFollowState
  stats { tracksCount followersCount } preferences { privateProfile }
  tracks { edges { node { title playCount owner { username bio viewerIsSelf preferences { privateProfile } } } }
    totalCount }
  audioFiles { edges { node { fileId } } totalCount }
  followers { edges { node { username } } totalCount }
  following { edges { node { username } } totalCount }
"""
VIEW_AS = f"query ($as: Onlooker!) {{ page: viewAs(as: $as) {{ {PAGE} }} }}"
PROFILE = f"query ($id: ID!) {{ page: profile(by: {{userId: $id}}) {{ {PAGE} }} }}"
NOBODY = {"kind": "ANONYMOUS"}


async def view_as(service: Service, onlooker: dict[str, Any], *, by: Person) -> dict[str, Any] | None:
    """Return the viewer's page as somebody else sees it."""
    answer = await service.graphql(VIEW_AS, {"as": onlooker}, by=by)
    assert "errors" not in answer, answer
    page: dict[str, Any] | None = answer["data"]["page"]
    return page


async def test_an_owner_sees_what_each_of_the_others_gets(
    service: Service, seeds: Seeds, ann: Person, bob: Person
) -> None:
    eve, kim, root = [await service.register(name) for name in ("eve", "kim", "root")]
    await service.services.accounts.promote("root")
    await seeds.track(UserId(ann.user_id))
    await run(service, "UpdateProfile", {"input": {"bio": "Hello.", "genres": ["folk"]}}, by=ann)
    await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    for is_private in (False, True):
        await set_private(service, ann, private=is_private)
        if is_private:
            await run(service, "Follow", {"userId": ann.user_id}, by=eve)
        await block(service, kim, by=ann)
        for other in (None, ann, bob, eve, kim, root):
            gets = (await service.graphql(PROFILE, {"id": ann.user_id}, by=other))["data"]["page"]
            onlooker = {"userId": other.user_id} if other else NOBODY
            assert await view_as(service, onlooker, by=ann) == gets
            is_hidden = other is kim or (is_private and other in (None, eve))
            assert gets["bio"] == (None if is_hidden else "Hello.")
            assert (gets["preferences"] is None) is (other is not ann)
            assert len(gets["tracks"]["edges"]) == (0 if is_hidden else 1)


async def test_it_is_for_the_owner_alone_and_needs_a_token(service: Service, ann: Person, bob: Person) -> None:
    refused = await service.graphql(VIEW_AS, {"as": NOBODY})
    assert (refused["data"], refused["errors"][0]["extensions"]["code"]) == ({"page": None}, "UNAUTHENTICATED")
    for onlooker in (NOBODY, {"userId": ann.user_id}):
        page = await view_as(service, onlooker, by=bob)
        assert page is not None
        assert page["username"] == "bob"


async def test_who_is_not_there_sees_nothing(service: Service, ann: Person) -> None:
    for user_id in (new_uuid7(), "x", ""):
        assert await view_as(service, {"userId": user_id}, by=ann) is None
    for malformed in ({}, {"userId": ann.user_id, "kind": "ANONYMOUS"}, {"userId": None}, {"kind": "BOB"}):
        answer = await service.graphql(VIEW_AS, {"as": malformed}, by=ann)
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["INVALID"], answer


async def test_it_opens_nothing_of_third_people_and_lends_nobodys_name(
    service: Service, seeds: Seeds, ann: Person, bob: Person
) -> None:
    eve = await service.register("eve")
    await seeds.track(UserId(ann.user_id))
    await run(service, "UpdateProfile", {"input": {"bio": "Eve's secret."}}, by=eve)
    for follower, followed in ((bob, eve), (bob, ann), (eve, ann)):
        await run(service, "Follow", {"userId": followed.user_id}, by=follower)
    for person in (ann, eve):
        await set_private(service, person, private=True)
    seen = "followers { edges { node { username bio viewerIsSelf viewerFollowState } } }"
    query = f"""query ($as: Onlooker!) {{ viewAs(as: $as) {{ {seen}
      tracks {{ edges {{ node {{ url coverUrl }} }} }} statsAudit {{ isExact }} }} }}"""
    answer = await service.graphql(query, {"as": {"userId": bob.user_id}}, by=ann)
    page = answer["data"]["viewAs"]
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["FORBIDDEN"]
    assert page["statsAudit"] is None
    for edge in page["followers"]["edges"]:
        hidden = {"bio": None, "viewerIsSelf": False, "viewerFollowState": "NONE"}
        assert edge["node"] == {"username": edge["node"]["username"], **hidden}
    (track,) = [edge["node"] for edge in page["tracks"]["edges"]]
    assert parse_qs(urlsplit(track["url"]).query)["viewer"] == [ann.user_id]
