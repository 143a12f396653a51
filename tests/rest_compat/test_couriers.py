"""Which answers nginx is trusted with; what comes of them is tested with a real one (`e2e/test_deliveries.py`)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from pet.rest_compat.couriers import Accel, Parcel, Proxy
from pet.rest_compat.plans import Representation
from tests.rest_compat.test_bytes import TRACK, Source

PROXY = "10.0.0.1"
KEY = "files/01/song.mp3"


def app(courier: Accel, representation: Representation, plays: list[str]) -> object:
    async def count() -> None:
        plays.append("played")

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        parcel = Parcel(KEY, representation, Source().read, on_first_byte=count)
        await courier.response(Request(scope), parcel)(scope, receive, send)

    return answer


async def ask(
    headers: dict[str, str] | list[tuple[str, str]],
    *,
    peer: str = PROXY,
    method: str = "GET",
    source: str | None = None,
    representation: Representation = TRACK,
) -> tuple[httpx.Response, int]:
    """Return the answer, and how often a play was counted."""

    async def lend(key: str, lent_to: str) -> str | None:
        assert (key, lent_to) == (KEY, "GET")
        return source

    plays: list[str] = []
    asked = app(Accel(lend, lambda address: address == PROXY, Proxy()), representation, plays)
    transport = httpx.ASGITransport(asked, client=(peer, 1))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, "/", headers=headers), len(plays)


async def test_nginx_is_told_where_the_bytes_are_and_what_to_say_of_them() -> None:
    response, plays = await ask({})
    assert (response.status_code, response.content, plays) == (200, b"", 1)
    assert response.headers["x-accel-redirect"] == f"/_media/{KEY}"
    told = ("content-type", "etag", "last-modified", "cache-control", "content-disposition", "x-content-type-options")
    assert [response.headers[name] for name in told] == [
        "audio/mpeg",
        '"v2"',
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "public, max-age=60",
        'inline; filename="song.mp3"',
        "nosniff",
    ]
    assert "x-media-source" not in response.headers


async def test_nginx_is_told_the_url_of_what_lies_in_a_store() -> None:
    response, _ = await ask({}, source="https://store.example/signed?a=b")
    assert response.headers["x-media-source"] == "https://store.example/signed?a=b"


LEFT_TO_NGINX: dict[str, tuple[dict[str, str], int]] = {
    "range_from_the_start": ({"Range": "bytes=0-9"}, 1),
    "later_range": ({"Range": "bytes=10-"}, 0),
    "suffix": ({"Range": "bytes=-5"}, 0),
    "if_range_same": ({"Range": "bytes=0-9", "If-Range": '"v2"'}, 1),
    "other_version_held": ({"If-None-Match": '"v1"'}, 1),
}


@pytest.mark.parametrize(("headers", "plays"), LEFT_TO_NGINX.values(), ids=LEFT_TO_NGINX.keys())
async def test_nginx_sends_what_it_sends_as_the_service_would(headers: dict[str, str], plays: int) -> None:
    response, counted = await ask(headers)
    assert (response.status_code, "x-accel-redirect" in response.headers, counted) == (200, True, plays)


ANSWERED_HERE: dict[str, tuple[dict[str, str] | list[tuple[str, str]], int]] = {
    "several_ranges": ({"Range": "bytes=0-1,5-6"}, 206),
    "two_lines_of_ranges": ([("Range", "bytes=0-1"), ("Range", "bytes=5-6")], 200),
    "malformed_range": ({"Range": "bytes=9-0"}, 200),
    "unknown_unit": ({"Range": "items=0-1"}, 200),
    "unit_in_capitals": ({"Range": "BYTES=0-1"}, 206),
    "unsatisfiable": ({"Range": "bytes=1000-"}, 416),
    "if_range_stale": ({"Range": "bytes=0-1", "If-Range": '"v1"'}, 200),
    "same_version_expected": ({"If-Match": '"v2"'}, 200),
    "other_version_expected": ({"If-Match": '"v1"'}, 412),
    "unchanged_since": ({"If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}, 200),
    "same_version_held": ({"If-None-Match": '"v2"'}, 304),
}


@pytest.mark.parametrize(("headers", "status"), ANSWERED_HERE.values(), ids=ANSWERED_HERE.keys())
async def test_what_nginx_would_judge_otherwise_is_answered_here(
    headers: dict[str, str] | list[tuple[str, str]], status: int
) -> None:
    response, _ = await ask(headers)
    assert (response.status_code, "x-accel-redirect" in response.headers) == (status, False)


async def test_a_head_is_answered_here_and_counts_no_play() -> None:
    response, plays = await ask({}, method="HEAD")
    assert (response.status_code, response.headers["content-length"], plays) == (200, "1000", 0)
    assert "x-accel-redirect" not in response.headers


async def test_whoever_comes_past_the_proxy_gets_the_bytes_and_no_address_of_them() -> None:
    response, plays = await ask({"X-Forwarded-For": PROXY}, peer="10.0.0.2", source="https://store.example/signed")
    assert (response.status_code, len(response.content), plays) == (200, 1000, 1)
    assert {"x-accel-redirect", "x-media-source"} & set(response.headers) == set()


async def test_an_empty_object_is_answered_here() -> None:
    empty = replace(TRACK, size_bytes=0, last_modified=datetime(2020, 1, 1, tzinfo=UTC))
    response, _ = await ask({}, representation=empty)
    assert (response.status_code, response.headers["content-length"], response.content) == (200, "0", b"")
