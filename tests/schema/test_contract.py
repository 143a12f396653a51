"""The contract with the app: every operation validates against the published schema and runs, unchanged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from graphql import build_schema as schema_of
from graphql import parse, validate

from pet.schema.root import build_schema
from tests.clock import HandClock
from tests.conftest import PASSWORD, Person, Service
from tests.media_factory import jpeg, mp3, png
from tests.schema.operations import DOCUMENT, NAMES, run
from tests.schema.talking import listening

SDL = Path(__file__).parents[2] / "schema.graphql"


def test_every_operation_validates_against_the_published_schema() -> None:
    assert validate(schema_of(SDL.read_text()), parse(DOCUMENT)) == []


def test_the_published_schema_is_that_of_the_code() -> None:
    assert SDL.read_text() == build_schema().as_str() + "\n"


def test_no_operation_is_forgotten() -> None:
    tests = {"test_" + re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in NAMES}
    assert len(NAMES) == 29
    assert tests - set(globals()) == set()


async def upload_track(service: Service, by: Person) -> dict[str, Any]:
    """Publish a track and return it."""
    content = mp3(title="Song", artist="Ann", album="First")
    track: dict[str, Any] = (await run(service, "UploadTrack", {}, ("file", "song.mp3", content), by=by))["track"]
    return track


def card(person: Person, **other: Any) -> dict[str, Any]:
    """What ProfileCard shows of someone new, to themselves; `other` is what differs."""
    return {
        "userId": person.user_id,
        "username": person.username,
        "displayName": None,
        "avatarUrl": None,
        "role": "musician",
        "isPrivate": False,
        "stats": {"tracksCount": 0, "followersCount": 0, "followingCount": 0, "totalPlays": 0},
        "viewerIsSelf": False,
        "viewerFollowState": "NONE",
    } | other


def without_id(node: dict[str, Any]) -> dict[str, Any]:
    """Leave the opaque global id out, once it is sure that there is one."""
    assert node["id"]
    return {key: value for key, value in node.items() if key != "id"}


async def test_register(service: Service) -> None:
    given = {"email": "Ann@Example.com", "username": "Ann", "password": PASSWORD, "role": "musician"}
    session = (await run(service, "Register", {"input": given}))["session"]
    user_id = session["user"].pop("userId")
    assert session["user"] == {"email": "Ann@Example.com", "username": "Ann", "role": "musician"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z", session["expiresAt"])
    profile = await run(service, "ProfilePage", {"by": {"username": "aNN"}})
    assert profile["userId"] == user_id


async def test_login(service: Service, ann: Person) -> None:
    session = (await run(service, "Login", {"input": {"email": "ANN@example.COM", "password": PASSWORD}}))["session"]
    assert session["user"] == {
        "userId": ann.user_id,
        "email": "ann@example.com",
        "username": "ann",
        "role": "musician",
    }
    assert session["accessToken"] != ann.access_token


async def test_refresh_session(service: Service, ann: Person) -> None:
    session = (await run(service, "RefreshSession", {"refreshToken": ann.refresh_token}))["session"]
    assert session["user"]["userId"] == ann.user_id
    assert session["refreshToken"] != ann.refresh_token


async def test_logout(service: Service, ann: Person) -> None:
    assert (await run(service, "Logout", {"refreshToken": ann.refresh_token}))["success"] is True


async def test_change_password(service: Service, ann: Person) -> None:
    given = {"oldPassword": PASSWORD, "newPassword": "another horse 2"}
    assert (await run(service, "ChangePassword", {"input": given}, by=ann))["success"] is True
    await run(service, "Login", {"input": {"email": ann.email, "password": "another horse 2"}})


async def test_me(service: Service, ann: Person) -> None:
    me = await run(service, "Me", by=ann)
    (session,) = me.pop("sessions")
    profile = me.pop("profile")
    assert me == {
        "userId": ann.user_id,
        "email": "ann@example.com",
        "username": "ann",
        "role": "musician",
        "createdAt": profile["createdAt"],
    }
    assert session["current"] is True
    assert session["userAgent"].startswith("python-httpx/")
    assert profile["preferences"] == {"emailNotifications": True, "showOnlineStatus": True, "privateProfile": False}


async def test_revoke_session(service: Service, ann: Person) -> None:
    (session,) = (await run(service, "Me", by=ann))["sessions"]
    assert (await run(service, "RevokeSession", {"sessionId": session["id"]}, by=ann))["success"] is True


async def test_delete_account(service: Service, ann: Person) -> None:
    assert (await run(service, "DeleteAccount", {"password": PASSWORD}, by=ann))["success"] is True
    assert await run(service, "ProfilePage", {"by": {"userId": ann.user_id}}) is None


async def test_profile_page(service: Service, ann: Person) -> None:
    track = await upload_track(service, ann)
    page = await run(service, "ProfilePage", {"by": {"userId": ann.user_id}, "first": 1})
    (edge,) = page["tracks"]["edges"]
    assert edge["node"] == track
    assert page["tracks"]["pageInfo"] == {"hasNextPage": False, "endCursor": edge["cursor"]}
    assert page["tracks"]["totalCount"] == 1


async def test_people(service: Service, ann: Person, bob: Person) -> None:
    given = {"first": 5, "search": "B", "excludeUserId": ann.user_id}
    people = await run(service, "People", given, by=ann)
    (edge,) = people["edges"]
    assert without_id(edge["node"]) == card(bob)
    assert people["pageInfo"] == {"hasNextPage": False, "endCursor": edge["cursor"]}
    assert people["totalCount"] == 1


async def test_update_profile(service: Service, ann: Person) -> None:
    links = {"youtube": "https://youtube.com/@ann", "vk": None}
    given = {"displayName": "Ann Lee", "bio": "Sings.", "genres": ["folk"], "socialLinks": links}
    profile = (await run(service, "UpdateProfile", {"input": given}, by=ann))["profile"]
    shown = {key: profile[key] for key in ("displayName", "bio", "genres", "instruments", "socialLinks")}
    assert shown == {
        "displayName": "Ann Lee",
        "bio": "Sings.",
        "genres": ["folk"],
        "instruments": [],
        "socialLinks": {"youtube": "https://youtube.com/@ann", "vk": None, "telegram": None},
    }


async def test_audio_files(service: Service, ann: Person) -> None:
    track = await upload_track(service, ann)
    listed = await run(service, "AudioFiles", {"by": {"username": "ann"}})
    (edge,) = listed["audioFiles"]["edges"]
    assert edge["node"] == {
        "__typename": "MediaFile",
        "fileId": track["fileId"],
        "type": "track",
        "originalName": "song.mp3",
        "fileName": f"{track['fileId']}.mp3",
        "mimeType": "audio/mpeg",
        "size": track["size"],
        "url": track["url"],
        "createdAt": track["createdAt"],
        "updatedAt": track["createdAt"],
        "metadata": {
            "duration": track["duration"],
            "bitrate": track["bitrate"],
            "format": "mp3",
            "width": None,
            "height": None,
        },
    }


async def test_track_page(service: Service, ann: Person) -> None:
    track = await upload_track(service, ann)
    page = await run(service, "TrackPage", {"fileId": track["fileId"]})
    assert page.pop("waveform") is None
    owner = page.pop("owner")
    assert page == track
    stats = {"tracksCount": 1, "followersCount": 0, "followingCount": 0, "totalPlays": 0}
    assert without_id(owner) == card(ann, stats=stats)


async def test_upload_track(service: Service, ann: Person) -> None:
    content, cover = mp3(title="Song", artist="Ann", album="First"), jpeg()
    files = (("file", "Песня 1.mp3", content), ("cover", "cover.jpg", cover))
    track = (await run(service, "UploadTrack", {"title": "My song"}, *files, by=ann))["track"]
    base = service.settings.public_url
    duration = track.pop("duration")
    assert 0.9 < duration < 1.2
    assert without_id(track) == {
        "fileId": track["fileId"],
        "title": "My song",
        "artist": "Ann",
        "album": "First",
        "bitrate": track["bitrate"],
        "format": "mp3",
        "mimeType": "audio/mpeg",
        "size": len(content),
        "url": f"{base}/media/track/{track['fileId']}",
        "coverUrl": f"{base}/media/cover/{track['fileId']}",
        "playCount": 0,
        "originalName": "Песня 1.mp3",
        "createdAt": track["createdAt"],
    }
    assert (await service.client.get(track["url"])).content == content
    assert (await service.client.get(track["coverUrl"])).headers["content-type"] == "image/jpeg"


async def test_upload_avatar(service: Service, ann: Person) -> None:
    result = await run(service, "UploadAvatar", {}, ("file", "me.png", png(40, 30)), by=ann)
    url = f"{service.settings.public_url}/media/avatar/{ann.user_id}"
    image = result["image"]
    assert image == {
        "fileId": image["fileId"],
        "url": url,
        "mimeType": "image/png",
        "size": len((await service.client.get(url)).content),
        "metadata": {"width": 40, "height": 30, "format": "png"},
    }
    assert without_id(result["profile"]) == card(ann, avatarUrl=url, viewerIsSelf=True)


async def test_upload_cover(service: Service, ann: Person) -> None:
    track = await upload_track(service, ann)
    given = {"trackId": track["fileId"]}
    result = await run(service, "UploadCover", given, ("file", "cover.jpg", jpeg(20, 10)), by=ann)
    url = f"{service.settings.public_url}/media/cover/{track['fileId']}"
    assert result["image"]["url"] == url
    assert result["image"]["metadata"] == {"width": 20, "height": 10, "format": "jpeg"}
    assert result["track"] == {**track, "coverUrl": url}


async def test_update_track(service: Service, ann: Person) -> None:
    track = await upload_track(service, ann)
    given = {"fileId": track["fileId"], "input": {"title": "New", "album": None}}
    updated = (await run(service, "UpdateTrack", given, by=ann))["track"]
    assert updated == {**track, "title": "New", "album": None}


async def test_delete_media(service: Service, ann: Person) -> None:
    file_id = (await upload_track(service, ann))["fileId"]
    assert (await run(service, "DeleteMedia", {"fileId": file_id}, by=ann))["deletedFileId"] == file_id
    assert await run(service, "TrackPage", {"fileId": file_id}) is None


async def test_follow(service: Service, ann: Person, bob: Person) -> None:
    result = await run(service, "Follow", {"userId": bob.user_id}, by=ann)
    assert result["follow"] == {
        "followerId": ann.user_id,
        "followingId": bob.user_id,
        "state": "FOLLOWING",
        "createdAt": result["follow"]["createdAt"],
    }
    stats = {"tracksCount": 0, "followersCount": 1, "followingCount": 0, "totalPlays": 0}
    assert without_id(result["profile"]) == card(bob, stats=stats, viewerFollowState="FOLLOWING")


async def test_unfollow(service: Service, ann: Person, bob: Person) -> None:
    await run(service, "Follow", {"userId": bob.user_id}, by=ann)
    result = await run(service, "Unfollow", {"userId": bob.user_id}, by=ann)
    assert without_id(result["profile"]) == card(bob)


async def asked_to_follow(service: Service, ann: Person, bob: Person) -> None:
    """Make `ann` private, and let `bob` ask to follow her."""
    await run(service, "UpdateProfile", {"input": {"preferences": {"privateProfile": True}}}, by=ann)
    result = await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    assert result["follow"]["state"] == "PENDING"


async def test_follow_requests(service: Service, ann: Person, bob: Person) -> None:
    await asked_to_follow(service, ann, bob)
    requests = (await run(service, "FollowRequests", {"first": 1}, by=ann))["followRequests"]
    (edge,) = requests["edges"]
    assert without_id(edge["node"]) == card(bob)
    assert edge["createdAt"].endswith("Z")
    assert requests["pageInfo"]["hasNextPage"] is False


async def test_accept_follow(service: Service, ann: Person, bob: Person) -> None:
    await asked_to_follow(service, ann, bob)
    result = await run(service, "AcceptFollow", {"followerId": bob.user_id}, by=ann)
    assert result["follow"] == {"state": "FOLLOWING"}


async def test_decline_follow(service: Service, ann: Person, bob: Person) -> None:
    await asked_to_follow(service, ann, bob)
    assert (await run(service, "DeclineFollow", {"followerId": bob.user_id}, by=ann))["success"] is True


async def test_followers(service: Service, ann: Person, bob: Person) -> None:
    follow = (await run(service, "Follow", {"userId": bob.user_id}, by=ann))["follow"]
    followers = (await run(service, "Followers", {"by": {"username": "bob"}}))["followers"]
    (edge,) = followers["edges"]
    assert edge["followedAt"] == follow["createdAt"]
    assert edge["node"]["username"] == "ann"
    assert followers["totalCount"] == 1


async def test_following(service: Service, ann: Person, bob: Person) -> None:
    follow = (await run(service, "Follow", {"userId": bob.user_id}, by=ann))["follow"]
    following = (await run(service, "Following", {"by": {"username": "ann"}}))["following"]
    (edge,) = following["edges"]
    assert edge["followedAt"] == follow["createdAt"]
    assert edge["node"]["username"] == "bob"
    assert following["totalCount"] == 1


async def test_is_following(service: Service, ann: Person, bob: Person) -> None:
    pair = {"followerId": ann.user_id, "followingId": bob.user_id}
    assert await run(service, "IsFollowing", pair) is False
    await run(service, "Follow", {"userId": bob.user_id}, by=ann)
    assert await run(service, "IsFollowing", pair) is True


async def test_feed(service: Service, ann: Person, bob: Person) -> None:
    await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    track = await upload_track(service, ann)
    feed = await run(service, "Feed", {"first": 2}, by=bob)
    (edge,) = feed["edges"]
    assert (edge["node"]["__typename"], edge["node"]["action"]) == ("TrackPublished", "track_published")
    assert edge["node"]["track"] == track
    assert edge["node"]["actor"]["username"] == "ann"
    assert edge["node"]["createdAt"] == track["createdAt"]
    assert feed["pageInfo"] == {"hasNextPage": False, "endCursor": edge["cursor"]}


async def test_feed_activity(service: Service, live: str, clock: HandClock, ann: Person, bob: Person) -> None:
    await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    async with listening(live, DOCUMENT, "FeedActivity", by=bob) as heard:
        track = await upload_track(service, ann)
        activity = (await heard())["data"]["feedActivity"]
    assert (activity["__typename"], activity["action"]) == ("TrackPublished", "track_published")
    assert activity["track"] == track
    (edge,) = (await run(service, "Feed", by=bob))["edges"]
    assert edge["node"] == activity


async def test_node_by_id(service: Service, ann: Person) -> None:
    track = await upload_track(service, ann)
    found = await run(service, "NodeById", {"id": track["id"]})
    assert found == {"__typename": "Track", "id": track["id"], "title": "Song"}
