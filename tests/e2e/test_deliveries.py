"""The same bytes by every way: through the service from a folder or a store, and by nginx as the documentation sets it
up.
"""

from __future__ import annotations

import asyncio
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest
import pytest_asyncio

from pet.rest_compat.ranges import RangeSelection
from tests.e2e.server import DEADLINE
from tests.e2e.ways import SENDABLE, SONG, Way, require_selected, thousand_bytes
from tests.media_factory import mp3, png

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SIZE = len(SONG)
OF_ONE_CONNECTION = {"connection", "date", "keep-alive", "server", "transfer-encoding", "x-request-id"}


def told(response: httpx.Response) -> dict[str, str]:
    """Return the header fields but those of one connection or one request, and a store's own traces."""
    fields = response.headers.items()
    return {name: value for name, value in fields if name not in OF_ONE_CONNECTION and not name.startswith("x-amz")}


async def shared(way: Way) -> dict[str, str]:
    """Return what every answer tells of the object."""
    modified = told(await way.client.head(way.path))["last-modified"]
    return {
        "etag": f'"{way.file_id}"',
        "last-modified": modified,
        "accept-ranges": "bytes",
        "cache-control": "public, no-cache",
        "content-disposition": "inline; filename=\"_____.mp3\"; filename*=UTF-8''%D0%9F%D0%B5%D1%81%D0%BD%D1%8F.mp3",
        "content-security-policy": "sandbox; default-src 'none'; media-src 'self'; style-src 'unsafe-inline'",
        "cross-origin-resource-policy": "cross-origin",
        "referrer-policy": "no-referrer",
        "vary": "Origin",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }


