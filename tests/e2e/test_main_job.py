"""The main job, over both fronts alike: register, upload a real track, follow, see the feed, play, list, delete."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests import media_factory
from tests.conftest import CONTRACT, PASSWORD, Person, Service
from tests.e2e.server import kept_files

OPERATIONS = (CONTRACT / "operations.graphql").read_text(encoding="utf-8")
SONG = media_factory.mp3(3.0, title="Night Train", artist="Muse", album="Rails", artwork=media_factory.jpeg(64, 48))


async def run(service: Service, operation: str, viewer: Person | None = None, **variables: Any) -> Any:
    """Run one of the app's operations and return its data."""
    answer = await service.graphql(OPERATIONS, variables, by=viewer, name=operation)
    assert "errors" not in answer, answer
    return answer["data"]


async def register(service: Service, username: str) -> Person:
    given = {"email": f"{username}@example.com", "username": username, "password": PASSWORD, "role": "musician"}
    [payload] = (await run(service, "Register", input=given)).values()
    assert payload["userErrors"] == []
    session = payload["session"]
    user_id = session["user"]["userId"]
    return Person(user_id, username, given["email"], session["accessToken"], session["refreshToken"])


async def upload_track(service: Service, by: Person, content: bytes) -> Any:
    """Upload by the GraphQL multipart request specification."""
    operations = {"query": OPERATIONS, "operationName": "UploadTrack", "variables": {"file": None}}
    response = await service.client.post(
        "/graphql",
        data={"operations": json.dumps(operations), "map": json.dumps({"0": ["variables.file"]})},
        files={"0": ("song.mp3", content)},
        headers=by.headers,
    )
    payload = response.json()["data"]["uploadTrack"]
    assert payload["userErrors"] == []
    return payload["track"]


async def require_playable(service: Service, url: str, content: bytes) -> None:
    """Play whole, then in parts as a player does, then jump to the end."""
    whole = await service.client.get(url)
    assert (whole.status_code, whole.headers["content-type"], whole.content) == (200, "audio/mpeg", content)
    assert whole.headers["accept-ranges"] == "bytes"
    step, parts = 10_000, []
    for start in range(0, len(content), step):
        part = await service.client.get(url, headers={"Range": f"bytes={start}-{start + step - 1}"})
        end = min(start + step, len(content)) - 1
        assert (part.status_code, part.headers["content-range"]) == (206, f"bytes {start}-{end}/{len(content)}")
        parts.append(part.content)
    assert b"".join(parts) == content
    tail = await service.client.get(url, headers={"Range": "bytes=-128"})
    assert (tail.status_code, tail.content) == (206, content[-128:])


async def test_the_main_job_over_rest(service: Service) -> None:
    client = service.client
    musician = await service.register("muse")
    listener = await service.register("ear", role="listener")
    uploaded = await service.upload("track", SONG, by=musician, name="night train.mp3")
    assert uploaded.status_code == 200
    file = uploaded.json()["file"]
    assert file["metadata"] == {"duration": 3, "bitrate": 128, "format": "mp3"}
    followed = await client.post(
        f"/social/follow/{musician.user_id}", json={"followerId": listener.user_id}, headers=listener.headers
    )
    assert followed.status_code == 200
    feed = (await client.get(f"/social/feed?userId={listener.user_id}", headers=listener.headers)).json()
    assert [(item["action"], item["trackId"], item["trackTitle"]) for item in feed["data"]] == [
        ("track_published", file["fileId"], "Night Train")
    ]
    await require_playable(service, file["url"], SONG)
    for path, name in (("tracks", "data"), ("audio-files", "audioFiles")):
        listed = (await client.get(f"/users/muse/{path}")).json()[name]
        assert [item["fileId"] for item in listed] == [file["fileId"]]
    assert (await stats(service, musician)) == [1, 1, 0, 1]
    assert (await client.delete(f"/media/track/{file['fileId']}", headers=musician.headers)).json() == {"success": True}
    assert (await client.get(file["url"])).status_code == 404
    assert (await client.get("/users/muse/tracks")).json() == {"success": True, "data": []}
    feed = (await client.get(f"/social/feed?userId={listener.user_id}", headers=listener.headers)).json()
    assert feed == {"success": True, "data": []}
    assert (await stats(service, musician)) == [0, 1, 0, 1]
    assert kept_files(service.settings.data_dir / "media") == []


async def test_the_main_job_over_graphql(service: Service) -> None:
    musician, listener = await register(service, "muse"), await register(service, "ear")
    track = await upload_track(service, musician, SONG)
    assert (track["title"], track["artist"], track["album"], track["format"]) == ("Night Train", "Muse", "Rails", "mp3")
    assert track["size"] == len(SONG)
    assert (await run(service, "Follow", listener, userId=musician.user_id))["follow"]["follow"]["state"] == "FOLLOWING"
    [edge] = (await run(service, "Feed", listener, first=10))["feed"]["edges"]
    assert edge["node"]["action"] == "track_published"
    assert (edge["node"]["track"], edge["node"]["actor"]["username"]) == (track, "muse")
    await require_playable(service, track["url"], SONG)
    cover = await service.client.get(track["coverUrl"])
    assert (cover.status_code, cover.headers["content-type"]) == (200, "image/jpeg")
    page = (await run(service, "ProfilePage", listener, by={"username": "muse"}, first=10))["profile"]
    assert [item["node"]["fileId"] for item in page["tracks"]["edges"]] == [track["fileId"]]
    assert page["tracks"]["edges"][0]["node"]["playCount"] == 1
    files = (await run(service, "AudioFiles", by={"userId": musician.user_id}))["profile"]["audioFiles"]["edges"]
    assert [item["node"]["fileId"] for item in files] == [track["fileId"]]
    deleted = (await run(service, "DeleteMedia", musician, fileId=track["fileId"]))["deleteMedia"]
    assert deleted == {"deletedFileId": track["fileId"], "userErrors": []}
    assert (await run(service, "TrackPage", fileId=track["fileId"]))["track"] is None
    assert (await run(service, "Feed", listener, first=10))["feed"]["edges"] == []
    assert (await service.client.get(track["url"])).status_code == 404
    assert (await stats(service, musician)) == [0, 1, 0, 1]
    assert kept_files(service.settings.data_dir / "media") == []


@pytest.mark.parametrize("by_graphql", [False, True], ids=["rest", "graphql"])
async def test_what_one_front_writes_the_other_reads(service: Service, *, by_graphql: bool) -> None:
    musician = await register(service, "muse")
    if by_graphql:
        file_id = (await upload_track(service, musician, SONG))["fileId"]
        listed = (await service.client.get("/users/muse/tracks")).json()["data"]
        assert [(item["fileId"], item["originalName"]) for item in listed] == [(file_id, "song.mp3")]
    else:
        file_id = (await service.upload("track", SONG, by=musician, name="song.mp3")).json()["file"]["fileId"]
        track = (await run(service, "TrackPage", fileId=file_id))["track"]
        assert (track["fileId"], track["originalName"], track["owner"]["username"]) == (file_id, "song.mp3", "muse")


async def stats(service: Service, person: Person) -> list[int]:
    found = (await service.client.get(f"/users/{person.user_id}/profile")).json()["data"]["stats"]
    return [found[name] for name in ("tracksCount", "followersCount", "followingCount", "totalPlays")]
