"""Stored objects over HTTP: what is answered, and how the bytes flow."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import httpx
import pytest
import uvicorn
from starlette.types import Message, Scope
from structlog.testing import capture_logs

from pet.rest_compat.bytes import BlobResponse, SourceLengthError
from pet.rest_compat.plans import Representation

CONTENT = bytes(range(250)) * 4
TRACK = Representation(
    size_bytes=1000,
    content_type="audio/mpeg",
    etag='"v2"',
    last_modified=datetime(1994, 11, 6, 8, 49, 37, 500_000, tzinfo=UTC),
    file_name="song.mp3",
    cache_control="public, max-age=60",
)
SHARED = {
    "etag": '"v2"',
    "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT",
    "accept-ranges": "bytes",
    "cache-control": "public, max-age=60",
    "content-disposition": 'inline; filename="song.mp3"',
    "content-security-policy": "sandbox; default-src 'none'; media-src 'self'; style-src 'unsafe-inline'",
    "cross-origin-resource-policy": "cross-origin",
    "x-content-type-options": "nosniff",
}
REFUSED = {**SHARED, "cache-control": "no-store", "content-type": "application/json"}
OUTSIDE = b'{"success":false,"error":"The requested range lies outside of the file, which has 1000 bytes."}'
OTHER_VERSION = b'{"success":false,"error":"The file is not the version that the request expects."}'

Fields = dict[str, str] | list[tuple[str, str]]
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Source:
    """A stored object that counts what is read and released; at a chunk's number it fails or falls silent."""

    chunk_bytes: int = 100
    fails_at: int = -1
    silent_at: int = -1
    ends_at: int = len(CONTENT)
    closes_slowly: bool = False
    asked_for: list[tuple[int, int]] = field(default_factory=list)
    chunks_given: int = 0
    open_handles: int = 0
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    may_close: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, start: int, end: int) -> AsyncGenerator[bytes, None]:
        self.asked_for.append((start, end))
        self.open_handles += 1
        try:
            for position in range(start, min(end, self.ends_at), self.chunk_bytes):
                if self.chunks_given == self.fails_at:
                    raise OSError("a disk is gone")
                if self.chunks_given == self.silent_at:
                    await asyncio.Event().wait()
                self.chunks_given += 1
                yield CONTENT[position : min(position + self.chunk_bytes, end)]
        finally:
            self.closing.set()
            if self.closes_slowly:
                await self.may_close.wait()
            self.open_handles -= 1


class Client:
    """The other end of one ASGI connection: it takes messages while it has room, and may leave."""

    def __init__(self, *, room: int = 1_000_000, leaves_after: int = 1_000_000) -> None:
        self.room = asyncio.Semaphore(room)
        self.leaves_after = leaves_after
        self.received: list[Message] = []
        self.left = asyncio.Event()
        self.requests: list[Message] = [{"type": "http.request", "body": b"x", "more_body": True}] * 3

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.received)

    async def receive(self) -> Message:
        if self.requests:
            return self.requests.pop()
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.room.acquire()
        self.received.append(message)
        if len(self.received) == self.leaves_after:
            self.left.set()

    def ask(self, response: BlobResponse) -> asyncio.Task[None]:
        scope: Scope = {"type": "http", "method": "GET", "path": "/media/track/1", "headers": []}
        return asyncio.create_task(response(scope, self.receive, self.send))


async def settle() -> None:
    """Let every task run until it waits for something that is not to come by itself."""
    for _ in range(30):
        await asyncio.sleep(0)


async def request(app: BlobResponse, headers: Fields, *, method: str = "GET") -> Answer:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        response = await client.request(method, "/", headers=headers)
        return response.status_code, dict(response.headers), response.content


WHOLE: Answer = (200, {**SHARED, "content-type": "audio/mpeg", "content-length": "1000"}, CONTENT)


def partial(start: int, end: int) -> Answer:
    fields = {"content-length": str(end - start), "content-range": f"bytes {start}-{end - 1}/1000"}
    return 206, {**SHARED, "content-type": "audio/mpeg", **fields}, CONTENT[start:end]


NOT_MODIFIED: Answer = (304, SHARED, b"")
FAILED: Answer = (412, {**REFUSED, "content-length": "81"}, OTHER_VERSION)
UNSATISFIABLE: Answer = (416, {**REFUSED, "content-length": "95", "content-range": "bytes */1000"}, OUTSIDE)