ETAG = "the track's own"
DATE = "its date"
RANGES: dict[str, tuple[dict[str, str], tuple[int, int] | None]] = {
    "whole": ({}, None),
    "from_the_start": ({"Range": "bytes=0-"}, (0, SIZE)),
    "first_byte": ({"Range": "bytes=0-0"}, (0, 1)),
    "middle": ({"Range": "bytes=5000-9999"}, (5000, 10_000)),
    "open_ended": ({"Range": "bytes=20000-"}, (20_000, SIZE)),
    "end_behind_the_object": ({"Range": f"bytes=10-{SIZE + 10}"}, (10, SIZE)),
    "suffix": ({"Range": "bytes=-7"}, (SIZE - 7, SIZE)),
    "suffix_larger_than_file": ({"Range": f"bytes=-{SIZE * 2}"}, (0, SIZE)),
    "unit_in_capitals": ({"Range": "BYTES=1-2"}, (1, 3)),
    "joined_ranges_need_no_multipart": ({"Range": "bytes=10-19,0-9"}, (0, 20)),
    "one_satisfiable_of_two": ({"Range": f"bytes=0-9,{SIZE}-"}, (0, 10)),
    "unknown_unit_ignored": ({"Range": "items=0-9"}, None),
    "malformed_ignored": ({"Range": "bytes=9-0"}, None),
    "same_version_expected": ({"If-Match": ETAG, "Range": "bytes=0-9"}, (0, 10)),
    "not_modified_since": ({"If-Unmodified-Since": DATE, "Range": "bytes=0-9"}, (0, 10)),
    "other_version_held": ({"If-None-Match": '"other"', "Range": "bytes=0-9"}, (0, 10)),
    "older_version_held": ({"If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}, None),
    "if_range_same": ({"If-Range": ETAG, "Range": "bytes=0-9"}, (0, 10)),
    "if_range_same_date": ({"If-Range": DATE, "Range": "bytes=0-9"}, (0, 10)),
    "if_range_stale": ({"If-Range": '"other"', "Range": "bytes=0-9"}, None),
    "if_range_without_range": ({"If-Range": '"other"'}, None),
    "encodings_are_no_matter": ({"Accept-Encoding": "gzip, br, zstd", "Range": "bytes=0-9"}, (0, 10)),
}


def filled(headers: dict[str, str], facts: dict[str, str]) -> dict[str, str]:
    known = {ETAG: facts["etag"], DATE: facts["last-modified"]}
    return {name: known.get(value, value) for name, value in headers.items()}


@pytest.mark.parametrize(("headers", "bounds"), RANGES.values(), ids=RANGES.keys())
async def test_a_get_gives_the_same_bytes_and_fields_by_every_way(
    way: Way, headers: dict[str, str], bounds: tuple[int, int] | None
) -> None:
    facts = await shared(way)
    response = await way.client.get(way.path, headers=filled(headers, facts))
    start, end = bounds or (0, SIZE)
    fields = {**facts, "content-type": "audio/mpeg", "content-length": str(end - start)}
    response.headers.setdefault("accept-ranges", "bytes")  # nginx leaves it out of a part, which tells as much
    if bounds:
        fields["content-range"] = f"bytes {start}-{end - 1}/{SIZE}"
    assert told(response) == fields
    assert response.status_code == (206 if bounds else 200)
    assert response.content == SONG[start:end]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def thousand(way: Way) -> str:
    """The path of a track of a thousand bytes."""
    return await way.upload(thousand_bytes())


@pytest.mark.parametrize(("header", "selection"), SENDABLE.values(), ids=SENDABLE.keys())
async def test_a_header_selects_the_same_bytes_by_every_way(
    way: Way, thousand: str, header: str | None, selection: RangeSelection
) -> None:
    response = await way.client.get(thousand, headers={} if header is None else {b"Range": header.encode()})
    require_selected(response, selection)


REFUSED: dict[str, tuple[dict[str, str], int]] = {
    "behind_the_end": ({"Range": f"bytes={SIZE}-"}, 416),
    "other_version_expected": ({"If-Match": '"other"'}, 412),
    "changed_since": ({"If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}, 412),
}


@pytest.mark.parametrize(("headers", "status"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_cannot_be_given_is_refused_by_every_way(way: Way, headers: dict[str, str], status: int) -> None:
    response = await way.client.get(way.path, headers=headers)
    assert (response.status_code, response.json()["success"]) == (status, False)
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("headers", [{"If-None-Match": ETAG}, {"If-Modified-Since": DATE}], ids=["etag", "date"])
async def test_what_is_held_already_is_not_sent_again(way: Way, headers: dict[str, str]) -> None:
    facts = await shared(way)
    response = await way.client.get(way.path, headers=filled(headers, facts))
    assert (response.status_code, response.content, told(response)) == (304, b"", facts)


async def test_a_head_tells_the_size_and_sends_nothing(way: Way) -> None:
    response = await way.client.head(way.path, headers={"Range": "bytes=0-9"})
    fields = {**await shared(way), "content-type": "audio/mpeg", "content-length": str(SIZE)}
    assert (response.status_code, told(response), response.content) == (200, fields, b"")


async def test_a_page_of_another_origin_may_read_the_fields(way: Way) -> None:
    response = await way.client.get(way.path, headers={"Origin": "http://localhost:5173", "Range": "bytes=0-1"})
    assert response.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert response.headers["vary"] == "Origin"
    assert "Content-Range" in response.headers["access-control-expose-headers"]
    assert len(response.headers.get_list("etag")) == len(response.headers.get_list("x-request-id")) == 1


async def test_a_download_has_the_name_of_the_file(way: Way) -> None:
    response = await way.client.get(way.path, params={"download": "1"})
    assert response.headers["content-disposition"].startswith("attachment; ")
    assert response.content == SONG


async def test_plays_are_counted_by_every_way_when_the_first_byte_is_granted(way: Way) -> None:
    before = await way.plays()
    listeners = [await way.server.service.register(name) for name in ("eve", "tom")]
    for listener in listeners:
        await way.client.head(way.path, headers=listener.headers)
        await way.client.get(way.path, headers={**listener.headers, "Range": "bytes=1-"})
        await way.client.get(way.path, headers={**listener.headers, "If-Match": '"other"'})
    assert await way.plays() == before
    await way.client.get(way.path, headers=listeners[0].headers)
    await way.client.get(way.path, headers={**listeners[1].headers, "Range": "bytes=0-99"})
    assert await way.plays() == before + 2


async def test_private_bytes_stay_hidden_by_every_way(way: Way) -> None:
    zoe = await way.server.service.register("zoe")
    cover = (await way.server.service.upload("cover", png(), by=zoe)).json()["file"]
    await way.client.put(
        f"/users/{zoe.user_id}/profile", json={"preferences": {"privateProfile": True}}, headers=zoe.headers
    )
    path = f"/media/file/{cover['fileId']}"
    hidden = await way.client.get(path)
    assert (hidden.status_code, hidden.json()["success"]) == (404, False)
    own = await way.client.get(path, headers=zoe.headers)
    assert (own.status_code, own.headers["cache-control"]) == (200, "private, no-cache")
    assert own.headers["content-type"] == "image/png"


async def test_the_route_to_the_bytes_themselves_is_closed(way: Way) -> None:
    key = f"files/{way.file_id[-2:]}/{way.file_id}.mp3"
    for path in (f"/_media/{key}", "/_media/", f"/_media/..%2f_media/{key}", f"//_media/{key}"):
        response = await way.client.get(
            path, headers={"X-Accel-Redirect": f"/_media/{key}", "X-Media-Source": "http://127.0.0.1:1/"}
        )
        assert response.status_code == 404, path


async def test_an_archive_of_ones_data_comes_whole_and_in_ranges_by_every_way(way: Way) -> None:
    mine = "{ me { dataExport { url size } } }"
    await way.server.service.graphql("mutation { exportMyData { dataExport { state } } }", by=way.owner)
    archive: dict[str, Any] = {"url": None}
    async with asyncio.timeout(DEADLINE):
        while not archive["url"]:
            archive = (await way.server.service.graphql(mine, by=way.owner))["data"]["me"]["dataExport"]
            await asyncio.sleep(0.1)
    whole = await way.client.get(archive["url"])
    assert (whole.status_code, len(whole.content)) == (200, archive["size"])
    with ZipFile(BytesIO(whole.content)) as found:
        assert [found.read(name) for name in found.namelist() if name.endswith(".mp3")] == [SONG]
    assert whole.headers["content-type"] == "application/zip"
    assert whole.headers["content-disposition"].startswith('attachment; filename="pet-data-')
    assert whole.headers["cache-control"] == "private, no-store"
    part = await way.client.get(archive["url"], headers={"Range": "bytes=100-199", "If-Range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    assert (await way.client.get(archive["url"].partition("?")[0])).status_code == 404


async def test_what_the_place_has_lost_is_not_found(way: Way) -> None:
    zoe = await way.server.service.register("max")
    song = (await way.server.service.upload("track", mp3(1.0), by=zoe, name="a.mp3")).json()["file"]
    name = f"files/{song['fileId'][-2:]}/{song['fileId']}.mp3"
    if isinstance(way.kept_at, Path):
        (way.kept_at / name).unlink()
    else:
        way.kept_at.client.delete_object(Bucket=way.kept_at.name, Key=f"music/pet/{name}")
    response = await way.client.get(f"/media/track/{song['fileId']}")
    assert (response.status_code, response.headers["content-type"]) == (404, "application/json")
    assert response.json() == {"success": False, "error": "File not found"}
