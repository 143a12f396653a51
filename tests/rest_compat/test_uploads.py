"""Sections 3.1 to 3.3 of the document: putting media in."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import httpx
import pytest

from pet.domain.errors import UnsupportedMedia
from pet.domain.media import CleanImage
from pet.inspection.pool import WorkerInspector
from pet.storage.presence import LOCK_FILE
from tests.clock import HandClock
from tests.conftest import Person, Service
from tests.engines.redis import until
from tests.media_factory import jpeg, m4a_aac, mp3, png, webp
from tests.rest_compat.conftest import (
    follow,
    make_private,
    profile_of,
    refusal,
    stored,
    upload_image,
    upload_song,
)
from tests.rest_compat.golden import Golden
from tests.setups import kept_objects

NOBODY = "01890000-0000-7000-8000-000000000000"
TEXT = b"This is a text, whatever its name says.\n" * 50
BASE = "http://localhost:3000/media"


def kept_files(service: Service) -> list[PurePosixPath]:
    """Return the key of every object of audio and images, temporary ones included."""
    return kept_objects(service.settings)


async def expect_nothing_kept(service: Service, person: Person) -> None:
    """Assert that someone has no file, no avatar and no count, and that the folder is empty."""
    audio = (await service.client.get(f"/users/{person.username}/audio-files")).json()["audioFiles"]
    profile = await profile_of(service, person)
    count = profile["stats"]["tracksCount"]
    assert (audio, count, kept_files(service), "avatarUrl" in profile) == ([], 0, [], False)


async def test_an_avatar(service: Service, ann: Person, golden: Golden) -> None:
    response = await service.upload("avatar", jpeg(500, 400), by=ann, name="Мой портрет.jpg")
    golden.know("avatar", response.json()["file"]["fileId"])
    golden.check("3.1-success", response)
    assert (await profile_of(service, ann))["avatarUrl"] == f"{BASE}/avatar/{ann.user_id}"


async def test_a_track(service: Service, ann: Person, golden: Golden) -> None:
    golden.know_bytes("song", mp3(2.0))
    response = await service.upload("track", mp3(2.0), by=ann, name="my-song.mp3", type="anything")
    golden.know("song", response.json()["file"]["fileId"])
    golden.check("3.2-success", response)
    assert (await profile_of(service, ann))["stats"]["tracksCount"] == 1


async def test_covers_with_and_without_a_track(service: Service, ann: Person, golden: Golden) -> None:
    track = await upload_song(service, ann)
    golden.know("song", track["fileId"])
    golden.check("3.3-success", await service.upload("cover", webp(), by=ann, name="cover.webp"))
    bound = await service.upload("cover", png(), by=ann, name="cover.png", trackId=track["fileId"])
    golden.check("3.3-success-of-track", bound)


async def test_the_type_other_publishes_nothing(service: Service, ann: Person, bob: Person) -> None:
    await follow(service, bob, ann)
    audio = await stored(service, "track", m4a_aac(), ann, name="podcast.m4a", type="other")
    image = await upload_image(service, "cover", ann, type="other")
    portrait = await upload_image(service, "avatar", ann, type="other")
    for record in (audio, image, portrait):
        assert (record["type"], record["url"]) == ("other", f"{BASE}/file/{record['fileId']}")
        assert (await service.client.get(record["url"])).status_code == 200
        assert (await service.client.get(f"/media/cover/{record['fileId']}")).status_code == 404
    assert (await service.client.get(f"/media/track/{audio['fileId']}")).status_code == 404
    profile = await profile_of(service, ann)
    assert (profile["stats"]["tracksCount"], "avatarUrl" in profile) == (0, False)
    assert (await service.client.get("/users/ann/tracks")).json()["data"] == []
    listed = (await service.client.get("/users/ann/audio-files")).json()["audioFiles"]
    assert [file["fileId"] for file in listed] == [audio["fileId"]]
    feed = await service.client.get("/social/feed", params={"userId": bob.user_id})
    assert feed.json()["data"] == []


async def test_a_new_avatar_replaces_the_old_one(service: Service, ann: Person) -> None:
    old = await upload_image(service, "avatar", ann, png(20, 20))
    first = kept_files(service)
    new = await upload_image(service, "avatar", ann, webp(30, 30))
    assert len(first) == len(kept_files(service)) == 1
    assert first != kept_files(service)
    assert (await service.client.get(f"/media/file/{old['fileId']}")).status_code == 404
    shown = await service.client.get(f"/media/avatar/{ann.user_id}")
    assert (shown.headers["content-type"], shown.headers["etag"]) == ("image/webp", f'"{new["fileId"]}"')


async def test_a_tracks_new_cover_replaces_the_old_one(service: Service, ann: Person) -> None:
    track = await upload_song(service, ann)
    old = await upload_image(service, "cover", ann, png(20, 20), trackId=track["fileId"])
    new = await upload_image(service, "cover", ann, webp(30, 30), trackId=track["fileId"])
    assert len(kept_files(service)) == 2
    assert (await service.client.get(f"/media/file/{old['fileId']}")).status_code == 404
    shown = await service.client.get(f"/media/cover/{track['fileId']}")
    assert shown.headers["etag"] == f'"{new["fileId"]}"'


async def test_a_cover_without_a_track_serves_the_tracks_that_have_none(service: Service, ann: Person) -> None:
    bare = await upload_song(service, ann)
    own = await stored(service, "track", mp3(2.0, artwork=jpeg(40, 40)), ann, name="own.mp3")
    assert (await service.client.get(f"/media/cover/{bare['fileId']}")).status_code == 404
    artwork = await service.client.get(f"/media/cover/{own['fileId']}")
    assert (artwork.status_code, artwork.headers["content-type"]) == (200, "image/jpeg")
    for size in (20, 30):
        cover = await upload_image(service, "cover", ann, png(size, size))
        assert cover["url"] == f"{BASE}/file/{cover['fileId']}"
        served = await service.client.get(f"/media/cover/{bare['fileId']}")
        assert served.headers["etag"] == f'"{cover["fileId"]}"'
        assert (await service.client.get(f"/media/cover/{cover['fileId']}")).content == served.content
    again = await service.client.get(f"/media/cover/{own['fileId']}")
    assert again.content == artwork.content


REFUSED_BYTES = [
    ("3.1-not-an-image", "avatar", "avatar.jpg", TEXT),
    ("3.1-file-empty", "avatar", "avatar.jpg", b""),
    ("3.1-too-large", "avatar", "avatar.png", png() + bytes(5 * 1024 * 1024)),
    ("3.2-not-audio", "track", "song.mp3", TEXT),
    ("3.2-an-image", "track", "song.mp3", png()),
    ("3.3-not-an-image", "cover", "cover.jpg", mp3(1.0)),
    ("3.3-too-large", "cover", "cover.png", png() + bytes(10 * 1024 * 1024)),
]


async def test_refused_for_the_bytes(service: Service, ann: Person, golden: Golden) -> None:
    for case, kind, name, content in REFUSED_BYTES:
        golden.check(case, await service.upload(kind, content, by=ann, name=name))
        await expect_nothing_kept(service, ann)


REFUSED_FIELDS = [
    ("3.1-no-token", "avatar", {"userId": "{ann}"}, None),
    ("3.1-foreign", "avatar", {"userId": "{ann}"}, "bob"),
    ("3.2-no-token", "track", {"userId": "{ann}"}, None),
    ("3.2-foreign", "track", {"userId": "{ann}"}, "bob"),
    ("3.3-no-token", "cover", {"userId": "{ann}"}, None),
    ("3.3-foreign", "cover", {"userId": "{ann}"}, "bob"),
    ("3.3-track-not-found", "cover", {"userId": "{ann}", "trackId": NOBODY}, "ann"),
    ("3.3-track-no-id", "cover", {"userId": "{ann}", "trackId": "../../etc"}, "ann"),
]


async def test_refused_for_the_fields(service: Service, ann: Person, bob: Person, golden: Golden) -> None:
    for case, kind, fields, sender in REFUSED_FIELDS:
        response = await service.client.post(
            f"/media/upload/{kind}",
            files={"file": ("file.bin", mp3(1.0) if kind == "track" else png())},
            data={name: value.format(ann=ann.user_id) for name, value in fields.items()},
            headers=service.people[sender].headers if sender else {},
        )
        golden.check(case, response)
        await expect_nothing_kept(service, ann)
        await expect_nothing_kept(service, bob)


@pytest.mark.parametrize("kind", ["avatar", "track", "cover"])
async def test_a_form_without_a_file(service: Service, ann: Person, golden: Golden, kind: str) -> None:
    case = {"avatar": "3.1-file-missing", "track": "3.2-file-missing", "cover": "3.3-file-missing"}[kind]
    fields = {"userId": (None, ann.user_id), "type": (None, kind)}
    response = await service.client.post(f"/media/upload/{kind}", files=fields, headers=ann.headers)
    golden.check(case, response)
    other_name = {"picture": ("a.png", png())}
    response = await service.client.post(f"/media/upload/{kind}", files=other_name, headers=ann.headers)
    assert (response.status_code, response.json()) == (400, refusal("File is required"))
    await expect_nothing_kept(service, ann)


@pytest.mark.parametrize("kind", ["avatar", "track", "cover"])
async def test_an_upload_names_its_user(service: Service, ann: Person, kind: str) -> None:
    content = mp3(1.0) if kind == "track" else png()
    for fields in ({}, {"userId": ""}):
        response = await service.client.post(
            f"/media/upload/{kind}", files={"file": ("file.bin", content)}, data=fields, headers=ann.headers
        )
        assert (response.status_code, response.json()) == (400, refusal("userId is required"))
    await expect_nothing_kept(service, ann)


@pytest.mark.parametrize("kind", ["avatar", "track", "cover"])
async def test_a_body_that_is_no_form_holds_no_file(service: Service, ann: Person, kind: str) -> None:
    fields = {"userId": ann.user_id}
    bodies: list[dict[str, Any]] = [{}, {"json": fields}, {"data": fields}]
    for body in bodies:
        response = await service.client.post(f"/media/upload/{kind}", headers=ann.headers, **body)
        assert (response.status_code, response.json()) == (400, refusal("File is required"))
    await expect_nothing_kept(service, ann)


async def test_someone_elses_track_gets_no_cover(service: Service, ann: Person, bob: Person, golden: Golden) -> None:
    track = await upload_song(service, ann)
    before = kept_files(service)
    golden.check("3.3-track-foreign", await service.upload("cover", png(), by=bob, trackId=track["fileId"]))
    await make_private(service, ann)
    hidden = await service.upload("cover", png(), by=bob, trackId=track["fileId"])
    assert (hidden.status_code, hidden.json()) == (404, refusal("Track not found"))
    assert kept_files(service) == before
    assert (await service.client.get(f"/media/cover/{track['fileId']}", headers=ann.headers)).status_code == 404


FILE_NAMES = [
    "../../etc/passwd.png",
    r"..\..\secret.key",
    'say "cheese".png',
    "Группа крови — Кино.png",
    "..",
    "CON.png",
    "%2e%2e",
    "a" * 255 + ".png",
]


async def test_a_file_name_is_kept_and_never_a_path(service: Service, ann: Person) -> None:
    user = f'--b\r\nContent-Disposition: form-data; name="userId"\r\n\r\n{ann.user_id}\r\n'.encode()
    for name in FILE_NAMES:
        escaped = name.replace("\\", r"\\").replace('"', r"\"").encode()
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="' + escaped + b'"\r\n\r\n'
        response = await service.client.post(
            "/media/upload/avatar",
            content=user + head + png() + b"\r\n--b--\r\n",
            headers=ann.headers | {"Content-Type": "multipart/form-data; boundary=b"},
        )
        record = response.json()["file"]
        assert record["originalName"] == name[:255]
        assert record["fileName"] == f"{record['fileId']}.png"
        (kept,) = kept_files(service)
        assert kept.name == record["fileName"]


async def test_a_line_break_in_a_file_name_breaks_no_header(service: Service, ann: Person) -> None:
    """Clients of the HTML standard send a line break in a name as %0D%0A."""
    record = await stored(service, "cover", png(), ann, name='bad\r\nSet-Cookie: a=b;"x".png')
    assert record["originalName"] == 'bad\r\nSet-Cookie: a=b;"x".png'
    shown = await service.client.get(record["url"], params={"download": "1"})
    assert "set-cookie" not in shown.headers
    expected = """attachment; filename="bad__Set-Cookie_ a=b;_x_.png"; """
    expected += """filename*=UTF-8''bad__Set-Cookie%3A%20a%3Db%3B%22x%22.png"""
    assert shown.headers["content-disposition"] == expected


MULTIPART = "multipart/form-data; boundary=b"
NO_FORMS = [
    ("application/json", b'{"file": "AAAA"}'),
    ("application/x-www-form-urlencoded", b"file=abc"),
    ("multipart/form-data", b"--b\r\n\r\n--b--"),
    (MULTIPART, b""),
    (MULTIPART, b"nonsense"),
    (MULTIPART, b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nab'),
    (MULTIPART, b"--b\r\nContent-Type: text/plain\r\n\r\nab\r\n--b--\r\n"),
    ("", b"abc"),
]


async def test_no_form(service: Service, ann: Person) -> None:
    for content_type, body in NO_FORMS:
        headers = ann.headers | ({"Content-Type": content_type} if content_type else {})
        response = await service.client.post("/media/upload/track", content=body, headers=headers)
        assert (response.status_code, response.json()["success"]) == (400, False), (content_type, body)
        assert response.json().keys() == {"success", "error"}
    await expect_nothing_kept(service, ann)


async def test_a_failed_upload_in_between_leaves_the_old_avatar(
    service: Service, ann: Person, clock: HandClock
) -> None:
    await upload_image(service, "avatar", ann, png(20, 20))
    before = await service.client.get(f"/media/avatar/{ann.user_id}")
    refused: httpx.Response = await service.upload("avatar", TEXT, by=ann)
    assert refused.status_code == 415
    clock.advance(seconds=1)
    after = await service.client.get(f"/media/avatar/{ann.user_id}")
    assert (after.content, after.headers["etag"]) == (before.content, before.headers["etag"])
    assert len(kept_files(service)) == 1


def spooled(service: Service) -> list[Path]:
    """Return what lies in the spool, which only a store needs."""
    return [path for path in service.settings.data_dir.glob("spool/*") if path.name != LOCK_FILE]


@pytest.mark.parametrize(
    ("error", "status", "kept"),
    [
        pytest.param(UnsupportedMedia("The worker died."), 200, 1, id="worker_died"),
        pytest.param(OSError(errno.ENOSPC, "full"), 500, 0, id="disk_full"),
        pytest.param(ValueError("a mistake of ours"), 500, 0, id="mistake"),
    ],
)
async def test_artwork_that_was_cleaned_in_part_leaves_nothing(
    service: Service, ann: Person, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, kept: int
) -> None:
    def clean_in_part(artwork: Path, clean: Path) -> NoReturn:
        assert artwork.read_bytes() == jpeg()
        clean.write_bytes(jpeg()[:100])
        raise error

    async def image(_: object, path: Path, *, clean: Path) -> CleanImage:
        clean_in_part(path, clean)

    monkeypatch.setattr(WorkerInspector, "image", image)
    response = await service.upload("track", mp3(2.0, artwork=jpeg()), by=ann)
    assert (response.status_code, len(kept_files(service))) == (status, kept)
    await until(lambda: not spooled(service), seconds=10)  # an answer does not wait for what a store is late to drop


async def test_the_body_of_someone_who_may_not_write_is_not_read(limited: Service) -> None:
    """Else anybody could fill the disk and the line."""
    ann, read = await limited.register("ann"), 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield b"--b\r\n"

    async def send(headers: dict[str, str]) -> int:
        headers = headers | {"Content-Type": MULTIPART}
        return (await limited.client.post("/media/upload/track", content=body(), headers=headers)).status_code

    assert await send({}) == 401
    assert await send({"Authorization": "Bearer bad"}) == 401
    for _ in range(5):
        await limited.upload("track", b"", by=ann)
    assert await send(ann.headers) == 429
    assert read == 0