ANSWERS: dict[str, tuple[Fields, Answer]] = {
    "plain": ({}, WHOLE),
    "range": ({"Range": "bytes=0-9"}, partial(0, 10)),
    "range_over_several_chunks": ({"Range": "bytes=50-949"}, partial(50, 950)),
    "suffix_larger_than_file": ({"Range": "bytes=-5000"}, partial(0, 1000)),
    "joined_ranges_need_no_multipart": ({"Range": "bytes=10-19,0-9"}, partial(0, 20)),
    "unknown_unit_ignored": ({"Range": "items=0-9"}, WHOLE),
    "range_behind_the_end": ({"Range": "bytes=1000-"}, UNSATISFIABLE),
    "same_etag_held": ({"If-None-Match": '"v2"'}, NOT_MODIFIED),
    "same_etag_held_beats_range": ({"If-None-Match": '"v2"', "Range": "bytes=0-9"}, NOT_MODIFIED),
    "same_date_held": ({"If-Modified-Since": SHARED["last-modified"]}, NOT_MODIFIED),
    "other_version_expected": ({"If-Match": '"v1"'}, FAILED),
    "other_version_expected_beats_range": ({"If-Match": '"v1"', "Range": "bytes=1000-"}, FAILED),
    "same_etag_held_on_a_second_line": ([("If-None-Match", '"v1"'), ("If-None-Match", '"v2"')], NOT_MODIFIED),
    "if_range_same": ({"If-Range": '"v2"', "Range": "bytes=0-9"}, partial(0, 10)),
    "if_range_stale": ({"If-Range": '"v1"', "Range": "bytes=0-9"}, WHOLE),
    "if_range_stale_beats_unsatisfiable": ({"If-Range": '"v1"', "Range": "bytes=1000-"}, WHOLE),
    "if_range_without_range": ({"If-Range": '"v1"'}, WHOLE),
}


