"""A private profile through GraphQL: strangers see the card, whoever was let in sees everything."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Person, Service
from tests.media_factory import jpeg, mp3, png
from tests.schema.operations import run

EVERYTHING = """
query Everything($by: ProfileBy!) {
  profile(by: $by) {
    username displayName avatarUrl coverImageUrl role isPrivate
    stats { tracksCount followersCount followingCount totalPlays }
    bio location genres instruments
    socialLinks { youtube vk telegram }
    preferences { privateProfile }
    tracks { edges { node { title url coverUrl } } totalCount }
    audioFiles { edges { node { url } } totalCount }
    followers { edges { node { username } } totalCount }
    following { edges { node { username } } totalCount }
  }
}
"""
STATS = {"tracksCount": 1, "followersCount": 1, "followingCount": 1, "totalPlays": 0}
NOTHING: dict[str, Any] = {"edges": [], "totalCount": 0}


@pytest.fixture
async def track(service: Service, ann: Person, bob: Person) -> dict[str, Any]:
    """A track of `ann`, who is private and has everything; `bob` follows her, and she him."""
    track: dict[str, Any] = (await run(service, "UploadTrack", {"title": "Song"}, ("file", "s.mp3", mp3()), by=ann))[
        "track"
    ]
    await run(service, "UploadAvatar", {}, ("file", "a.png", png()), by=ann)
    cover = (await run(service, "UploadCover", {}, ("file", "c.jpg", jpeg()), by=ann))["image"]
    for one, two in ((ann, bob), (bob, ann)):
        await run(service, "Follow", {"userId": two.user_id}, by=one)
    given = {
        "displayName": "Ann Lee",
        "bio": "Hello.",
        "location": "Here",
        "genres": ["folk"],
        "instruments": ["voice"],
        "socialLinks": {"vk": "@ann"},
        "coverImageUrl": cover["url"],
        "preferences": {"privateProfile": True},
    }
    await run(service, "UpdateProfile", {"input": given}, by=ann)
    return track


async def seen(service: Service, person: Person, *, by: Person | None) -> dict[str, Any]:
    """Return everything that a viewer sees of someone."""
    answer = await service.graphql(EVERYTHING, {"by": {"userId": person.user_id}}, by=by)
    assert list(answer) == ["data"], answer
    profile: dict[str, Any] = answer["data"]["profile"]
    return profile


async def test_a_stranger_sees_the_card_alone(service: Service, ann: Person, track: dict[str, Any]) -> None:
    eve = await service.register("eve")
    await run(service, "Follow", {"userId": ann.user_id}, by=eve)
    card: dict[str, Any] = {
        "username": "ann",
        "displayName": "Ann Lee",
        "avatarUrl": f"{service.settings.public_url}/media/avatar/{ann.user_id}",
        "coverImageUrl": None,
        "role": "musician",
        "isPrivate": True,
        "stats": STATS,
        "bio": None,
        "location": None,
        "genres": [],
        "instruments": [],
        "socialLinks": {"youtube": None, "vk": None, "telegram": None},
        "preferences": None,
        "tracks": NOTHING,
        "audioFiles": NOTHING,
        "followers": NOTHING,
        "following": NOTHING,
    }
    for by in (None, eve):
        assert await seen(service, ann, by=by) == card
        assert await run(service, "TrackPage", {"fileId": track["fileId"]}, by=by) is None


async def test_whoever_was_let_in_sees_everything_with_signed_urls(
    service: Service, ann: Person, bob: Person, track: dict[str, Any]
) -> None:
    admin = await service.register("root")
    await service.services.accounts.promote("root")
    base = service.settings.public_url
    for by in (ann, bob, admin):
        profile = await seen(service, ann, by=by)
        (shown,) = (edge["node"] for edge in profile.pop("tracks")["edges"])
        (audio,) = (edge["node"] for edge in profile.pop("audioFiles")["edges"])
        assert shown["title"] == "Song"
        assert shown["url"].startswith(f"{base}/media/track/{track['fileId']}?")
        assert shown["coverUrl"].startswith(f"{base}/media/cover/{track['fileId']}?")
        assert audio["url"] == shown["url"]
        for url in (shown["url"], shown["coverUrl"], profile.pop("coverImageUrl")):
            assert (await service.client.head(url)).status_code == 200
            assert (await service.client.head(url.partition("?")[0])).status_code == 404
        preferences = profile.pop("preferences")
        assert preferences == ({"privateProfile": True} if by is ann else None)
        assert profile == {
            "username": "ann",
            "displayName": "Ann Lee",
            "avatarUrl": f"{base}/media/avatar/{ann.user_id}",
            "role": "musician",
            "isPrivate": True,
            "stats": STATS,
            "bio": "Hello.",
            "location": "Here",
            "genres": ["folk"],
            "instruments": ["voice"],
            "socialLinks": {"youtube": None, "vk": "@ann", "telegram": None},
            "followers": {"edges": [{"node": {"username": "bob"}}], "totalCount": 1},
            "following": {"edges": [{"node": {"username": "bob"}}], "totalCount": 1},
        }
        page = await run(service, "TrackPage", {"fileId": track["fileId"]}, by=by)
        assert page["url"] == shown["url"]


async def test_a_signed_url_closes_when_its_viewer_is_let_out(
    service: Service, ann: Person, bob: Person, track: dict[str, Any]
) -> None:
    page = await run(service, "TrackPage", {"fileId": track["fileId"]}, by=bob)
    assert (await service.client.get(page["url"])).status_code == 200
    await run(service, "Unfollow", {"userId": ann.user_id}, by=bob)
    assert (await service.client.get(page["url"])).status_code == 404


async def test_whom_a_private_profile_follows_is_told_by_the_other_side_alone(
    service: Service, ann: Person, bob: Person, track: dict[str, Any]
) -> None:
    pair = {"followerId": ann.user_id, "followingId": bob.user_id}
    assert await run(service, "IsFollowing", pair) is True
    await run(service, "UpdateProfile", {"input": {"preferences": {"privateProfile": True}}}, by=bob)
    assert await run(service, "IsFollowing", pair) is False
    assert await run(service, "IsFollowing", pair, by=ann) is True


async def test_a_search_hides_in_lists_what_a_private_profile_hides(
    service: Service, ann: Person, bob: Person, track: dict[str, Any]
) -> None:
    query = '{ profiles(search: "lee") { edges { node { username bio preferences { privateProfile } } } } }'
    for by, bio in ((None, None), (bob, "Hello.")):
        answer = await service.graphql(query, by=by)
        node = {"username": "ann", "bio": bio, "preferences": None}
        assert answer == {"data": {"profiles": {"edges": [{"node": node}]}}}
