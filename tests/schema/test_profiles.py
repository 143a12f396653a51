"""People: found by id or name, searched, and listed page by page."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

from pet.domain.ids import UserId, new_uuid7
from pet.domain.paging import Position, encode_cursor
from tests.clock import HandClock
from tests.conftest import Person, Service
from tests.schema.operations import DOCUMENT, run
from tests.schema.seeding import Seeds


async def names(service: Service, **variables: Any) -> list[str]:
    """Return the usernames of one page of people."""
    people = await run(service, "People", variables)
    return [edge["node"]["username"] for edge in people["edges"]]


async def refusal(service: Service, name: str, **variables: Any) -> dict[str, Any]:
    """Return the one error of an operation without data."""
    answer = await service.graphql(DOCUMENT, variables, name=name)
    (error,) = answer["errors"]
    assert answer.get("data") in (None, {"profiles": None}, {"profile": None})
    found: dict[str, Any] = error["extensions"]
    return found


async def test_an_unknown_person_is_null(service: Service, ann: Person) -> None:
    for username in ("anne", "an", "", "ann ", "%", "a" * 10_000):
        assert await run(service, "ProfilePage", {"by": {"username": username}}) is None
    for user_id in (new_uuid7(), "1", "", "x" * 36, "../../etc/passwd", "\U0001f3b5"):
        assert await run(service, "ProfilePage", {"by": {"userId": user_id}}) is None


async def test_a_person_is_found_by_either_name(service: Service, ann: Person) -> None:
    by_id = await run(service, "ProfilePage", {"by": {"userId": ann.user_id.upper()}})
    by_name = await run(service, "ProfilePage", {"by": {"username": "ANN"}})
    assert by_id == by_name
    assert by_id["username"] == "ann"


async def test_a_lookup_by_not_exactly_one_is_refused(service: Service) -> None:
    both, half = {"userId": "1", "username": "ann"}, {"userId": "1", "username": None}
    for by in ({}, {"userId": None}, {"username": None}, both, half):
        assert (await refusal(service, "ProfilePage", by=by))["code"] == "INVALID", by


async def test_a_lookup_by_not_exactly_one_is_refused_in_the_document_too(service: Service, ann: Person) -> None:
    answer = await service.graphql('{ profile(by: {userId: "1", username: "ann"}) { userId } }')
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INVALID"]
    assert "data" not in answer


async def test_a_search_finds_beginnings_of_names(service: Service, ann: Person) -> None:
    for username, display_name in (("zorro", "Björk Guðmunds"), ("zoe.k", "Élena K."), ("ivan", "Иван")):
        person = await service.register(username)
        await run(service, "UpdateProfile", {"input": {"displayName": display_name}}, by=person)
    table = {
        "zo": ["zoe.k", "zorro"],
        "ZOE.K": ["zoe.k"],
        "oe": [],
        "björk": ["zorro"],
        "BJORK": ["zorro"],
        "guð": ["zorro"],
        "  ele ": ["zoe.k"],
        "Éle": ["zoe.k"],
        "иван": ["ivan"],
        "%": [],
        "_": [],
        "' OR 1=1 --": [],
        "": ["ivan", "zoe.k", "zorro"],
    }
    for search, found in table.items():
        people = await run(service, "People", {"search": search, "excludeUserId": ann.user_id})
        assert [edge["node"]["username"] for edge in people["edges"]] == found, search
        assert people["totalCount"] == len(found), search


async def test_a_changed_display_name_is_no_longer_found(service: Service, ann: Person) -> None:
    await run(service, "UpdateProfile", {"input": {"displayName": "Old Name"}}, by=ann)
    await run(service, "UpdateProfile", {"input": {"displayName": "New"}}, by=ann)
    assert await names(service, search="old") == []
    assert await names(service, search="name") == []
    assert await names(service, search="new") == ["ann"]


async def test_a_search_too_long_is_refused(service: Service) -> None:
    assert await refusal(service, "People", search="x" * 101) == {"code": "INVALID", "field": "search"}


async def test_pages_cover_everyone_once_at_equal_times(service: Service, seeds: Seeds, clock: HandClock) -> None:
    moment = clock()
    for number in range(7):
        await seeds.person(f"person{number}", at=moment + timedelta(milliseconds=number // 4))
    seen: list[str] = []
    after: str | None = None
    pages = 0
    while True:
        people = await run(service, "People", {"first": 2, "after": after})
        seen += [edge["node"]["userId"] for edge in people["edges"]]
        pages += 1
        assert people["totalCount"] == 7
        if not people["pageInfo"]["hasNextPage"]:
            break
        after = people["pageInfo"]["endCursor"]
    assert pages == 4
    assert len(set(seen)) == len(seen) == 7


async def test_a_page_knows_where_it_lies(service: Service, seeds: Seeds) -> None:
    for number in range(3):
        await seeds.person(f"person{number}")
    query = """query ($after: String) { profiles(first: 2, after: $after) {
      edges { cursor node { username } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    first = (await service.graphql(query))["data"]["profiles"]
    assert [edge["node"]["username"] for edge in first["edges"]] == ["person2", "person1"]
    start, end = (edge["cursor"] for edge in first["edges"])
    assert first["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": start,
        "endCursor": end,
    }
    second = (await service.graphql(query, {"after": end}))["data"]["profiles"]
    (edge,) = second["edges"]
    assert edge["node"]["username"] == "person0"
    assert second["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": True,
        "startCursor": edge["cursor"],
        "endCursor": edge["cursor"],
    }
    last = (await service.graphql(query, {"after": edge["cursor"]}))["data"]["profiles"]
    assert last == {
        "edges": [],
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": True, "startCursor": None, "endCursor": None},
    }


async def test_someone_new_does_not_shift_the_pages(service: Service, seeds: Seeds) -> None:
    for number in range(3):
        await seeds.person(f"person{number}")
    first = await run(service, "People", {"first": 2})
    await seeds.person("late")
    assert await names(service, first=2, after=first["pageInfo"]["endCursor"]) == ["person0"]


async def test_a_page_size_outside_of_1_to_100_is_refused(service: Service) -> None:
    for first in (0, -1, 101):
        assert await refusal(service, "People", first=first) == {"code": "INVALID", "field": "first"}


async def test_a_cursor_of_another_list_is_refused(service: Service, clock: HandClock, ann: Person) -> None:
    for kind in ("tracks", "followers", "feed", "requests"):
        cursor = encode_cursor(kind, Position(clock(), ann.user_id))
        assert await refusal(service, "People", after=cursor) == {"code": "INVALID", "field": "after"}
    people = encode_cursor("profiles", Position(clock(), ann.user_id))
    for name in ("ProfilePage", "AudioFiles", "Followers", "Following"):
        refused = await refusal(service, name, by={"userId": ann.user_id}, after=people)
        assert refused == {"code": "INVALID", "field": "after"}


async def test_what_is_no_cursor_is_refused(service: Service) -> None:
    no_date = base64.urlsafe_b64encode(f"profiles:{10**20}:x".encode()).decode().rstrip("=")
    for after in ("", "x", "===", "\U0001f3b5", "a" * 9999, no_date):
        assert await refusal(service, "People", after=after) == {"code": "INVALID", "field": "after"}, after


async def test_an_exclusion_that_is_no_id_excludes_nobody(service: Service, ann: Person) -> None:
    assert await names(service, excludeUserId="nobody") == ["ann"]


async def test_a_person_sees_themselves_as_themselves(service: Service, ann: Person, bob: Person) -> None:
    query = "query ($by: ProfileBy!) { profile(by: $by) { viewerIsSelf viewerFollowState } }"
    by = {"by": {"userId": ann.user_id}}
    assert (await service.graphql(query, by, by=ann))["data"]["profile"]["viewerIsSelf"] is True
    assert (await service.graphql(query, by, by=bob))["data"]["profile"]["viewerIsSelf"] is False
    stranger = (await service.graphql(query, by))["data"]["profile"]
    assert stranger == {"viewerIsSelf": False, "viewerFollowState": "NONE"}


async def test_a_page_has_20_people_by_default(service: Service, seeds: Seeds) -> None:
    ids: list[UserId] = [await seeds.person(f"person{number}") for number in range(21)]
    people = await run(service, "People")
    assert [edge["node"]["userId"] for edge in people["edges"]] == ids[:0:-1]
    assert people["pageInfo"]["hasNextPage"] is True
