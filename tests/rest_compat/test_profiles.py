"""Section 2 of the document, and 4.6: profiles."""

from __future__ import annotations

from typing import Any

from tests.conftest import Person, Service
from tests.media_factory import mp3, wav
from tests.rest_compat.conftest import (
    follow,
    make_private,
    profile_of,
    session_fixture,
    stored,
    upload_image,
    upload_song,
)
from tests.rest_compat.golden import Golden

NOBODY = "01890000-0000-7000-8000-000000000000"
EVERYTHING = {
    "displayName": "Анна Ли",
    "bio": "Musician from Moscow\nand beyond",
    "location": "Moscow, Russia",
    "genres": ["rock", "jazz"],
    "instruments": ["guitar", "piano"],
    "socialLinks": {
        "youtube": "https://youtube.com/@ann",
        "vk": "https://vk.com/ann",
        "telegram": "@ann",
    },
    "preferences": {"emailNotifications": False, "showOnlineStatus": True, "privateProfile": False},
}


async def update(service: Service, person: Person, change: dict[str, Any]) -> dict[str, Any]:
    response = await service.client.put(f"/users/{person.user_id}/profile", json=change, headers=person.headers)
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


@session_fixture
async def full(service: Service, ann: Person, bob: Person, golden: Golden) -> Person:
    """Ann with everything that a profile can have."""
    song = await upload_song(service, ann)
    cover = await upload_image(service, "cover", ann, type="other")
    await upload_image(service, "avatar", ann)
    await update(service, ann, EVERYTHING | {"coverImageUrl": cover["url"]})
    await follow(service, ann, bob)
    await follow(service, bob, ann)
    golden.know_bytes("song", mp3(2.0))
    golden.know("song", song["fileId"])
    golden.know("cover", cover["fileId"])
    return ann


async def test_a_new_profile_is_bare(service: Service, ann: Person, golden: Golden) -> None:
    golden.check("2.1-success-new", await service.client.get(f"/users/{ann.user_id}/profile"))


async def test_a_full_profile_on_every_route(service: Service, full: Person, bob: Person, golden: Golden) -> None:
    params = {"viewerId": bob.user_id}
    golden.check("2.1-success", await service.client.get(f"/users/{full.user_id}/profile", headers=full.headers))
    golden.check("2.2-success", await service.client.get("/users/username/ANN", headers=full.headers))
    golden.check("2.3-success", await service.client.get("/users"))
    golden.check("2.4-success", await service.client.get("/users/ann/public", params=params))
    golden.check("4.6-success", await service.client.get("/social/profile/ann", params=params))


async def test_strangers_see_the_card_of_a_private_profile(service: Service, full: Person, golden: Golden) -> None:
    await make_private(service, full)
    headers = (await service.register("eve")).headers
    golden.check("2.1-private", await service.client.get(f"/users/{full.user_id}/profile", headers=headers))
    golden.check("2.2-private", await service.client.get("/users/username/ann"))
    golden.check("2.4-private", await service.client.get("/users/ann/public", headers=headers))
    golden.check("2.5-private", await service.client.get("/users/ann/tracks", headers=headers))
    golden.check("2.6-private", await service.client.get("/users/ann/audio-files", headers=headers))
    golden.check("4.6-private", await service.client.get("/social/profile/ann"))


async def test_preferences_are_the_defaults_for_others(service: Service, ann: Person, bob: Person) -> None:
    defaults = {"emailNotifications": True, "showOnlineStatus": True, "privateProfile": False}
    own = await update(service, ann, {"preferences": {"emailNotifications": False}})
    assert own["preferences"] == defaults | {"emailNotifications": False}
    for viewer in (None, bob):
        assert await profile_of(service, ann, by=viewer) == own | {"preferences": defaults}


NOBODYS = [
    ("2.1-not-found", f"/users/{NOBODY}/profile"),
    ("2.1-no-id", "/users/ann/profile"),
    ("2.2-not-found", "/users/username/nobody"),
    ("2.4-not-found", "/users/nobody/public"),
    ("2.5-not-found", "/users/nobody/tracks"),
    ("2.6-not-found", "/users/nobody/audio-files"),
    ("4.6-not-found", "/social/profile/nobody"),
]


async def test_nobody(service: Service, ann: Person, golden: Golden) -> None:
    for case, path in NOBODYS:
        golden.check(case, await service.client.get(path))


async def test_someone_is_left_out_of_the_list(service: Service, ann: Person, bob: Person, golden: Golden) -> None:
    golden.check("2.3-success-without-one", await service.client.get("/users", params={"excludeUserId": ann.user_id}))


async def test_leaving_out_nobody_leaves_everyone(service: Service, ann: Person, bob: Person) -> None:
    for excluded in (NOBODY, "ann", "", "undefined", "null"):
        response = await service.client.get("/users", params={"excludeUserId": excluded})
        assert [profile["username"] for profile in response.json()["profiles"]] == ["bob", "ann"]


