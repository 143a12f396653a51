"""Sections 3.4 to 3.9 of the document: media as bytes, and deleting them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.conftest import Person, Service
from tests.media_factory import mp3
from tests.rest_compat.conftest import (
    follow,
    make_private,
    profile_of,
    refusal,
    session_fixture,
    stored,
    upload_image,
    upload_song,
)
from tests.rest_compat.golden import Golden
from tests.rest_compat.test_uploads import kept_files

NOBODY = "01890000-0000-7000-8000-000000000000"
SONG = mp3(2.0)


@session_fixture
async def song(service: Service, ann: Person, golden: Golden) -> dict[str, Any]:
    """A track of Ann's."""
    record = await upload_song(service, ann)
    golden.know("song", record["fileId"])
    golden.know_bytes("song", SONG)
    return record


async def test_a_track_whole_and_in_parts(service: Service, song: dict[str, Any], golden: Golden) -> None:
    whole = await service.client.get(song["url"])
    golden.check("3.5-success", whole)
    assert whole.content == SONG
    part = await service.client.get(song["url"], headers={"Range": "bytes=100-199"})
    golden.check("3.5-success-range", part)
    assert part.content == SONG[100:200]
    ended = await service.client.get(song["url"], headers={"Range": f"bytes={len(SONG) - 10}-"})
    assert (ended.status_code, ended.content) == (206, SONG[-10:])
    golden.check("3.5-range-outside", await service.client.get(song["url"], headers={"Range": "bytes=999999999-"}))
    known = {"If-None-Match": whole.headers["etag"]}
    golden.check("3.5-success-not-modified", await service.client.get(song["url"], headers=known))
    golden.check("3.5-success-head", await service.client.head(song["url"]))
    golden.check("3.5-success-download", await service.client.get(song["url"], params={"download": "1"}))


async def test_images_by_every_way(service: Service, ann: Person, song: dict[str, Any], golden: Golden) -> None:
    avatar = await upload_image(service, "avatar", ann)
    cover = await upload_image(service, "cover", ann, trackId=song["fileId"])
    golden.know("avatar", avatar["fileId"])
    golden.know("cover", cover["fileId"])
    shown = await service.client.get(avatar["url"])
    golden.know_bytes("image", shown.content)
    golden.check("3.4-success", shown)
    golden.check("3.6-success", await service.client.get(cover["url"]))
    golden.check("3.7-success", await service.client.get(f"/media/file/{cover['fileId']}"))
    known = {"If-None-Match": shown.headers["etag"]}
    assert (await service.client.get(avatar["url"], headers=known)).status_code == 304
    again = await upload_image(service, "avatar", ann)
    assert again["url"] == avatar["url"]
    assert (await service.client.get(avatar["url"], headers=known)).status_code == 200


async def test_any_file_has_ranges(service: Service, song: dict[str, Any], ann: Person) -> None:
    avatar = await upload_image(service, "avatar", ann)
    whole = (await service.client.get(avatar["url"])).content
    for path in (avatar["url"], f"/media/file/{avatar['fileId']}"):
        part = await service.client.get(path, headers={"Range": "bytes=2-5"})
        assert (part.status_code, part.content) == (206, whole[2:6])
    part = await service.client.get(f"/media/file/{song['fileId']}", headers={"Range": "bytes=0-0,-1"})
    assert part.status_code == 206
    assert part.headers["content-type"].startswith("multipart/byteranges; boundary=")


NOTHING_THERE = [
    ("3.4-not-found", "GET", f"/media/avatar/{NOBODY}"),
    ("3.4-no-id", "GET", "/media/avatar/ann"),
    ("3.5-not-found", "GET", f"/media/track/{NOBODY}"),
    ("3.5-no-id", "GET", "/media/track/..%5C..%5Csecret.key"),
    ("3.6-not-found", "GET", f"/media/cover/{NOBODY}"),
    ("3.6-no-id", "GET", "/media/cover/song"),
    ("3.7-not-found", "GET", f"/media/file/{NOBODY}"),
    ("3.7-no-id", "GET", "/media/file/song.mp3"),
    ("3.8-not-found", "DELETE", f"/media/file/{NOBODY}"),
    ("3.8-no-id", "DELETE", "/media/file/song.mp3"),
    ("3.9-not-found", "DELETE", f"/media/track/{NOBODY}"),
    ("3.9-no-id", "DELETE", "/media/track/song.mp3"),
]


async def test_nothing_there(service: Service, ann: Person, golden: Golden) -> None:
    for case, method, path in NOTHING_THERE:
        golden.check(case, await service.client.request(method, path, headers=ann.headers))


