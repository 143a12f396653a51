"""Private profiles over REST: the card for strangers, everything for accepted followers, bytes by signed URLs."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.clock import HandClock
from tests.conftest import Person, Service
from tests.media_factory import mp3
from tests.rest_compat.conftest import (
    accept,
    follow,
    make_private,
    promote,
    session_fixture,
    stored,
    upload_image,
    upload_song,
)
from tests.rest_compat.golden import Golden


@session_fixture
async def hidden(service: Service, ann: Person, bob: Person) -> dict[str, Any]:
    """A track with a cover of Ann's, who is private and has accepted Bob."""
    song = await upload_song(service, ann)
    await upload_image(service, "cover", ann, trackId=song["fileId"])
    await make_private(service, ann)
    await follow(service, bob, ann)
    await accept(service, ann, bob)
    return song


async def tracks(service: Service, by: Person | None) -> list[dict[str, Any]]:
    response = await service.client.get("/users/ann/tracks", headers=by.headers if by else {})
    data: list[dict[str, Any]] = response.json()["data"]
    return data


async def status(service: Service, url: str, by: Person | None = None) -> int:
    return (await service.client.get(url, headers=by.headers if by else {})).status_code


async def test_an_accepted_follower_sees_everything_with_signed_urls(
    service: Service, hidden: dict[str, Any], ann: Person, bob: Person, golden: Golden
) -> None:
    golden.know("song", hidden["fileId"])
    golden.know_bytes("song", mp3(2.0))
    golden.check("2.5-success-follower", await service.client.get("/users/ann/tracks", headers=bob.headers))
    (track,) = await tracks(service, bob)
    played = await service.client.get(track["url"])
    golden.check("3.5-success-signed", played)
    assert played.content == mp3(2.0)
    assert await tracks(service, None) == await tracks(service, await service.register("eve")) == []
    for which in ("followers", "following"):
        path = f"/social/{which}/{ann.user_id}"
        assert (await service.client.get(path)).json()["data"] == []
    own = (await service.client.get(f"/social/followers/{ann.user_id}", headers=bob.headers)).json()["data"]
    assert [item["followerId"] for item in own] == [bob.user_id]


async def test_unsigned_bytes_are_for_those_who_may_see_them(
    service: Service, hidden: dict[str, Any], ann: Person, bob: Person
) -> None:
    eve, root = await service.register("eve"), await service.register("root")
    await promote(service, root)
    paths = [f"/media/{kind}/{hidden['fileId']}" for kind in ("track", "file", "cover")]
    for path in paths:
        allowed = [await status(service, path, by) for by in (None, eve, bob, ann, root)]
        assert allowed == [404, 404, 200, 200, 200]


async def test_an_admins_signed_url_works_too(service: Service, hidden: dict[str, Any]) -> None:
    root = await service.register("root")
    await promote(service, root)
    (track,) = await tracks(service, root)
    assert await status(service, track["url"]) == 200


async def test_a_signed_url_opens_one_file_to_one_viewer_unaltered(
    service: Service, hidden: dict[str, Any], ann: Person, bob: Person
) -> None:
    other = await stored(service, "track", mp3(1.0), ann, name="other.mp3")
    url = next(track["url"] for track in await tracks(service, bob) if track["fileId"] == hidden["fileId"])
    parts = urlsplit(url)
    signed = dict(parse_qsl(parts.query))
    assert set(signed) == {"viewer", "expires", "signature"}
    forged = [
        {"viewer": ann.user_id},
        {"expires": str(int(signed["expires"]) + 1)},
        {"expires": "9999999999"},
        {"signature": ("B" if signed["signature"][0] == "A" else "A") + signed["signature"][1:]},
        {"signature": ""},
        {"signature": "é\ud800"[:1]},
    ]
    for change in forged:
        response = await service.client.get(parts.path, params=signed | change)
        assert response.status_code == 404, change
    elsewhere = f"/media/track/{other['fileId']}"
    assert (await service.client.get(elsewhere, params=signed)).status_code == 404
    assert (await service.client.get(parts.path, params=signed)).status_code == 200


async def test_a_signed_url_ends_with_the_follow_and_with_time(
    service: Service, hidden: dict[str, Any], ann: Person, bob: Person, clock: HandClock
) -> None:
    (track,) = await tracks(service, bob)
    clock.advance(hours=6)
    assert await status(service, track["url"]) == 200
    clock.advance(hours=1)
    assert await status(service, track["url"]) == 404
    (track,) = await tracks(service, bob)
    assert await status(service, track["url"]) == 200
    await service.client.delete(f"/social/unfollow/{ann.user_id}", headers=bob.headers)
    assert await status(service, track["url"]) == 404


async def test_viewer_id_opens_nothing(service: Service, hidden: dict[str, Any], ann: Person, bob: Person) -> None:
    for path in ("/users/ann/public", "/social/profile/ann"):
        for viewer in (ann, bob):
            response = await service.client.get(path, params={"viewerId": viewer.user_id})
            data = response.json()["data"]
            assert data["tracks"] == []
            assert data["profile"]["following"] == []
        seen = await service.client.get(path, headers=bob.headers)
        assert [file["fileId"] for file in seen.json()["data"]["tracks"]] == [hidden["fileId"]]
    for path in (f"/media/track/{hidden['fileId']}", "/users/ann/tracks", "/users/ann/audio-files"):
        response = await service.client.get(path, params={"viewerId": bob.user_id, "viewer": bob.user_id})
        assert response.status_code == 404 or response.json() in (
            {"success": True, "data": []},
            {"success": True, "audioFiles": []},
        )


async def test_who_follows_a_private_person_is_told_to_neither_side_of_strangers(
    service: Service, hidden: dict[str, Any], ann: Person, bob: Person
) -> None:
    path = f"/social/isFollowing/{bob.user_id}/{ann.user_id}"
    assert (await service.client.get(path, headers=bob.headers)).json()["data"] == {"isFollowing": True}
    params = {"viewerId": bob.user_id}
    coloured = (await service.client.get("/users/ann/public", params=params)).json()["data"]["isFollowing"]
    assert coloured is True  # Bob's own list is public, and says so too
    await make_private(service, bob)
    assert (await service.client.get(path)).json()["data"] == {"isFollowing": False}
    coloured = (await service.client.get("/users/ann/public", params=params)).json()["data"]["isFollowing"]
    assert coloured is False
    assert (await service.client.get(path, headers=ann.headers)).json()["data"] == {"isFollowing": True}


async def test_avatars_stay_visible(service: Service, hidden: dict[str, Any], ann: Person) -> None:
    avatar = await upload_image(service, "avatar", ann)
    assert avatar["url"] == f"http://localhost:3000/media/avatar/{ann.user_id}"
    assert await status(service, avatar["url"]) == 200
    assert await status(service, f"/media/file/{avatar['fileId']}") == 200


async def test_going_public_opens_everything(service: Service, hidden: dict[str, Any], ann: Person) -> None:
    assert await tracks(service, None) == []
    change = {"preferences": {"privateProfile": False}}
    await service.client.put(f"/users/{ann.user_id}/profile", json=change, headers=ann.headers)
    (track,) = await tracks(service, None)
    assert track["url"] == f"http://localhost:3000/media/track/{hidden['fileId']}"
    assert await status(service, track["url"]) == 200


async def test_private_bytes_are_kept_by_no_shared_cache(service: Service, hidden: dict[str, Any], bob: Person) -> None:
    for kind in ("track", "cover", "file"):
        shown = await service.client.get(f"/media/{kind}/{hidden['fileId']}", headers=bob.headers)
        assert shown.headers["cache-control"] == "private, no-cache"
