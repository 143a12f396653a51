"""The list of everyone shows each person as the person's own route does, whoever looks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pet.schema import everyone
from pet.schema.scalars import write_milliseconds, write_time
from tests.conftest import Person, Service
from tests.media_factory import png
from tests.rest_compat.conftest import accept, follow, make_private, profile_of, promote, session_fixture, upload_image

CHANGE = {
    "displayName": 'Zoë "Z" \u2028',
    "bio": "Two\nlines",
    "location": "Köln",
    "genres": ["rock", "free jazz"],
    "instruments": ["guitar"],
    "socialLinks": {"youtube": "https://youtube.com/@zoe", "telegram": "@zoe"},
}


@session_fixture
async def people(service: Service, ann: Person, bob: Person) -> list[Person]:
    """Ann, whose profile is full and private; Bob, whom she lets in; Eve, a stranger; an admin; and whom Ann blocks."""
    eve, admin, kim = [await service.register(name) for name in ("eve", "admin", "kim")]
    await promote(service, admin)
    cover = await upload_image(service, "cover", ann, png())
    for person in (ann, eve):
        change = CHANGE | ({"coverImageUrl": cover["url"]} if person is ann else {})
        response = await service.client.put(f"/users/{person.user_id}/profile", json=change, headers=person.headers)
        assert response.status_code == 200, response.text
    await upload_image(service, "avatar", eve, png())
    await make_private(service, ann)
    await follow(service, bob, ann)
    await accept(service, ann, bob)
    for followed in (eve, kim, bob):
        await follow(service, ann, followed)
    blocking = "mutation ($id: ID!) { block(userId: $id) { userErrors { message } } }"
    answer = await service.graphql(blocking, {"id": kim.user_id}, by=eve)
    assert answer == {"data": {"block": {"userErrors": []}}}
    return [kim, admin, eve, bob, ann]


async def listed(service: Service, by: Person | None, **params: str) -> list[dict[str, Any]]:
    response = await service.client.get("/users", headers=by.headers if by else {}, params=params)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["profiles"]
    return found


async def test_everyone_is_shown_as_by_their_own_route(service: Service, people: list[Person]) -> None:
    for by in (None, *people):
        profiles = await listed(service, by)
        assert [profile["username"] for profile in profiles] == [person.username for person in people]
        for person, profile in zip(people, profiles, strict=True):
            shown = await profile_of(service, person, by=by)
            without_signature(shown, profile)
            assert (list(profile.items()), by) == (list(shown.items()), by)


def without_signature(*profiles: dict[str, Any]) -> None:
    """Cut off until when a link works: that differs from one second to the next."""
    for profile in profiles:
        if "coverImageUrl" in profile:
            profile["coverImageUrl"] = profile["coverImageUrl"].partition("?")[0]


async def test_people_who_follow_very_many_are_read_in_smaller_pages(
    service: Service, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, but_eve = await listed(service, people[-1]), people[2].user_id
    for at_once in (0, 1, 3):
        monkeypatch.setattr(everyone, "FOLLOWS_AT_ONCE", at_once)
        profiles = await listed(service, people[-1])
        without_signature(*whole, *profiles)
        assert profiles == whole
        names = [profile["username"] for profile in await listed(service, None, excludeUserId=but_eve)]
        assert names == ["kim", "admin", "bob", "ann"]


def test_a_moment_in_milliseconds_is_written_like_any_other() -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    for milliseconds in (0, 1, 999, 59_999, 60_000, 86_399_999, 86_400_000, 951_782_400_000, 1_760_000_000_997, -1):
        assert write_milliseconds(milliseconds) == write_time(epoch + timedelta(milliseconds=milliseconds))