async def test_flags_are_coloured_by_viewer_id_else_by_the_token(service: Service, ann: Person, bob: Person) -> None:
    await follow(service, bob, ann)

    async def flags(by: Person | None = None, **params: str) -> tuple[bool, bool]:
        response = await service.client.get("/users/ann/public", params=params, headers=by.headers if by else {})
        data = response.json()["data"]
        return data["isFollowing"], data["isOwnProfile"]

    assert await flags() == (False, False)
    assert await flags(viewerId=bob.user_id) == (True, False)
    assert await flags(by=bob) == (True, False)
    assert await flags(viewerId=ann.user_id) == (False, True)
    assert await flags(by=ann) == (False, True)
    assert await flags(by=ann, viewerId=bob.user_id) == (True, False)
    assert await flags(viewerId="nobody") == (False, False)


async def test_tracks_and_other_audio(service: Service, ann: Person, golden: Golden) -> None:
    golden.know("song", (await upload_song(service, ann))["fileId"])
    golden.know_bytes("song", mp3(2.0))
    golden.know_bytes("podcast", wav(1.0))
    podcast = await stored(service, "track", wav(1.0), ann, name="podcast.wav", type="other")
    golden.know("podcast", podcast["fileId"])
    await upload_image(service, "cover", ann)
    golden.check("2.5-success", await service.client.get("/users/ann/tracks"))
    golden.check("2.6-success", await service.client.get("/users/ann/audio-files"))


async def test_updating_a_profile(service: Service, ann: Person, golden: Golden) -> None:
    response = await service.client.put(f"/users/{ann.user_id}/profile", json=EVERYTHING, headers=ann.headers)
    golden.check("2.7-success", response)
    assert response.json()["data"] == await profile_of(service, ann, by=ann)


async def test_absent_keeps_and_null_clears(service: Service, ann: Person) -> None:
    whole = await update(service, ann, EVERYTHING)
    assert await update(service, ann, {"unknown": 1, "username": "eve", "role": "admin", "stats": {}}) == whole
    change = {"bio": None, "genres": None, "location": "  ", "socialLinks": {"vk": None}, "preferences": {}}
    changed = await update(service, ann, change)
    expected = {key: value for key, value in whole.items() if key not in ("bio", "location")}
    links = {"youtube": "https://youtube.com/@ann", "telegram": "@ann"}
    assert changed == expected | {"genres": [], "socialLinks": links, "updatedAt": changed["updatedAt"]}
    assert changed["updatedAt"] > whole["updatedAt"]


async def test_links_and_preferences_merge_by_key_and_lists_replace(service: Service, ann: Person) -> None:
    whole = await update(service, ann, EVERYTHING)
    change = {
        "genres": ["blues", " blues ", ""],
        "socialLinks": {"vk": "@other"},
        "preferences": {"showOnlineStatus": False, "emailNotifications": None},
    }
    changed = await update(service, ann, change)
    assert changed["genres"] == ["blues"]
    assert changed["socialLinks"] == whole["socialLinks"] | {"vk": "@other"}
    flags = {"emailNotifications": True, "showOnlineStatus": False, "privateProfile": False}
    assert changed["preferences"] == flags
    assert (await update(service, ann, {"socialLinks": None, "preferences": None}))["socialLinks"] == {}


async def test_a_cover_image_is_ones_own_image_here(service: Service, ann: Person) -> None:
    track = await upload_song(service, ann)
    cover = await upload_image(service, "cover", ann, trackId=track["fileId"])
    for url in (cover["url"], cover["url"].removeprefix("http://localhost:3000")):
        changed = await update(service, ann, {"coverImageUrl": url})
        assert changed["coverImageUrl"] == f"http://localhost:3000/media/file/{cover['fileId']}"
    assert "coverImageUrl" not in await update(service, ann, {"coverImageUrl": None})


REFUSED_CHANGES = [
    ("2.7-link-scheme", {"bio": "changed", "socialLinks": {"vk": "javascript:alert(1)"}}),
    ("2.7-wrong-type", {"bio": "changed", "genres": ["rock", 5]}),
    ("2.7-cover-image-elsewhere", {"bio": "changed", "coverImageUrl": "https://example.com/image.jpg"}),
]


async def test_updating_refused(service: Service, ann: Person, golden: Golden) -> None:
    for case, given in REFUSED_CHANGES:
        before = await profile_of(service, ann, by=ann)
        path = f"/users/{ann.user_id}/profile"
        golden.check(case, await service.client.put(path, json=given, headers=ann.headers))
        assert await profile_of(service, ann, by=ann) == before


async def test_updating_needs_the_owners_token(service: Service, ann: Person, bob: Person, golden: Golden) -> None:
    before = await profile_of(service, ann, by=ann)
    path = f"/users/{ann.user_id}/profile"
    golden.check("2.7-no-token", await service.client.put(path, json={"bio": "x"}))
    golden.check("2.7-foreign", await service.client.put(path, json={"bio": "x"}, headers=bob.headers))
    golden.check("2.7-not-found", await service.client.put("/users/ann/profile", json={}, headers=ann.headers))
    assert await profile_of(service, ann, by=ann) == before
