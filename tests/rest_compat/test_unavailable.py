"""An engine is down: the documented sentence of each family of routes, nothing half-done, and nothing charged."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tortoise.connection import get_connection

from pet.rest_compat.routes import ROUTES
from pet.storage.sql.database import CONNECTION
from tests.conftest import PASSWORD, Person, Service
from tests.media_factory import mp3, png
from tests.rest_compat.conftest import profile_of, refusal, upload_song
from tests.rest_compat.golden import Golden
from tests.rest_compat.test_uploads import kept_files
from tests.setups import on_embedded

pytestmark = on_embedded

FAMILIES = {"auth": "Auth", "users": "User", "media": "Media", "social": "Social"}


@asynccontextmanager
async def database_down() -> AsyncIterator[None]:
    """Let SQLite break off every statement with an error of its own."""
    client: Any = get_connection(CONNECTION)
    reading = client._reader._connection
    await client._connection.set_progress_handler(lambda: 1, 1)
    reading.set_progress_handler(lambda: 1, 1)
    try:
        yield
    finally:
        await client._connection.set_progress_handler(None, 0)
        reading.set_progress_handler(None, 0)


def sentence(path: str) -> dict[str, Any]:
    family = FAMILIES[path.split("/")[1]]
    return refusal(f"{family} Service is temporarily unavailable. Please try again later.")


def requests(ann: Person, bob: Person, song: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Return a request for each route that would succeed, by its path in the document."""
    values = {"id": ann.user_id, "username": "ann", "followerId": ann.user_id, "followingId": bob.user_id}
    values |= {"trackId": song, "fileId": song}
    bodies: dict[str, dict[str, Any]] = {
        "1.1": {"json": {"email": "eve@example.com", "username": "eve", "password": PASSWORD}},
        "1.2": {"json": {"email": ann.email, "password": PASSWORD}},
        "1.3": {"json": {"refreshToken": ann.refresh_token}},
        "1.4": {"json": {"refreshToken": ann.refresh_token}},
        "1.5": {"json": {"userId": ann.user_id, "oldPassword": PASSWORD, "newPassword": "a new horse 22"}},
        "2.7": {"json": {"bio": "new"}},
        "3.1": {"files": {"file": ("a.png", png())}, "data": {"userId": ann.user_id}},
        "3.2": {"files": {"file": ("a.mp3", mp3(1.0))}, "data": {"userId": ann.user_id}},
        "3.3": {"files": {"file": ("a.png", png())}, "data": {"userId": ann.user_id}},
        "4.1": {"json": {"followerId": ann.user_id}},
        "4.2": {"json": {"followerId": ann.user_id}},
        "4.7": {"params": {"userId": ann.user_id}},
    }
    found = []
    for route in ROUTES:
        user_id = bob.user_id if "follow/" in route.path else ann.user_id
        words = [{**values, "userId": user_id}[word[1:]] if word[:1] == ":" else word for word in route.path.split("/")]
        found.append((route.method, "/".join(words), bodies.get(route.section, {})))
    return found


async def test_every_route_says_which_service_is_down_and_changes_nothing(
    service: Service, ann: Person, bob: Person
) -> None:
    song = (await upload_song(service, ann))["fileId"]
    before, files = await profile_of(service, ann, by=ann), kept_files(service)
    async with database_down():
        for method, path, parts in requests(ann, bob, song):
            response = await service.client.request(method, path, headers=ann.headers, **parts)
            assert (response.status_code, response.json()) == (500, sentence(path)), (method, path)
            assert response.headers["retry-after"] == "5"
    assert await profile_of(service, ann, by=ann) == before
    people = (await service.client.get("/users")).json()["profiles"]
    assert [person["username"] for person in people] == ["bob", "ann"]
    assert kept_files(service) == files


async def test_a_session_that_cannot_be_looked_up_names_the_family_too(
    service: Service, ann: Person, golden: Golden
) -> None:
    async with database_down():
        golden.check("2.3-unavailable", await service.client.get("/users"))
        for path in ("/users", f"/social/feed?userId={ann.user_id}", f"/media/avatar/{ann.user_id}"):
            response = await service.client.get(path, headers=ann.headers)
            assert (response.status_code, response.json()) == (500, sentence(path))


async def test_what_failed_for_our_sake_is_not_charged(limited: Service) -> None:
    ann = await limited.register("ann")
    bad = {"email": "ann@example.com", "password": "wrong horse 1"}
    new = {"email": "eve@example.com", "username": "eve", "password": PASSWORD}
    tries = {"avatar": (png(), 10), "track": (mp3(1.0), 5), "cover": (png(), 10)}
    async with database_down():
        for _ in range(6):
            assert (await limited.client.post("/auth/login", json=bad)).status_code == 500
            assert (await limited.client.post("/auth/register", json=new)).status_code == 500
        for kind, (content, amount) in tries.items():
            for _ in range(min(amount, 5) + 1):
                assert (await limited.upload(kind, content, by=ann)).status_code == 500
    assert [(await limited.client.post("/auth/login", json=bad)).status_code for _ in range(6)] == [401] * 5 + [429]
    statuses = [
        (await limited.client.post("/auth/register", json=new | {"username": "no"})).status_code for _ in range(5)
    ]
    assert statuses == [400] * 4 + [429]  # Ann's was the first
    for kind, (_, amount) in tries.items():
        statuses = [(await limited.upload(kind, b"", by=ann)).status_code for _ in range(amount + 1)]
        assert statuses[-1] == 429
        assert 429 not in statuses[:-1]


def lose_the_folder(folder: Path) -> None:
    """Put a file where the folder of media was, as a volume that is mounted wrongly would."""
    shutil.rmtree(folder)
    folder.write_text("not a folder")


async def test_a_media_folder_that_is_gone(service: Service, ann: Person) -> None:
    song = await upload_song(service, ann)
    lose_the_folder(Path(service.settings.media_url))
    refused = await service.upload("avatar", png(), by=ann)
    assert (refused.status_code, refused.json()) == (500, sentence("/media"))
    played = await service.client.get(song["url"])
    assert (played.status_code, played.json()) == (500, sentence("/media"))
    profile = await profile_of(service, ann)
    assert ("avatarUrl" in profile, profile["stats"]["totalPlays"]) == (False, 0)


async def test_what_nobody_foresaw_shows_its_request_id_and_nothing_else(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr("pet.context.Context.open", broken)
    response = await service.client.get("/users")
    request_id = response.headers["x-request-id"]
    expected = f"Something went wrong on our side. Please quote the request id {request_id}."
    assert (response.status_code, response.json()) == (500, refusal(expected))
    assert response.headers["content-type"] == "application/json"