@pytest.mark.parametrize(("headers", "answer"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_a_get_is_answered(headers: Fields, answer: Answer) -> None:
    source = Source()

    assert await request(BlobResponse(TRACK, source.read), headers) == answer
    assert source.open_handles == 0


@pytest.mark.parametrize("headers", [headers for headers, _ in ANSWERS.values()], ids=ANSWERS.keys())
async def test_a_head_is_answered_like_the_get_without_range_and_reads_nothing(headers: Fields) -> None:
    source = Source()
    without_range = [(name, value) for name, value in httpx.Headers(headers).multi_items() if name != "range"]
    status, fields, _ = await request(BlobResponse(TRACK, Source().read), without_range)

    assert await request(BlobResponse(TRACK, source.read), headers, method="HEAD") == (status, fields, b"")
    assert source.asked_for == []


async def test_several_ranges_come_as_multipart_of_the_announced_length() -> None:
    source = Source()

    status, headers, body = await request(BlobResponse(TRACK, source.read), {"Range": "bytes=900-,0-149,1000-"})

    match = re.fullmatch(r"multipart/byteranges; boundary=([0-9a-f]{32})", headers["content-type"])
    assert match is not None
    boundary = match[1].encode()
    assert body == (
        b"\r\n--%b\r\nContent-Type: audio/mpeg\r\nContent-Range: bytes 900-999/1000\r\n\r\n%b"
        b"\r\n--%b\r\nContent-Type: audio/mpeg\r\nContent-Range: bytes 0-149/1000\r\n\r\n%b"
        b"\r\n--%b--\r\n"
    ) % (boundary, CONTENT[900:], boundary, CONTENT[:150], boundary)
    fields = {"content-type": headers["content-type"], "content-length": str(len(body))}
    assert (status, headers) == (206, {**SHARED, **fields})
    assert (source.asked_for, source.open_handles) == ([(900, 1000), (0, 150)], 0)


async def test_an_empty_object_is_answered_whole_without_reading() -> None:
    source = Source()
    app = BlobResponse(replace(TRACK, size_bytes=0), source.read)
    status, headers, body = await request(app, {"Range": "bytes=-5"})

    assert (status, headers["content-length"], body, source.asked_for) == (200, "0", b"", [])


DISPOSITIONS: dict[str, tuple[str, str]] = {
    "ascii": ("My song (2).mp3", 'filename="My song (2).mp3"'),
    "cyrillic": ("Песня.mp3", "filename=\"_____.mp3\"; filename*=UTF-8''%D0%9F%D0%B5%D1%81%D0%BD%D1%8F.mp3"),
    "emoji": ("\U0001f3b5.ogg", "filename=\"_.ogg\"; filename*=UTF-8''%F0%9F%8E%B5.ogg"),
    "quotes": ("a\"b'c.mp3", "filename=\"a_b'c.mp3\"; filename*=UTF-8''a%22b%27c.mp3"),
    "percent": ("100%41.mp3", "filename=\"100_41.mp3\"; filename*=UTF-8''100%2541.mp3"),
    "path": ("../../etc/passwd", 'filename="_.._etc_passwd"'),
    "windows_path": ("C:\\a\\b.mp3", "filename=\"C__a_b.mp3\"; filename*=UTF-8''C%3A_a_b.mp3"),
    "header_injection": (
        "a\r\nSet-Cookie: b=c\0.mp3",
        "filename=\"a__Set-Cookie_ b=c_.mp3\"; filename*=UTF-8''a__Set-Cookie%3A%20b%3Dc_.mp3",
    ),
    "text_turned_around": ("a\u202egpj.exe", 'filename="a_gpj.exe"'),
    "lone_surrogate": ("a\ud800.mp3", 'filename="a_.mp3"'),
    "hidden": (".htaccess", 'filename="htaccess"'),
    "dots_alone": ("..", 'filename="file"'),
    "empty": ("", 'filename="file"'),
    "composed_and_decomposed": (
        "é\u0439e\u0301.mp3",
        "filename=\"__e_.mp3\"; filename*=UTF-8''%C3%A9%D0%B9e%CC%81.mp3",
    ),
    "right_to_left_marks": (
        "\u200f\u0623\u061c.mp3",
        "filename=\"___.mp3\"; filename*=UTF-8''%E2%80%8F%D8%A3%D8%9C.mp3",
    ),
    "as_long_as_file_systems_allow": (
        "月" * 251 + ".mp3",
        f"filename=\"{'_' * 60}.mp3\"; filename*=UTF-8''{'%E6%9C%88' * 251}.mp3",
    ),
    "longer": (
        "\U0001f3b5" * 126 + ".mp3",
        f"filename=\"{'_' * 60}.mp3\"; filename*=UTF-8''{'%F0%9F%8E%B5' * 125}.mp3",
    ),
    "endless": ("x" * 100_000 + ".mp3", f'filename="{"x" * 251}.mp3"'),
}


@pytest.mark.parametrize(("file_name", "told"), DISPOSITIONS.values(), ids=DISPOSITIONS.keys())
@pytest.mark.parametrize(("attachment", "kind"), [(False, "inline"), (True, "attachment")])
async def test_a_file_name_is_told_without_harm(*, file_name: str, told: str, attachment: bool, kind: str) -> None:
    track = replace(TRACK, file_name=file_name, attachment=attachment)
    _, headers, _ = await request(BlobResponse(track, Source().read), {}, method="HEAD")

    assert headers == {**WHOLE[1], "content-disposition": f"{kind}; {told}"}


FIRST_BYTES: dict[str, tuple[str, Fields, int]] = {
    "whole": ("GET", {}, 1),
    "range_from_the_start": ("GET", {"Range": "bytes=0-0"}, 1),
    "suffix_of_everything": ("GET", {"Range": "bytes=-1000"}, 1),
    "one_of_several_ranges": ("GET", {"Range": "bytes=500-,0-9"}, 1),
    "range_from_the_second_byte": ("GET", {"Range": "bytes=1-"}, 0),
    "several_later_ranges": ("GET", {"Range": "bytes=1-2,500-"}, 0),
    "if_range_stale": ("GET", {"Range": "bytes=1-", "If-Range": '"v1"'}, 1),
    "unsatisfiable": ("GET", {"Range": "bytes=1000-"}, 0),
    "not_modified": ("GET", {"If-None-Match": '"v2"'}, 0),
    "precondition_failed": ("GET", {"If-Match": '"v1"'}, 0),
    "head": ("HEAD", {}, 0),
}


@pytest.mark.parametrize(("method", "headers", "count"), FIRST_BYTES.values(), ids=FIRST_BYTES.keys())
async def test_the_hook_hears_of_the_first_byte(method: str, headers: Fields, count: int) -> None:
    heard: list[str] = []

    async def hear() -> None:
        heard.append(method)

    await request(BlobResponse(TRACK, Source().read, on_first_byte=hear), headers, method=method)

    assert len(heard) == count


async def test_the_hook_runs_when_the_first_chunk_is_there_and_nothing_is_sent() -> None:
    source, client, seen = Source(), Client(), list[tuple[int, int]]()

    async def look() -> None:
        seen.append((source.chunks_given, len(client.received)))

    await client.ask(BlobResponse(TRACK, source.read, on_first_byte=look))

    assert seen == [(1, 0)]


@pytest.mark.parametrize(("fails_at", "error"), [(0, OSError), (-1, LookupError)], ids=["source", "hook"])
async def test_a_failure_before_the_first_byte_is_left_to_the_error_handler(
    fails_at: int, error: type[Exception]
) -> None:
    source, client = Source(fails_at=fails_at), Client()

    async def fail() -> None:
        raise LookupError

    with capture_logs() as logs, pytest.raises(error):
        await client.ask(BlobResponse(TRACK, source.read, on_first_byte=fail))

    assert (client.received, logs, source.open_handles) == ([], [], 0)


BROKEN: dict[str, tuple[Representation, int, int, type[Exception], bytes]] = {
    "fails": (TRACK, 2, 1000, OSError, CONTENT[:200]),
    "ends_early": (TRACK, -1, 500, SourceLengthError, CONTENT[:500]),
    "gives_too_much": (replace(TRACK, size_bytes=150), -1, 1000, SourceLengthError, CONTENT[:100]),
}


@pytest.mark.parametrize(("track", "fails_at", "ends_at", "error", "sent"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_source_that_breaks_midway_is_logged_and_the_answer_stays_unfinished(
    track: Representation, fails_at: int, ends_at: int, error: type[Exception], sent: bytes
) -> None:
    source, client = Source(fails_at=fails_at, ends_at=ends_at), Client()
    with capture_logs() as logs, pytest.raises(error):
        await client.ask(BlobResponse(track, lambda start, _: source.read(start, 1000)))

    event = {"event": "media stream broken", "log_level": "error", "exc_info": True}
    assert logs == [{**event, "path": "/media/track/1", "etag": '"v2"'}]
    assert (client.body, client.received[-1]["more_body"], source.open_handles) == (sent, True, 0)


async def test_a_slow_client_holds_the_source_at_one_chunk_ahead() -> None:
    source, client = Source(), Client(room=1)  # room for the start alone
    answering = client.ask(BlobResponse(TRACK, source.read))
    ahead = []
    for taken in range(10):
        await settle()
        ahead.append(source.chunks_given - taken)
        client.room.release()
    client.room.release()
    await answering

    assert (ahead, client.body, source.open_handles) == ([1] * 10, CONTENT, 0)


DEPARTURES: dict[str, tuple[int, int, bytes]] = {
    "while_the_source_is_silent_from_the_start": (0, 100, b""),
    "while_the_source_is_silent_midway": (3, 100, CONTENT[:300]),
    "while_its_own_buffers_are_full": (-1, 2, CONTENT[:100]),
}


@pytest.mark.parametrize(("silent_at", "room", "sent"), DEPARTURES.values(), ids=DEPARTURES.keys())
async def test_a_client_that_leaves_releases_the_source(silent_at: int, room: int, sent: bytes) -> None:
    source, client = Source(silent_at=silent_at), Client(room=room)
    answering = client.ask(BlobResponse(TRACK, source.read))
    await settle()
    client.left.set()
    await answering

    assert (client.body, source.open_handles) == (sent, 0)


async def test_a_client_that_leaves_is_noticed_though_nothing_ever_waits() -> None:
    source, client = Source(chunk_bytes=1), Client(leaves_after=3)
    await client.ask(BlobResponse(TRACK, source.read))

    assert (source.chunks_given < 10, source.open_handles) == (True, 0)


async def test_a_client_that_leaves_after_the_last_byte_does_not_keep_the_source_from_closing() -> None:
    source, client = Source(closes_slowly=True), Client()
    answering = client.ask(BlobResponse(TRACK, source.read))
    await source.closing.wait()
    client.left.set()
    await settle()
    source.may_close.set()
    await answering

    assert (client.body, source.open_handles) == (CONTENT, 0)


async def test_a_server_that_stops_cancels_the_answer_and_releases_the_source() -> None:
    source, client = Source(), Client(room=2)
    answering = client.ask(BlobResponse(TRACK, source.read))
    await settle()
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering

    assert source.open_handles == 0


@asynccontextmanager
async def connection_to(app: BlobResponse) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Serve a response with the real server and open a connection that has asked for it."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", ws="none", log_config=None))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(b"GET /media/track/1 HTTP/1.1\r\nHost: test\r\n\r\n")
    try:
        yield reader, writer
    finally:
        writer.close()
        server.should_exit = True
        await serving


async def test_hanging_up_on_the_real_server_releases_the_source() -> None:
    source = Source(silent_at=1)
    async with connection_to(BlobResponse(TRACK, source.read)) as (reader, writer), asyncio.timeout(5):
        await reader.readuntil(CONTENT[:100])
        writer.close()
        await source.closing.wait()
        await settle()

        assert source.open_handles == 0


async def test_a_source_that_fails_midway_drops_the_connection_of_the_real_server() -> None:
    source = Source(fails_at=2)
    with capture_logs():
        async with connection_to(BlobResponse(TRACK, source.read)) as (reader, _), asyncio.timeout(5):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")

    assert (b"content-length: 1000" in head, body) == (True, CONTENT[:200])
