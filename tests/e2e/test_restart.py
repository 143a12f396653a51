"""After a kill everything that was acknowledged is there, and nothing else."""

from __future__ import annotations

import asyncio
import random
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import media_factory
from tests.conftest import Person, RunningService
from tests.e2e.server import free_port, kept_files, serve

pytestmark = pytest.mark.slow

SONG = media_factory.mp3(1.0, title="Night Train", artwork=media_factory.jpeg())


async def everything(service: RunningService, listener: Person, musician: Person) -> dict[str, Any]:
    """Return all that can be read about two people, bytes included."""
    paths = [
        *(f"/users/{person.user_id}/profile" for person in (listener, musician)),
        "/users",
        f"/users/{musician.username}/public?viewerId={listener.user_id}",
        f"/users/{musician.username}/tracks",
        f"/social/followers/{musician.user_id}",
        f"/social/following/{listener.user_id}",
        f"/social/feed?userId={listener.user_id}",
        f"/media/avatar/{musician.user_id}",
    ]
    seen = {path: await read(service, path, listener) for path in paths}
    for track in seen[f"/users/{musician.username}/tracks"]["data"]:
        for kind in ("track", "cover"):
            path = f"/media/{kind}/{track['fileId']}"
            seen[path] = await read(service, path, musician)
    return seen


async def read(service: RunningService, path: str, by: Person) -> Any:
    response = await service.client.get(path, headers=by.headers)
    assert response.status_code == 200, (path, response.text)
    return response.json() if response.headers["content-type"] == "application/json" else response.content


async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    port = free_port()
    async with serve(tmp_path, port=port) as server:
        musician = await server.service.register("muse")
        listener = await server.service.register("ear", role="listener")
        changed = await server.client.put(
            f"/users/{musician.user_id}/profile", json={"bio": "Since 1999"}, headers=musician.headers
        )
        avatar = await server.service.upload("avatar", media_factory.png(), by=musician, name="me.png")
        upload = await server.service.upload("track", SONG, by=musician, name="song.mp3")
        followed = await server.client.post(
            f"/social/follow/{musician.user_id}", json={"followerId": listener.user_id}, headers=listener.headers
        )
        assert [changed.status_code, avatar.status_code, upload.status_code, followed.status_code] == [200] * 4
        played = await server.client.get(f"/media/track/{upload.json()['file']['fileId']}", headers=listener.headers)
        assert played.content == SONG
        before = await everything(server.service, listener, musician)
        assert await server.stop(signal.SIGKILL) == -signal.SIGKILL
    stats = before[f"/users/{musician.user_id}/profile"]["data"]["stats"]
    assert stats == {"tracksCount": 1, "followersCount": 1, "followingCount": 0, "totalPlays": 1}
    assert len(before) == 11

    async with serve(tmp_path, port=port) as server:
        assert await everything(server.service, listener, musician) == before
        refreshed = await server.client.post("/auth/refresh", json={"refreshToken": musician.refresh_token})
        assert refreshed.status_code == 200
        assert refreshed.json()["user"]["id"] == musician.user_id
        given = {"email": listener.email, "password": "correct horse 1"}
        assert (await server.client.post("/auth/login", json=given)).status_code == 200
        assert await server.stop() == 0


async def test_uploads_killed_at_any_point_leave_whole_tracks_or_nothing(tmp_path: Path) -> None:
    moments = random.Random(20)
    port = free_port()
    musician: Person | None = None
    acknowledged: set[str] = set()
    for _ in range(3):
        async with serve(tmp_path, port=port) as server:
            musician = musician or await server.service.register("muse")
            await require_only_whole_tracks(server.service, musician, acknowledged, tmp_path / "media")
            uploads = [asyncio.create_task(upload(server.service, musician, acknowledged)) for _ in range(4)]
            first, _ = await asyncio.wait(uploads, return_when=asyncio.FIRST_COMPLETED)
            assert first
            await asyncio.sleep(moments.uniform(0, 0.06))  # the moment is the point: it must not matter
            await server.stop(signal.SIGKILL)
            await asyncio.gather(*uploads)
    assert musician is not None
    assert len(acknowledged) >= 3
    async with serve(tmp_path, port=port) as server:
        await require_only_whole_tracks(server.service, musician, acknowledged, tmp_path / "media")


async def upload(service: RunningService, by: Person, acknowledged: set[str]) -> None:
    with suppress(httpx.TransportError):
        response = await service.upload("track", SONG, by=by, name="song.mp3")
        assert response.status_code == 200
        acknowledged.add(response.json()["file"]["fileId"])


async def require_only_whole_tracks(service: RunningService, by: Person, acknowledged: set[str], media: Path) -> None:
    """Acknowledged tracks are listed; what is listed is counted, plays, and shows its cover; no other bytes stay."""
    tracks = (await read(service, f"/users/{by.username}/tracks", by))["data"]
    listed = {track["fileId"] for track in tracks}
    assert acknowledged <= listed
    profile = (await read(service, f"/users/{by.user_id}/profile", by))["data"]
    assert profile["stats"]["tracksCount"] == len(listed)
    for file_id in listed:
        assert await read(service, f"/media/track/{file_id}", by) == SONG
        assert (await read(service, f"/media/cover/{file_id}", by)).startswith(b"\xff\xd8")
    assert len(kept_files(media)) == 2 * len(listed)
