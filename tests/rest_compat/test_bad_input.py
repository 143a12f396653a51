"""Bad input of every kind gets its clear error, and changes nothing."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

from tests.conftest import PASSWORD, Person, Service
from tests.media_factory import mp3, png
from tests.rest_compat.conftest import profile_of, refusal, stored

REGISTER = {"email": "eve@example.com", "username": "eve", "password": PASSWORD}
LOGIN = {"email": "ann@example.com", "password": PASSWORD}
CHANGE = {"userId": "{ann}", "oldPassword": PASSWORD, "newPassword": "a new horse 22"}
USERNAME = "username must be 3 to 30 Latin letters, digits, dots, dashes or underscores."
RESERVED = "This username is reserved. Please choose another one."
EMAIL = "email must be a valid email address."
COVER_IMAGE = "coverImageUrl must be the URL of an image that you have uploaded here."

BROKEN_BODIES = {
    "broken": (b'{"email": ', "The body is not valid JSON."),
    "nan": (b'{"email": NaN}', "The body is not valid JSON."),
    "infinity": (b'{"email": -Infinity}', "The body is not valid JSON."),
    "deep": (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, "The body is not valid JSON."),
    "deep_lists": (b"[" * 100_000, "The body is not valid JSON."),
    "invalid_utf8": (b'{"email": "\xff\xfe"}', "The body is not valid JSON."),
    "lone_surrogate": (b'{"email": "\\ud800@example.com"}', "The body is not valid JSON."),
    "single_quotes": (b"{'email': 1}", "The body is not valid JSON."),
    "two_values": (b"{}{}", "The body is not valid JSON."),
    "null": (b"null", "The body must be a JSON object."),
    "number": (b"1", "The body must be a JSON object."),
    "list": (b"[{}]", "The body must be a JSON object."),
    "string": (b'"{}"', "The body must be a JSON object."),
}

WITH_BODY = [
    ("POST", "/auth/register"),
    ("POST", "/auth/login"),
    ("POST", "/auth/refresh"),
    ("POST", "/auth/logout"),
    ("POST", "/auth/change_pass"),
    ("PUT", "/users/{ann}/profile"),
    ("POST", "/social/follow/{bob}"),
    ("POST", "/social/unfollow/{bob}"),
    ("DELETE", "/social/unfollow/{bob}"),
]

FIELDS: list[tuple[str, dict[str, Any], str]] = [
    ("/auth/register", {}, "email is required"),
    ("/auth/register", REGISTER | {"email": None}, "email is required"),
    ("/auth/register", REGISTER | {"username": ""}, "username is required"),
    ("/auth/register", REGISTER | {"password": None}, "password is required"),
    ("/auth/register", REGISTER | {"email": 5}, "email must be a string."),
    ("/auth/register", REGISTER | {"username": ["eve"]}, "username must be a string."),
    ("/auth/register", REGISTER | {"password": {"a": 1}}, "password must be a string."),
    ("/auth/register", REGISTER | {"role": True}, "role must be a string."),
    ("/auth/register", REGISTER | {"role": "admin"}, "role must be musician or listener."),
    ("/auth/register", REGISTER | {"role": "Musician"}, "role must be musician or listener."),
    ("/auth/register", REGISTER | {"role": ""}, "role must be musician or listener."),
    *[
        ("/auth/register", REGISTER | {"email": email}, EMAIL)
        for email in (
            "eve",
            "eve@",
            "@example.com",
            "eve@example",
            "eve@example..com",
            "e ve@example.com",
            "eve@example.com\nBcc: a@b.cd",
        )
    ],
    ("/auth/register", REGISTER | {"email": "e" * 64 + "@" + "x" * 200 + ".com"}, EMAIL),
    *[
        ("/auth/register", REGISTER | {"username": username}, USERNAME)
        for username in ("ev", "e" * 31, "ева", "e ve", "eve\n", "../eve", "eve%20", "eve/x", "<eve>")
    ],
    *[
        ("/auth/register", REGISTER | {"username": username}, RESERVED)
        for username in ("username", "public", "profile", "tracks", "audio-files", "Public", "AUDIO-FILES")
    ],
    ("/auth/register", REGISTER | {"username": "me"}, USERNAME),
    ("/auth/register", REGISTER | {"password": "seven77"}, "password must be 8 to 128 characters long."),
    ("/auth/register", REGISTER | {"password": "a" * 129}, "password must be 8 to 128 characters long."),
    ("/auth/register", REGISTER | {"password": "horse\u0000horse"}, "password must not contain control characters."),
    ("/auth/login", {}, "email is required"),
    ("/auth/login", LOGIN | {"password": 12345678}, "password must be a string."),
    ("/auth/refresh", {"refreshToken": 5}, "refreshToken must be a string."),
    ("/auth/logout", {"refreshToken": []}, "refreshToken must be a string."),
    ("/auth/change_pass", {}, "userId is required"),
    ("/auth/change_pass", CHANGE | {"oldPassword": ""}, "oldPassword is required"),
    ("/auth/change_pass", CHANGE | {"newPassword": None}, "newPassword is required"),
    ("/auth/change_pass", CHANGE | {"userId": 7}, "userId must be a string."),
    ("/auth/change_pass", CHANGE | {"newPassword": "a" * 129}, "newPassword must be 8 to 128 characters long."),
    ("/social/follow/{bob}", {}, "followerId is required"),
    ("/social/unfollow/{bob}", {"followerId": None}, "followerId is required"),
    ("/social/follow/{bob}", {"followerId": 7}, "followerId must be a string."),
    ("/social/unfollow/{bob}", {"followerId": {}}, "followerId must be a string."),
    ("/social/follow/{ann}", {"followerId": "{ann}"}, "You cannot follow yourself."),
    ("/social/follow/{ANN}", {"followerId": "{ann}"}, "You cannot follow yourself."),
]

CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"displayName": 5}, "displayName must be a string or null."),
    ({"displayName": "a" * 101}, "displayName must be at most 100 characters long."),
    ({"displayName": "a\nb"}, "displayName must not contain control characters."),
    ({"bio": "a" * 2001}, "bio must be at most 2000 characters long."),
    ({"bio": "a\u0000b"}, "bio must not contain control characters."),
    ({"location": ["Moscow"]}, "location must be a string or null."),
    ({"genres": "rock"}, "genres must be a list of strings or null."),
    ({"genres": [None]}, "genres must be a list of strings or null."),
    ({"genres": [str(number) for number in range(21)]}, "genres must have at most 20 entries."),
    ({"instruments": ["a" * 51]}, "instruments must be at most 50 characters long."),
    ({"socialLinks": "https://vk.com/ann"}, "socialLinks must be an object or null."),
    ({"socialLinks": {"vk": 5}}, "socialLinks.vk must be a string or null."),
    *[
        ({"socialLinks": {"youtube": link}}, "socialLinks.youtube must be an http(s) URL or an @name.")
        for link in ("javascript:alert(1)", "JavaScript://x.y/%0aalert(1)", "data:text/html,x", "//x.y", "ann", "@a b")
    ],
    (
        {"socialLinks": {"telegram": "https://" + "a" * 200 + ".com"}},
        "socialLinks.telegram must be at most 200 characters long.",
    ),
    ({"preferences": []}, "preferences must be an object or null."),
    ({"preferences": {"privateProfile": "yes"}}, "preferences.privateProfile must be true, false or null."),
    ({"preferences": {"privateProfile": 1}}, "preferences.privateProfile must be true, false or null."),
    *[
        ({"coverImageUrl": url}, COVER_IMAGE)
        for url in (
            "https://example.com/a.png",
            "javascript:alert(1)",
            "http://[",
            "",
            "http://localhost:3000/media/file/01890000-0000-7000-8000-000000000000",
            "http://localhost:3000.evil.example/media/file/{cover}",
            "https://evil.example/media/file/{cover}",
            "javascript:/media/file/{cover}",
            "/media/track/{track}",
            "http://localhost:3000/media/file/{foreign}",
        )
    ],
]


def filled(value: Any, ids: dict[str, str]) -> Any:
    """Put ids into the texts of a request."""
    text = json.dumps(value)
    for name, found in ids.items():
        text = text.replace("{" + name + "}", found)
    return json.loads(text)


async def test_what_is_no_json_object(service: Service, ann: Person, bob: Person) -> None:
    before = await profile_of(service, ann, by=ann)
    headers = ann.headers | {"Content-Type": "application/json"}
    for (method, path), (name, (content, message)) in product(WITH_BODY, BROKEN_BODIES.items()):
        filled_path = path.format(ann=ann.user_id, bob=bob.user_id)
        response = await service.client.request(method, filled_path, content=content, headers=headers)
        assert (response.status_code, response.json()) == (400, refusal(message)), (path, name)
    assert await profile_of(service, ann, by=ann) == before


async def test_another_content_type(service: Service, ann: Person, bob: Person) -> None:
    others = ("text/plain", "application/x-www-form-urlencoded", "application/xml")
    for (method, path), content_type in product(WITH_BODY, others):
        headers = ann.headers | {"Content-Type": content_type}
        filled_path = path.format(ann=ann.user_id, bob=bob.user_id)
        response = await service.client.request(method, filled_path, content=b"{}", headers=headers)
        assert (response.status_code, response.json()) == (415, refusal("Send the body as application/json.")), path
    assert (await profile_of(service, ann))["following"] == []


async def test_json_with_a_charset_or_without_a_type_is_json(service: Service, ann: Person) -> None:
    content = json.dumps(LOGIN).encode()
    for headers in ({"Content-Type": "Application/JSON; charset=utf-8"}, {}):
        response = await service.client.post("/auth/login", content=content, headers=headers)
        assert response.status_code == 200, response.text


async def test_an_oversized_body(service: Service, ann: Person, bob: Person) -> None:
    content = b'{"bio": "' + b"a" * 1024 * 1024 + b'"}'
    headers = ann.headers | {"Content-Type": "application/json"}
    for method, path in WITH_BODY:
        filled_path = path.format(ann=ann.user_id, bob=bob.user_id)
        response = await service.client.request(method, filled_path, content=content, headers=headers)
        message = "The body is too large: at most 1024 KB are allowed."
        assert (response.status_code, response.json()) == (413, refusal(message)), path
    assert "bio" not in await profile_of(service, ann)


async def test_missing_and_malformed_fields(service: Service, ann: Person, bob: Person) -> None:
    ids = {"ann": ann.user_id, "bob": bob.user_id, "ANN": ann.user_id.upper()}
    before = (await service.client.get("/users")).json()
    for path, given, message in FIELDS:
        answer = await service.client.post(filled(path, ids), json=filled(given, ids), headers=ann.headers)
        assert (answer.status_code, answer.json()) == (400, refusal(message)), (path, given)
    assert (await service.client.get("/users")).json() == before
    assert (await service.client.post("/auth/login", json=LOGIN)).status_code == 200
    refreshed = await service.client.post("/auth/refresh", json={"refreshToken": ann.refresh_token})
    assert refreshed.status_code == 200


async def test_malformed_changes_of_a_profile(service: Service, ann: Person, bob: Person) -> None:
    cover = await stored(service, "cover", png(), ann, name="a.png")
    foreign = await stored(service, "cover", png(), bob, name="a.png")
    track = await stored(service, "track", mp3(1.0), ann, name="a.mp3")
    ids = {"cover": cover["fileId"], "foreign": foreign["fileId"], "track": track["fileId"]}
    before = await profile_of(service, ann, by=ann)
    path = f"/users/{ann.user_id}/profile"
    for change, message in CHANGES:
        given = {"genres": ["changed"], **filled(change, ids)}
        answer = await service.client.put(path, json=given, headers=ann.headers)
        assert (answer.status_code, answer.json()) == (400, refusal(message)), change
    assert await profile_of(service, ann, by=ann) == before


@pytest.mark.parametrize("kind", ["track", "avatar"])
async def test_the_wrong_kind_of_media(service: Service, ann: Person, kind: str) -> None:
    content = png() if kind == "track" else mp3(1.0)
    response = await service.upload(kind, content, by=ann, name="file.mp3" if kind == "track" else "file.png")
    assert response.status_code == 415
    assert response.json()["success"] is False
    assert (await profile_of(service, ann))["stats"]["tracksCount"] == 0


PATHS_TO_NOTHING = [
    "/users/%00/profile",
    "/users/username/%00",
    "/users/username/%FF%FE",
    "/users/username/" + "a" * 4000,
    "/users/%27%20OR%201=1--/tracks",
    "/users/%F0%9F%8E%B8/public",
    "/media/file/%2e%2e%2fsecret.key",
    "/media/file/{id}%00",
    "/media/avatar/%0a%0d",
    "/social/followers/" + "9" * 36,
    "/social/feed?userId=%00",
]


async def test_paths_that_name_nothing(service: Service, ann: Person) -> None:
    for path in PATHS_TO_NOTHING:
        response = await service.client.get(path.format(id=ann.user_id))
        assert response.status_code == 404
        assert response.json().keys() == {"success", "error"}
