"""The ways by which media reach a client: through the service, through nginx, or from the store itself."""

from __future__ import annotations

import io
import random
import re
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from pet.rest_compat.ranges import ByteRange, PartialObject, RangeSelection, UnsatisfiableRange, WholeObject
from tests.conftest import Person
from tests.e2e.server import Server, free_port, serve
from tests.engines.nginx import nginx_before, require_nginx
from tests.engines.s3 import Bucket, S3Server
from tests.media_factory import mp3
from tests.rest_compat.test_ranges import SELECTIONS

SONG = mp3(3.0)
WAV_HEAD_BYTES = 44
SENDABLE = {name: case for name, case in SELECTIONS.items() if "\n" not in (case[0] or "")}
"""All range headers that the parser is tested with, but for what cannot be in a header, and what each selects."""

WAYS = ("folder-proxy", "folder-accel", "s3-proxy", "s3-accel")
"""Where the bytes are, and who carries them; all of these answer alike. A redirect's answers are the store's."""


@dataclass(frozen=True, slots=True)
class Way:
    """A running service by one way of delivery, and a track in it."""

    server: Server
    client: httpx.AsyncClient
    owner: Person
    file_id: str
    kept_at: Path | Bucket

    @property
    def path(self) -> str:
        """The track's path."""
        return f"/media/track/{self.file_id}"

    async def plays(self) -> int:
        """Return how often the track was played."""
        answer = await self.server.service.graphql(
            "query ($id: ID!) { track(fileId: $id) { playCount } }", {"id": self.file_id}
        )
        count: int = answer["data"]["track"]["playCount"]
        return count

    async def upload(self, content: bytes, name: str = "song") -> str:
        """Upload a track of the owner's as clients of this way do, and return its path."""
        uploaded = await self.client.post(
            "/media/upload/track",
            files={"file": (name, content)},
            data={"userId": self.owner.user_id},
            headers=self.owner.headers,
        )
        assert uploaded.status_code == 200, uploaded.text
        return f"/media/track/{uploaded.json()['file']['fileId']}"


def thousand_bytes() -> bytes:
    """Return a WAV of a thousand bytes, no two stretches of which are alike: what the table of ranges speaks of."""
    noise = random.Random(1000).randbytes(1000 - WAV_HEAD_BYTES)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setparams((1, 2, 8000, 0, "NONE", ""))
        writer.writeframes(noise)
    return buffer.getvalue()


def require_selected(response: httpx.Response, selection: RangeSelection) -> None:
    """Require the answer for `thousand_bytes` that a range header has to get, to the byte."""
    if selection == UnsatisfiableRange():
        assert (response.status_code, response.headers["content-range"]) == (416, "bytes */1000")
        return
    assert response.status_code == (200 if selection == WholeObject() else 206)
    ranges = selection.ranges if isinstance(selection, PartialObject) else (ByteRange(0, 1000),)
    assert _bodies_of(response) == [(wanted, thousand_bytes()[wanted.start : wanted.end]) for wanted in ranges]


def _bodies_of(response: httpx.Response) -> list[tuple[ByteRange, bytes]]:
    """Return what an answer holds: which bytes it says that they are, and these, in their order.

    Of several ranges each part has to say the type of the whole (RFC 9110, section 14.6).
    """
    content_type = response.headers["content-type"]
    if response.status_code == HTTPStatus.OK:
        return [(ByteRange(0, len(response.content)), response.content)]
    if not content_type.startswith("multipart/"):
        return [(_range_in(response.headers["content-range"]), response.content)]
    assert "content-range" not in response.headers
    found = re.fullmatch(r"multipart/byteranges; boundary=([0-9a-f]{32})", content_type)
    assert found is not None
    _, *parts, end = response.content.split(f"\r\n--{found[1]}".encode())
    assert end == b"--\r\n"
    return [_part(part) for part in parts]


def _part(part: bytes) -> tuple[ByteRange, bytes]:
    head, _, body = part.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert fields.keys() == {"Content-Type", "Content-Range"}
    assert fields["Content-Type"] == "audio/wav"
    return _range_in(fields["Content-Range"]), body


def _range_in(content_range: str) -> ByteRange:
    found = re.fullmatch(r"bytes (\d+)-(\d+)/1000", content_range)
    assert found is not None, content_range
    return ByteRange(int(found[1]), int(found[2]) + 1)


@asynccontextmanager
async def opened_way(
    name: str, request: pytest.FixtureRequest, new_folders: pytest.TempPathFactory
) -> AsyncIterator[Way]:
    """Run a service that delivers by one of `WAYS` or by `s3-redirect`, until the context is left."""
    place, delivery = name.split("-")
    async with AsyncExitStack() as stack:
        folder, port, front = new_folders.mktemp("data"), free_port(), free_port()
        # A store of the tests that has much to do is slow, and no store that is down.
        settings = {"media_delivery": delivery, "trusted_proxies": "127.0.0.1", "engine_timeout": "30"}
        kept_at: Path | Bucket = folder / "media"
        if place == "s3":
            kept_at = stack.enter_context(_reached(request.getfixturevalue("s3_server")))
            settings["media_url"] = kept_at.url
        if delivery == "accel":
            require_nginx()
            settings["public_url"] = f"http://127.0.0.1:{front}"
        server = await stack.enter_async_context(serve(folder, port=port, **settings))
        if delivery == "accel":
            media = kept_at if isinstance(kept_at, Path) else None
            stack.enter_context(nginx_before(port, front, new_folders.mktemp("nginx"), media=media))
        url = settings.get("public_url", f"http://127.0.0.1:{port}")
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30))
        way = Way(server, client, await server.service.register("ann"), "", kept_at)
        path = await way.upload(SONG, "Песня.mp3")
        yield Way(server, client, way.owner, path.rpartition("/")[2], kept_at)


@contextmanager
def _reached(server: S3Server) -> Iterator[Bucket]:
    """Give a bucket whose store is in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        yield server.make_bucket()
