"""Who may write: the token's user, an admin for others, and whom a request names only where names are trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from pet.rest_compat.routes import ROUTES
from tests.conftest import Person, Service, StartService
from tests.media_factory import mp3, png
from tests.rest_compat.conftest import follow, profile_of, promote, refusal, session_fixture, upload_song
from tests.rest_compat.test_uploads import kept_files

LOG_IN = "Authentication is required. Send the header Authorization: Bearer <accessToken>."
BAD_TOKEN = "The access token is invalid or has expired. Please log in again or refresh it."
ANOTHER = "The token belongs to another user than the request names."


@dataclass(frozen=True)
class House:
    """Ann, who owns two tracks and follows Eve and Dan; Bob, who would write in her name."""

    service: Service
    ann: Person
    bob: Person
    eve: Person
    dan: Person
    songs: tuple[str, str]

    async def state(self) -> list[Any]:
        """Return everything that a writing route could change."""
        tracks = (await self.service.client.get("/users/ann/audio-files")).json()
        feed = (await self.service.client.get("/social/feed", params={"userId": self.bob.user_id})).json()
        people = [await profile_of(self.service, person) for person in (self.ann, self.bob, self.eve, self.dan)]
        return [people, tracks, feed, kept_files(self.service)]


async def furnished(service: Service) -> House:
    ann, bob, eve, dan = [await service.register(name) for name in ("ann", "bob", "eve", "dan")]
    first, second = await upload_song(service, ann), await upload_song(service, ann)
    await follow(service, ann, eve)
    await follow(service, ann, dan)
    return House(service, ann, bob, eve, dan, (first["fileId"], second["fileId"]))


@session_fixture
async def house(service: Service) -> House:
    """A house with the default settings."""
    return await furnished(service)


Parts = dict[str, Any]
WRITES: dict[tuple[str, str], Callable[[House], tuple[str, Parts]]] = {
    ("PUT", "/users/:id/profile"): lambda h: (f"/users/{h.ann.user_id}/profile", {"json": {"bio": "new"}}),
    ("POST", "/media/upload/avatar"): lambda h: ("/media/upload/avatar", form(h, png())),
    ("POST", "/media/upload/track"): lambda h: ("/media/upload/track", form(h, mp3(1.0))),
    ("POST", "/media/upload/cover"): lambda h: ("/media/upload/cover", form(h, png())),
    ("DELETE", "/media/file/:fileId"): lambda h: (f"/media/file/{h.songs[0]}", {}),
    ("DELETE", "/media/track/:trackId"): lambda h: (f"/media/track/{h.songs[1]}", {}),
    ("POST", "/social/follow/:userId"): lambda h: (f"/social/follow/{h.bob.user_id}", follower(h)),
    ("POST", "/social/unfollow/:userId"): lambda h: (f"/social/unfollow/{h.eve.user_id}", follower(h)),
    ("DELETE", "/social/unfollow/:userId"): lambda h: (f"/social/unfollow/{h.dan.user_id}", follower(h)),
}
"""A request of each writing route that acts for Ann."""

NAMELESS = {("DELETE", "/media/file/:fileId"), ("DELETE", "/media/track/:trackId")}
"""Their requests name nobody, so there is nobody to trust."""


def form(house: House, content: bytes) -> Parts:
    return {"files": {"file": ("file.bin", content)}, "data": {"userId": house.ann.user_id}}


def follower(house: House) -> Parts:
    return {"json": {"followerId": house.ann.user_id}}


async def write(house: House, route: tuple[str, str], headers: dict[str, str]) -> httpx.Response:
    path, parts = WRITES[route](house)
    return await house.service.client.request(route[0], path, headers=headers, **parts)


def test_every_writing_route_is_looked_at() -> None:
    proven_otherwise = {route.path for route in ROUTES if route.section.startswith("1.")}
    writing = {(route.method, route.path) for route in ROUTES if route.method != "GET"}
    assert {route for route in writing if route[1] not in proven_otherwise} == set(WRITES)


async def test_without_a_token_or_with_a_bad_or_foreign_one_nothing_is_written(house: House) -> None:
    before = await house.state()
    for route in WRITES:
        refused = await write(house, route, {})
        assert (refused.status_code, refused.json()) == (401, refusal(LOG_IN)), route
        bad = await write(house, route, {"Authorization": "Bearer bad"})
        assert (bad.status_code, bad.json()) == (401, refusal(BAD_TOKEN)), route
        foreign = await write(house, route, house.bob.headers)
        sentence = "This file belongs to someone else." if route in NAMELESS else ANOTHER
        assert (foreign.status_code, foreign.json()) == (403, refusal(sentence)), route
    assert await house.state() == before


@pytest.mark.parametrize("writer", ["the user", "an admin"])
async def test_the_user_may_and_an_admin_in_their_name(house: House, writer: str) -> None:
    root = await house.service.register("root")
    await promote(house.service, root)
    untouched = await profile_of(house.service, root)
    headers = house.ann.headers if writer == "the user" else root.headers
    for route in WRITES:
        before = await house.state()
        answer = await write(house, route, headers)
        assert answer.status_code == 200, (route, answer.text)
        assert await house.state() != before, route
    assert await profile_of(house.service, root) == untouched


@session_fixture
async def trusting(start_service: StartService) -> House:
    """A house that acts for whomever a request without a token names."""
    return await furnished(await start_service(trust_client_user_id=True))


async def test_trusted_names_write_and_tokens_still_count(trusting: House) -> None:
    for route in WRITES:
        before = await trusting.state()
        bad = await write(trusting, route, {"Authorization": "Bearer bad"})
        assert (bad.status_code, bad.json()) == (401, refusal(BAD_TOKEN)), route
        assert (await write(trusting, route, trusting.bob.headers)).status_code == 403, route
        assert await trusting.state() == before
        answer = await write(trusting, route, {})
        if route in NAMELESS:
            assert (answer.status_code, answer.json()) == (401, refusal(LOG_IN)), route
        else:
            assert answer.status_code == 200, (route, answer.text)


@pytest.mark.parametrize("kind", ["avatar", "track", "cover"])
@pytest.mark.parametrize("order", ["file first", "userId first"])
async def test_a_trusted_upload_takes_its_fields_in_any_order(trusting: House, kind: str, order: str) -> None:
    file = ("file", ("file.bin", mp3(1.0) if kind == "track" else png()))
    user = ("userId", (None, trusting.ann.user_id))
    parts: Any = [file, user] if order == "file first" else [user, file]
    response = await trusting.service.client.post(f"/media/upload/{kind}", files=parts)
    assert response.status_code == 200, response.text
    assert response.json()["file"]["userId"] == trusting.ann.user_id


async def test_trust_needs_a_name_that_exists(trusting: House) -> None:
    client, eve = trusting.service.client, trusting.eve.user_id
    before = await trusting.state()
    nameless = await client.post(f"/social/follow/{eve}", json={})
    assert (nameless.status_code, nameless.json()) == (400, refusal("followerId is required"))
    nameless = await client.delete(f"/social/unfollow/{eve}")
    assert (nameless.status_code, nameless.json()) == (401, refusal(LOG_IN))
    for name in ("ann", "01890000-0000-7000-8000-000000000000"):
        unknown = await client.post(f"/social/follow/{eve}", json={"followerId": name})
        assert (unknown.status_code, unknown.json()) == (404, refusal("User not found"))
    assert await trusting.state() == before