async def test_who_has_no_avatar(service: Service, ann: Person) -> None:
    response = await service.client.get(f"/media/avatar/{ann.user_id}")
    assert (response.status_code, response.json()) == (404, refusal("Avatar not found"))


async def test_an_image_is_no_track(service: Service, ann: Person) -> None:
    cover = await upload_image(service, "cover", ann)
    response = await service.client.get(f"/media/track/{cover['fileId']}")
    assert (response.status_code, response.json()) == (404, refusal("Track not found"))


@pytest.mark.parametrize("route", ["file", "track"])
async def test_deleting_a_track_takes_its_bytes_its_cover_and_its_mentions_along(
    service: Service, ann: Person, bob: Person, golden: Golden, route: str
) -> None:
    case = {"file": "3.8-success", "track": "3.9-success"}[route]
    song = await stored(service, "track", mp3(2.0, artwork=b"not an image"), ann, name="song.mp3")
    golden.know("song", song["fileId"])
    cover = await upload_image(service, "cover", ann, trackId=song["fileId"])
    await follow(service, bob, ann)
    assert (await service.client.get(song["url"])).status_code == 200
    golden.check(case, await service.client.delete(f"/media/{route}/{song['fileId']}", headers=ann.headers))
    assert kept_files(service) == []
    for path in (song["url"], cover["url"], f"/media/file/{song['fileId']}", f"/media/file/{cover['fileId']}"):
        assert (await service.client.get(path)).status_code == 404
    stats = (await profile_of(service, ann))["stats"]
    assert (stats["tracksCount"], stats["totalPlays"]) == (0, 1)
    feed = await service.client.get("/social/feed", params={"userId": bob.user_id})
    assert feed.json()["data"] == []
    assert (await service.client.get("/users/ann/tracks")).json()["data"] == []
    again = await service.client.delete(f"/media/{route}/{song['fileId']}", headers=ann.headers)
    assert (again.status_code, again.json()) == (404, refusal("File not found"))
    assert (await profile_of(service, ann))["stats"] == stats


@pytest.mark.parametrize("route", ["file", "track"])
async def test_of_many_who_delete_at_once_one_does(service: Service, ann: Person, route: str) -> None:
    track = await upload_song(service, ann)
    path = f"/media/{route}/{track['fileId']}"
    answers = await asyncio.gather(*(service.client.delete(path, headers=ann.headers) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [404] * 19
    assert all(answer.json() == refusal("File not found") for answer in answers if answer.status_code == 404)
    assert (await profile_of(service, ann))["stats"]["tracksCount"] == 0


async def test_deleting_an_avatar_or_a_cover_clears_every_mention(service: Service, ann: Person) -> None:
    song = await upload_song(service, ann)
    avatar = await upload_image(service, "avatar", ann)
    cover = await upload_image(service, "cover", ann, trackId=song["fileId"])
    change = {"coverImageUrl": cover["url"]}
    await service.client.put(f"/users/{ann.user_id}/profile", json=change, headers=ann.headers)
    for file in (avatar, cover):
        response = await service.client.delete(f"/media/file/{file['fileId']}", headers=ann.headers)
        assert response.json() == {"success": True}
    profile = await profile_of(service, ann)
    assert not {"avatarUrl", "coverImageUrl"} & profile.keys()
    assert profile["stats"]["tracksCount"] == 1
    assert (await service.client.get(f"/media/avatar/{ann.user_id}")).status_code == 404
    assert (await service.client.get(f"/media/cover/{song['fileId']}")).status_code == 404
    assert len(kept_files(service)) == 1


@pytest.mark.parametrize("section", ["3.8", "3.9"])
async def test_deleting_needs_the_owners_token(
    service: Service, song: dict[str, Any], ann: Person, bob: Person, golden: Golden, section: str
) -> None:
    path = {"3.8": f"/media/file/{song['fileId']}", "3.9": f"/media/track/{song['fileId']}"}[section]
    cases = {"3.8": ("3.8-no-token", "3.8-foreign"), "3.9": ("3.9-no-token", "3.9-foreign")}[section]
    golden.check(cases[0], await service.client.delete(path))
    golden.check(cases[1], await service.client.delete(path, headers=bob.headers))
    await make_private(service, ann)
    hidden = await service.client.delete(path, headers=bob.headers)
    assert (hidden.status_code, hidden.json()) == (404, refusal("File not found"))
    assert (await service.client.get(song["url"], headers=ann.headers)).content == SONG
