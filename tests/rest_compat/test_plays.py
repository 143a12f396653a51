"""Plays: who starts a track counts once in half an hour."""

from __future__ import annotations

from typing import Any

import httpx

from tests.clock import HandClock
from tests.conftest import Person, Service
from tests.media_factory import mp3
from tests.rest_compat.conftest import make_private, profile_of, session_fixture, stored, upload_song


@session_fixture
async def song(service: Service, ann: Person) -> dict[str, Any]:
    """A track of Ann's."""
    return await upload_song(service, ann)


async def play(
    service: Service, song: dict[str, Any], by: Person | None = None, byte_range: str | None = None
) -> httpx.Response:
    headers = (by.headers if by else {}) | ({"Range": byte_range} if byte_range else {})
    response = await service.client.get(f"/media/track/{song['fileId']}", headers=headers)
    assert response.status_code in (200, 206)
    return response


async def plays(service: Service, person: Person) -> int:
    count: int = (await profile_of(service, person))["stats"]["totalPlays"]
    return count


async def test_a_listener_counts_once_in_half_an_hour(
    service: Service, song: dict[str, Any], ann: Person, bob: Person, clock: HandClock
) -> None:
    for _ in range(3):
        await play(service, song, bob)
    assert await plays(service, ann) == 1
    clock.advance(minutes=29)
    await play(service, song, bob)
    assert await plays(service, ann) == 1
    clock.advance(minutes=2)
    await play(service, song, bob)
    assert await plays(service, ann) == 2


async def test_listeners_count_one_by_one_users_and_addresses(
    service: Service, song: dict[str, Any], ann: Person, bob: Person
) -> None:
    await play(service, song, bob)
    await play(service, song)
    await play(service, song, await service.register("eve"))
    await play(service, song)
    assert await plays(service, ann) == 3
    query = "query ($id: ID!) { track(fileId: $id) { playCount } }"
    answer = await service.graphql(query, {"id": song["fileId"]})
    assert answer["data"] == {"track": {"playCount": 3}}


async def test_only_the_first_byte_counts(service: Service, song: dict[str, Any], ann: Person) -> None:
    path = f"/media/track/{song['fileId']}"
    await play(service, song, byte_range="bytes=1-")
    await play(service, song, byte_range="bytes=-10")
    await service.client.head(path)
    etag = (await service.client.head(path)).headers["etag"]
    assert (await service.client.get(path, headers={"If-None-Match": etag})).status_code == 304
    assert (await service.client.get(path, headers={"Range": "bytes=999999999-"})).status_code == 416
    assert await plays(service, ann) == 0
    await play(service, song, byte_range="bytes=0-0")
    assert await plays(service, ann) == 1


async def test_ones_own_plays_do_not_count(service: Service, song: dict[str, Any], ann: Person) -> None:
    await play(service, song, ann)
    assert await plays(service, ann) == 0


async def test_a_signed_url_counts_for_the_one_it_was_given_to(
    service: Service, song: dict[str, Any], ann: Person
) -> None:
    await make_private(service, ann)
    (own,) = (await service.client.get("/users/ann/tracks", headers=ann.headers)).json()["data"]
    assert (await service.client.get(own["url"])).status_code == 200
    assert await plays(service, ann) == 0


async def test_other_audio_has_no_plays(service: Service, ann: Person) -> None:
    podcast = await stored(service, "track", mp3(1.0), ann, name="podcast.mp3", type="other")
    assert (await service.client.get(podcast["url"])).status_code == 200
    assert await plays(service, ann) == 0


async def test_the_other_way_to_the_same_bytes_counts_too(service: Service, song: dict[str, Any], ann: Person) -> None:
    assert (await service.client.get(f"/media/file/{song['fileId']}")).status_code == 200
    await play(service, song)
    assert await plays(service, ann) == 1
