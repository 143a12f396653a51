"""The archive of one's own data, over GraphQL and as bytes."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4
from zipfile import ZipFile

import pytest

from tests.conftest import PASSWORD, Person, Service
from tests.media_factory import mp3, png
from tests.schema.operations import run
from tests.setups import kept_objects

ARCHIVE = "{ state progress requestedAt readyAt expiresAt size url }"
EXPORT = f"mutation Export {{ exportMyData {{ dataExport {ARCHIVE} userErrors {{ code field message }} }} }}"
MINE = f"{{ me {{ dataExport {ARCHIVE} }} }}"


async def asked(service: Service, by: Person | None) -> dict[str, Any]:
    """Ask for an archive."""
    payload: dict[str, Any] = (await service.graphql(EXPORT, by=by))["data"]["exportMyData"]
    return payload


async def told(service: Service, by: Person) -> Any:
    """Return how an archive stands."""
    return (await service.graphql(MINE, by=by))["data"]["me"]["dataExport"]


@pytest.fixture
async def archive(service: Service, ann: Person) -> dict[str, Any]:
    """Ann's archive."""
    await run(service, "UploadTrack", {}, ("file", "Песня.mp3", mp3()), by=ann)
    await run(service, "UploadAvatar", {}, ("file", "a.png", png()), by=ann)
    await asked(service, ann)
    await service.services.exports.make_next()
    found: dict[str, Any] = await told(service, ann)
    return found


async def test_an_archive_is_asked_for_made_in_the_background_and_fetched(service: Service, ann: Person) -> None:
    assert await told(service, ann) is None
    await run(service, "UploadTrack", {}, ("file", "Песня.mp3", mp3()), by=ann)
    begun = await asked(service, ann)
    assert begun["userErrors"] == []
    requested_at = begun["dataExport"].pop("requestedAt")
    nothing = dict.fromkeys(("readyAt", "expiresAt", "size", "url"))
    assert begun["dataExport"] == {"state": "PREPARING", "progress": 0.0, **nothing}
    await service.services.exports.make_next()
    ready = await told(service, ann)
    assert (ready["state"], ready["progress"], ready["requestedAt"]) == ("READY", 1.0, requested_at)
    assert requested_at < ready["readyAt"] < ready["expiresAt"]
    assert (await asked(service, ann))["dataExport"] | {"url": ""} == ready | {"url": ""}

    answer = await service.client.get(ready["url"])
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == ready["size"] == len(answer.content)
    assert answer.headers["content-type"] == "application/zip"
    day = ready["readyAt"][:10]
    assert answer.headers["content-disposition"] == f'attachment; filename="pet-data-{day}.zip"'
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    with ZipFile(BytesIO(answer.content)) as found:
        assert found.testzip() is None
        [track] = json.loads(found.read("files.json"))
        assert (track["originalName"], found.read(track["path"])) == ("Песня.mp3", mp3())
        assert json.loads(found.read("account.json"))["email"] == ann.email


async def test_an_archive_is_fetched_in_ranges_and_looked_at_before(service: Service, archive: dict[str, Any]) -> None:
    url, size = archive["url"], int(archive["size"])
    whole = (await service.client.get(url)).content
    part = await service.client.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{size}"
    rest = await service.client.get(url, headers={"Range": "bytes=20-", "If-Range": part.headers["etag"]})
    assert (rest.status_code, rest.content) == (206, whole[20:])
    head = await service.client.head(url)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(size), b"")
    assert (await service.client.get(url, headers={"Range": f"bytes={size}-"})).status_code == 416


async def test_only_the_signed_link_opens_an_archive(
    service: Service, archive: dict[str, Any], ann: Person, bob: Person
) -> None:
    parts = urlsplit(archive["url"])
    signed = {name: value for name, [value] in parse_qs(parts.query).items()}
    await service.services.accounts.promote("bob")
    refused = [
        (parts.path, {}),
        (f"/exports/{uuid4()}", signed),
        ("/exports/none", signed),
        (parts.path, signed | {"viewer": bob.user_id}),
        (parts.path, signed | {"expires": str(int(signed["expires"]) + 1)}),
        (parts.path, signed | {"signature": signed["signature"][::-1]}),
        (f"/media/file/{parts.path.rpartition('/')[2]}", signed),
    ]
    for path, query in refused:
        for person in (None, ann, bob):
            answer = await service.client.get(f"{path}?{urlencode(query)}", headers=person.headers if person else {})
            assert (answer.status_code, answer.json()["success"]) == (404, False), (path, query)
    assert (await service.client.get(archive["url"])).status_code == 200


async def test_an_archive_is_shown_to_its_owner_alone(
    service: Service, archive: dict[str, Any], ann: Person, bob: Person
) -> None:
    assert archive["state"] == "READY"
    assert await told(service, bob) is None
    assert (await service.graphql(MINE))["data"] == {"me": None}
    assert (await asked(service, None))["userErrors"][0]["code"] == "UNAUTHENTICATED"


async def test_an_archive_goes_with_its_account(service: Service, archive: dict[str, Any], ann: Person) -> None:
    assert [key for key in kept_objects(service.settings) if "exports" in key.parts]
    assert (await run(service, "DeleteAccount", {"password": PASSWORD}, by=ann))["success"] is True
    gone = await service.client.get(archive["url"])
    assert (gone.status_code, gone.json()) == (404, {"success": False, "error": "Export not found"})
    assert kept_objects(service.settings) == []
