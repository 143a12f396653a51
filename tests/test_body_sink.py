"""Bodies that are pushed, over real sockets and on both loops: whole, bounded, and at an end when there is one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from random import Random
from typing import Any

import pytest
import uvloop
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pet.body_sink import MOST_BYTES, SINK, pour
from pet.crowd import Crowd
from pet.domain.errors import TooLarge
from pet.domain.media import MIB
from pet.forms import KIB, read_form
from pet.storage.blobs.folder import open_folder
from tests.test_http_protocol import HEAD, Connection, answer, connection_to, listening, refusal, wait_until

LARGE = Random(8).randbytes(4 * MIB)
READ_BYTES = 256 * KIB
"""The most that either loop takes from a socket at once."""

OK = b"HTTP/1.1 200 OK"

Scenario = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Scenario], None]:
    """Run a scenario on either loop."""

    def run_on_loop(scenario: Scenario) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(scenario())

    return run_on_loop


@asynccontextmanager
async def connected(app: ASGIApp, **seconds: float) -> AsyncIterator[Connection]:
    """Connect to a server with this much patience, and see the connection end on its side as well."""
    crowd = Crowd()
    async with listening(app, crowd, **seconds) as address:
        async with connection_to(address) as connection:
            yield connection
        await wait_until(lambda: not crowd.connections)


def open_gate() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


@dataclass
class Gathering:
    """A sink on a disk that is as fast as its gate is open. It takes at most so much."""

    limit: int = 64 * MIB
    gate: asyncio.Event = field(default_factory=open_gate)
    waiting: bytearray = field(default_factory=bytearray)
    stored: bytearray = field(default_factory=bytearray)
    most_waiting: int = 0

    def take(self, piece: bytes) -> int:
        if len(self.waiting) + len(self.stored) + len(piece) > self.limit:
            raise TooLarge("too large")
        self.waiting += piece
        self.most_waiting = max(self.most_waiting, len(self.waiting))
        return len(self.waiting)

    async def store(self) -> None:
        await self.gate.wait()
        self.stored += self.waiting
        self.waiting.clear()


async def not_asked() -> Message:
    raise AssertionError("a pushed body is not asked for")


def digest(body: bytes | bytearray) -> bytes:
    return sha256(body).hexdigest().encode()


def gathering(make_sink: Callable[[], Gathering] = Gathering, ended: list[str] | None = None) -> ASGIApp:
    """Make an application that answers with the digest of what its sink got, and notes how each body ended."""

    async def gather(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        assert SINK in scope["extensions"]
        sink = make_sink()
        response = PlainTextResponse("too large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        how = "whole"
        try:
            await pour(Request(scope, not_asked), sink)
            response = PlainTextResponse(digest(sink.stored))
        except (TooLarge, ClientDisconnect, OSError) as error:
            how = type(error).__name__
        if ended is not None:
            ended.append(how)
        if how != "ClientDisconnect":
            await response(scope, not_asked, send)

    return gather


def post(body: bytes, *fields: bytes) -> bytes:
    head = HEAD.replace(b"Content-Length: 4", b"Content-Length: %d" % len(body))
    return b"%s%s\r\n%s" % (head, b"".join(fields), body)


@pytest.mark.parametrize("size", [0, 1, 70_000, len(LARGE)])
def test_a_body_arrives_whole_and_the_connection_goes_on(run: Callable[[Scenario], None], size: int) -> None:
    async def scenario() -> None:
        async with connected(gathering()) as (reader, writer):
            for body in (LARGE[:size], b"next"):
                writer.write(post(body))
                assert await answer(reader, digest(body)) == OK

    run(scenario)


def test_requests_behind_a_body_wait_for_its_answer(run: Callable[[Scenario], None]) -> None:
    async def scenario() -> None:
        bodies = [LARGE, b"", b"second", LARGE[: 2 * MIB], b"last"]
        async with connected(gathering()) as (reader, writer):
            writer.write(b"".join(map(post, bodies)))
            for body in bodies:
                assert await answer(reader, digest(body)) == OK

    run(scenario)


def test_a_body_in_chunks_is_pushed_without_their_frames(run: Callable[[Scenario], None]) -> None:
    async def scenario() -> None:
        pieces = [LARGE[start : start + 50_000] for start in range(0, len(LARGE), 50_000)]
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
        head = HEAD.replace(b"Content-Length: 4", b"Transfer-Encoding: chunked") + b"\r\n"
        async with connected(gathering()) as (reader, writer):
            writer.write(head + chunks + b"0\r\n\r\n" + post(b"next"))
            assert await answer(reader, digest(LARGE)) == OK
            assert await answer(reader, digest(b"next")) == OK

    run(scenario)


def test_a_client_that_waits_for_it_is_told_to_go_on(run: Callable[[Scenario], None]) -> None:
    async def scenario() -> None:
        async with connected(gathering()) as (reader, writer):
            writer.write(post(LARGE, b"Expect: 100-continue\r\n")[: -len(LARGE)])
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(LARGE)
            assert await answer(reader, digest(LARGE)) == OK

    run(scenario)


def test_a_client_that_leaves_ends_the_body(run: Callable[[Scenario], None]) -> None:
    async def scenario() -> None:
        ended: list[str] = []
        async with connected(gathering(ended=ended)) as (_, writer):
            writer.write(post(LARGE)[:MIB])
            await writer.drain()
            writer.transport.abort()
            await wait_until(lambda: bool(ended))
        assert ended == ["ClientDisconnect"]

    run(scenario)


def test_a_body_that_stalls_is_refused(run: Callable[[Scenario], None]) -> None:
    async def scenario() -> None:
        ended: list[str] = []
        async with connected(gathering(ended=ended), body_seconds=0.05) as (reader, writer):
            writer.write(post(LARGE)[:MIB])
            assert await refusal(reader) == (408, "The body came too slowly.")
        assert ended == ["ClientDisconnect"]

    run(scenario)


def test_a_body_that_is_too_large_is_refused_before_its_end_and_the_connection_goes_on(
    run: Callable[[Scenario], None],
) -> None:
    async def scenario() -> None:
        sinks = [Gathering(limit=MIB), Gathering()]
        async with connected(gathering(lambda: sinks[0] if not sinks[0].stored else sinks[1])) as (reader, writer):
            writer.write(post(LARGE)[: 3 * MIB])
            assert await answer(reader, b"too large") == b"HTTP/1.1 413 Request Entity Too Large"
            assert MIB - READ_BYTES <= len(sinks[0].stored + sinks[0].waiting) <= MIB
            writer.write(LARGE[3 * MIB - len(post(LARGE)) :] + post(b"next"))
            assert await answer(reader, digest(b"next")) == OK

    run(scenario)


def test_a_slow_disk_lets_the_client_wait_and_is_no_fault_of_it(run: Callable[[Scenario], None]) -> None:
    async def scenario() -> None:
        sink = Gathering(gate=asyncio.Event())
        async with connected(gathering(lambda: sink), body_seconds=0.3) as (reader, writer):
            writer.write(post(LARGE))
            await asyncio.sleep(0.8)  # several times what a body may stall
            assert MOST_BYTES <= len(sink.waiting) < MOST_BYTES + READ_BYTES
            sink.gate.set()
            assert await answer(reader, digest(LARGE)) == OK
        assert sink.most_waiting < MOST_BYTES + READ_BYTES

    run(scenario)


def test_a_disk_that_fails_ends_the_body(run: Callable[[Scenario], None]) -> None:
    class Failing(Gathering):
        async def store(self) -> None:
            raise OSError("no space left")

    async def scenario() -> None:
        ended: list[str] = []
        async with connected(gathering(Failing, ended)) as (reader, writer):
            writer.write(post(LARGE))
            assert await answer(reader, b"too large") == b"HTTP/1.1 413 Request Entity Too Large"
        assert ended == ["OSError"]

    run(scenario)


def test_a_form_is_read_from_a_pushed_body(run: Callable[[Scenario], None], tmp_path: Path) -> None:
    blobs = open_folder(str(tmp_path))

    async def read(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        reading = read_form(Request(scope, not_asked), blobs.stage, file_limit=4 * MIB)
        async with reading as form, form.files["file"].blob.local_path() as path:
            told = digest(path.read_bytes()) + form.fields["userId"].encode()
        await PlainTextResponse(told)(scope, not_asked, send)

    async def scenario() -> None:
        parts = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        form = parts % (b'file"; filename="a', LARGE) + parts % (b"userId", b"u1") + b"--b--\r\n"
        async with connected(read) as (reader, writer):
            writer.write(post(form, b"Content-Type: multipart/form-data; boundary=b\r\n"))
            assert await answer(reader, digest(LARGE) + b"u1") == OK

    run(scenario)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_body_that_nobody_pushes_is_asked_for() -> None:
    messages = iter([LARGE[:MIB], LARGE[MIB:], b""])

    async def receive() -> Message:
        body = next(messages)
        return {"type": "http.request", "body": body, "more_body": body != b""}

    sink = Gathering()
    await pour(Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive), sink)
    assert sink.stored == LARGE
