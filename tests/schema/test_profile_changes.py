"""Changing one's own profile: what is absent stays, null clears, links and preferences merge."""

from __future__ import annotations

from typing import Any

from tests.conftest import Person, Service
from tests.media_factory import jpeg, mp3
from tests.schema.operations import answer_of, run

FULL: dict[str, Any] = {
    "displayName": "Ann Lee",
    "bio": "Line one.\nLine two.",
    "location": "Тбилиси",
    "genres": ["folk", "jazz"],
    "instruments": ["voice"],
    "socialLinks": {"youtube": "https://youtube.com/@ann", "vk": "http://vk.com/ann", "telegram": "@ann"},
    "preferences": {"emailNotifications": False, "showOnlineStatus": False, "privateProfile": False},
}


async def change(service: Service, by: Person, **given: Any) -> dict[str, Any]:
    """Change a profile and return it."""
    profile: dict[str, Any] = (await run(service, "UpdateProfile", {"input": given}, by=by))["profile"]
    return profile


async def own(service: Service, by: Person) -> dict[str, Any]:
    """Return someone's own profile."""
    profile: dict[str, Any] = (await run(service, "Me", by=by))["profile"]
    return profile


async def mistake(service: Service, by: Person | None, **given: Any) -> dict[str, Any]:
    """Make a change that must be refused, and return the one mistake."""
    payload = (await answer_of(service, "UpdateProfile", {"input": given}, by=by))["data"]["updateProfile"]
    (found,) = payload.pop("userErrors")
    assert payload == {"profile": None}
    error: dict[str, Any] = found
    return error


async def test_every_field_is_kept_as_it_was_given(service: Service, ann: Person) -> None:
    profile = await change(service, ann, **FULL)
    assert {key: profile[key] for key in FULL} == FULL
    assert profile == await own(service, ann)


async def test_absent_fields_stay(service: Service, ann: Person) -> None:
    before = await change(service, ann, **FULL)
    after = await change(service, ann, bio="New.")
    assert after == {**before, "bio": "New.", "updatedAt": after["updatedAt"]}
    assert after["updatedAt"] > before["updatedAt"]


async def test_null_clears(service: Service, ann: Person) -> None:
    await change(service, ann, **FULL)
    cleared = await change(service, ann, **dict.fromkeys(FULL))
    assert {key: cleared[key] for key in FULL} == {
        "displayName": None,
        "bio": None,
        "location": None,
        "genres": [],
        "instruments": [],
        "socialLinks": {"youtube": None, "vk": None, "telegram": None},
        "preferences": {"emailNotifications": True, "showOnlineStatus": True, "privateProfile": False},
    }


async def test_links_and_preferences_merge_and_lists_replace(service: Service, ann: Person) -> None:
    await change(service, ann, **FULL)
    merged = await change(
        service,
        ann,
        socialLinks={"vk": None, "telegram": "@other"},
        preferences={"emailNotifications": None},
        genres=["rock", " rock ", ""],
    )
    assert merged["socialLinks"] == {"youtube": "https://youtube.com/@ann", "vk": None, "telegram": "@other"}
    assert merged["preferences"] == {"emailNotifications": True, "showOnlineStatus": False, "privateProfile": False}
    assert merged["genres"] == ["rock"]


async def test_a_change_that_changes_nothing_is_no_change(service: Service, ann: Person) -> None:
    before = await change(service, ann, **FULL)
    assert await change(service, ann, **FULL) == before
    assert await change(service, ann) == before


MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"displayName": "x" * 101}, "displayName"),
    ({"displayName": "a\nb"}, "displayName"),
    ({"bio": "x" * 2001}, "bio"),
    ({"bio": "\x00"}, "bio"),
    ({"location": "x" * 101}, "location"),
    ({"genres": ["x"] * 21}, "genres"),
    ({"genres": ["x" * 51]}, "genres"),
    ({"instruments": ["a\tb"]}, "instruments"),
    ({"socialLinks": {"vk": "javascript:alert(1)"}}, "socialLinks.vk"),
    ({"socialLinks": {"youtube": "ftp://example.com"}}, "socialLinks.youtube"),
    ({"socialLinks": {"telegram": "https://a.b/" + "x" * 200}}, "socialLinks.telegram"),
    ({"coverImageUrl": "https://example.com/cat.jpg"}, "coverImageUrl"),
    ({"coverImageUrl": "/media/file/00000000-0000-7000-8000-000000000000"}, "coverImageUrl"),
    ({"coverImageUrl": ""}, "coverImageUrl"),
]


async def test_a_malformed_field_is_named_and_nothing_changes(service: Service, ann: Person) -> None:
    before = await change(service, ann, **FULL)
    for given, field in MALFORMED:
        error = await mistake(service, ann, **{"location": "Elsewhere"} | given)
        assert (error["code"], error["field"]) == ("INVALID", field)
        assert field in error["message"]
    assert await own(service, ann) == before


async def test_without_a_token_nothing_changes(service: Service, ann: Person) -> None:
    before = await own(service, ann)
    error = await mistake(service, None, bio="Hello.")
    assert (error["code"], error["field"]) == ("UNAUTHENTICATED", None)
    assert await own(service, ann) == before


async def test_ones_own_image_becomes_the_cover_image(service: Service, ann: Person, bob: Person) -> None:
    url = (await run(service, "UploadCover", {}, ("file", "c.jpg", jpeg()), by=ann))["image"]["url"]
    assert (await change(service, ann, coverImageUrl=url))["coverImageUrl"] == url
    path = url.removeprefix(service.settings.public_url)
    assert (await change(service, ann, coverImageUrl=None))["coverImageUrl"] is None
    assert (await change(service, ann, coverImageUrl=path))["coverImageUrl"] == url
    error = await mistake(service, bob, coverImageUrl=url)
    assert (error["code"], error["field"]) == ("INVALID", "coverImageUrl")
    assert (await own(service, bob))["coverImageUrl"] is None


async def test_a_track_is_no_cover_image_and_a_deleted_image_leaves_the_profile(service: Service, ann: Person) -> None:
    track = (await run(service, "UploadTrack", {}, ("file", "t.mp3", mp3()), by=ann))["track"]
    error = await mistake(service, ann, coverImageUrl=track["url"].replace("/track/", "/file/"))
    assert error["field"] == "coverImageUrl"
    image = (await run(service, "UploadCover", {}, ("file", "c.jpg", jpeg()), by=ann))["image"]
    await change(service, ann, coverImageUrl=image["url"])
    await run(service, "DeleteMedia", {"fileId": image["fileId"]}, by=ann)
    assert (await own(service, ann))["coverImageUrl"] is None
