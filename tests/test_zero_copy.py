"""Files over a real connection: all of their bytes, in turns, for slow clients too, and none for those who leave."""

from __future__ import annotations

import asyncio
import errno
import functools
import inspect
import os
import random
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import uvloop
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pet.crowd import Crowd
from pet.zero_copy import PINCH_BYTES, STEP_BYTES, ZERO_COPY, FileEndedError
from tests.test_http_protocol import Address, connection_to, listening

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = random.Random(1).randbytes(16 * 1024 * 1024)
"""More than a connection holds."""

MODEST_BUFFER = 64 * 1024
LISTENERS = 300


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on asyncio's own event loop and on uvloop: what they do with a connection differs."""

    @functools.wraps(test)
    def run(new_loop: Callable[[], asyncio.AbstractEventLoop], **fixtures: Any) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(test(**fixtures))

    wanted = inspect.signature(test)
    new_loop = inspect.Parameter("new_loop", inspect.Parameter.KEYWORD_ONLY)
    run.__signature__ = wanted.replace(parameters=[*wanted.parameters.values(), new_loop])  # type: ignore[attr-defined]
    loops = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    marked: Callable[..., None] = pytest.mark.parametrize("new_loop", loops.values(), ids=loops.keys())(run)
    return marked


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "song").write_bytes(LARGE)
    return tmp_path / "song"


class Answering:
    """An application that gives the same answer to all, and remembers how each of its answers ended."""

    def __init__(self, length: int, *messages: Callable[[], Message], fields: Fields | None = None) -> None:
        self.length = length
        self.files: list[BinaryIO] = []
        self.ended: asyncio.Queue[BaseException | None] = asyncio.Queue()
        self._messages = messages
        self._fields = [(b"content-length", b"%d" % length)] if fields is None else fields

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            assert scope["extensions"][ZERO_COPY] == {}
            await send({"type": "http.response.start", "status": 200, "headers": self._fields})
            for message in self._messages:
                made = message()
                self.files += [made["file"]] if "file" in made else []
                await send(made)
        except Exception as error:
            self.ended.put_nowait(error)
            raise
        self.ended.put_nowait(None)

    @property
    def open_files(self) -> int:
        return sum(not file.closed for file in self.files)


Fields = list[tuple[bytes, bytes]]


def piece(path: Path, **where: Any) -> Callable[[], Message]:
    """Return what makes the extension's message."""
    return lambda: {"type": ZERO_COPY, "file": path.open("rb"), **where}


def body(content: bytes, *, more_body: bool = True) -> Callable[[], Message]:
    """Return what makes an ordinary body's message."""
    return lambda: {"type": "http.response.body", "body": content, "more_body": more_body}


def whole(path: Path) -> Answering:
    """Return an application that answers with a file."""
    return Answering(path.stat().st_size, piece(path))


async def content_of(reader: asyncio.StreamReader, length: int) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    return await reader.readexactly(length)


@asynccontextmanager
async def slow_connection(address: Address) -> AsyncIterator[socket.socket]:
    """Connect with a small buffer, and read nothing that is not asked for."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MODEST_BUFFER)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, address)
        await asyncio.get_running_loop().sock_sendall(connection, GET)
        yield connection


@on_both_loops
async def test_a_file_goes_whole(file: Path) -> None:
    app = whole(file)
    async with listening(app) as address, connection_to(address) as (reader, writer):
        writer.write(GET)
        assert await content_of(reader, len(LARGE)) == LARGE
        assert (await app.ended.get(), app.open_files) == (None, 0)


@on_both_loops
async def test_pieces_of_files_and_bodies_follow_each_other(file: Path) -> None:
    app = Answering(
        2_000_012,
        body(b"before"),
        piece(file, offset=5, count=2_000_000, more_body=True),
        body(b"mid", more_body=True),
        piece(file, offset=3_000_000, count=3),
    )
    async with listening(app) as address, connection_to(address) as (reader, writer):
        writer.write(GET)
        expected = b"before" + LARGE[5:2_000_005] + b"mid" + LARGE[3_000_000:3_000_003]
        assert await content_of(reader, app.length) == expected
        assert (await app.ended.get(), app.open_files) == (None, 0)


@on_both_loops
async def test_a_file_goes_on_from_its_position_to_its_end_where_nothing_else_is_said(file: Path) -> None:
    def from_the_tenth_last() -> Message:
        opened = file.open("rb")
        opened.seek(-10, os.SEEK_END)
        return {"type": ZERO_COPY, "file": opened}

    async with listening(Answering(10, from_the_tenth_last)) as address, connection_to(address) as (reader, writer):
        writer.write(GET)
        assert await content_of(reader, 10) == LARGE[-10:]


@on_both_loops
async def test_requests_that_came_together_get_their_files_in_turn(file: Path) -> None:
    app = whole(file)
    async with listening(app) as address, connection_to(address) as (reader, writer):
        writer.write(GET * 3)
        assert [await content_of(reader, len(LARGE)) == LARGE for _ in range(3)] == [True] * 3
        writer.write(GET)
        assert await content_of(reader, len(LARGE)) == LARGE


@on_both_loops
async def test_a_head_has_the_length_and_nothing_of_the_file(file: Path) -> None:
    app = whole(file)
    async with listening(app) as address, connection_to(address) as (reader, writer):
        writer.write(GET.replace(b"GET", b"HEAD") + GET)
        assert b"content-length: %d\r\n" % len(LARGE) in await reader.readuntil(b"\r\n\r\n")
        assert await content_of(reader, len(LARGE)) == LARGE
        assert app.open_files == 0


@on_both_loops
async def test_a_client_that_reads_slowly_gets_everything(file: Path) -> None:
    app = whole(file)
    async with listening(app) as address, slow_connection(address) as connection:
        received = bytearray()
        while not received.endswith(LARGE[-1000:]):
            received += await asyncio.get_running_loop().sock_recv(connection, MODEST_BUFFER)
            await asyncio.sleep(0)
        assert received.partition(b"\r\n\r\n")[2] == LARGE
        assert (await app.ended.get(), app.open_files) == (None, 0)


@on_both_loops
async def test_a_client_that_reads_slowly_gets_every_piece_in_its_place(file: Path) -> None:
    half = len(LARGE) // 2
    app = Answering(
        len(LARGE),
        piece(file, offset=half, count=half, more_body=True),
        piece(file, offset=0, count=half),
    )
    async with listening(app) as address, slow_connection(address) as connection:
        received = bytearray()
        while len(received.partition(b"\r\n\r\n")[2]) < len(LARGE):
            received += await asyncio.get_running_loop().sock_recv(connection, STEP_BYTES)
            await asyncio.sleep(0)
        assert received.partition(b"\r\n\r\n")[2] == LARGE[half:] + LARGE[:half]


@on_both_loops
async def test_a_client_that_leaves_ends_its_answer_in_peace_and_the_file_is_closed(file: Path) -> None:
    app = whole(file)
    async with listening(app) as address:
        async with slow_connection(address) as connection:
            await asyncio.get_running_loop().sock_recv(connection, 1)
        assert (await app.ended.get(), app.open_files) == (None, 0)


@on_both_loops
async def test_a_client_that_has_left_before_its_answer_starts_is_no_error(file: Path) -> None:
    app = whole(file)

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        await app(scope, receive, send)

    async with listening(late) as address:
        async with slow_connection(address):
            pass
        assert (await app.ended.get(), app.open_files) == (None, 0)


@on_both_loops
async def test_a_client_that_takes_nothing_is_ended(file: Path) -> None:
    app = whole(file)
    async with listening(app, write_seconds=0.05) as address, slow_connection(address):
        assert (await app.ended.get(), app.open_files) == (None, 0)


@on_both_loops
async def test_a_file_that_shrinks_midway_ends_the_connection(file: Path) -> None:
    def shrinking() -> Message:
        os.truncate(file, 3_000_000)
        return {"type": ZERO_COPY, "file": file.open("rb"), "offset": 0, "count": len(LARGE)}

    app = Answering(len(LARGE), shrinking)
    async with listening(app) as address, connection_to(address) as (reader, writer):
        writer.write(GET)
        received = await reader.read()
        assert received.partition(b"\r\n\r\n")[2] == LARGE[:3_000_000]
        assert (type(await app.ended.get()), app.open_files) == (FileEndedError, 0)


@on_both_loops
async def test_one_answer_takes_a_step_at_a_time_and_then_the_others_have_their_turn(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn, steps = 0, list[tuple[int, int]]()
    send_some = os.sendfile
    loop = asyncio.get_running_loop()

    def tick() -> None:
        nonlocal turn
        turn += 1
        loop.call_soon(tick)

    def watched(to: int, of: int, offset: int, count: int) -> int:
        steps.append((turn, count))
        return send_some(to, of, offset, count)

    monkeypatch.setattr(os, "sendfile", watched)
    tick()
    async with listening(whole(file)) as address, connection_to(address) as (reader, writer):
        writer.write(GET)
        await content_of(reader, len(LARGE))
    assert max(count for _, count in steps) == STEP_BYTES <= 2 * 1024 * 1024
    assert len({at for at, _ in steps}) == len(steps)


@on_both_loops
async def test_what_is_not_in_memory_is_read_in_a_thread(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, read = set[int](), set[int]()
    really = os.preadv

    def cold(descriptor: int, buffers: Any, offset: int, flags: int = 0) -> int:
        (asked if flags else read).add(threading.get_ident())
        if flags:
            raise BlockingIOError
        return really(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", cold)
    async with listening(whole(file)) as address, connection_to(address) as (reader, writer):
        writer.write(GET)
        assert await content_of(reader, len(LARGE)) == LARGE
    assert asked == {threading.get_ident()}
    assert read
    assert not read & asked


@pytest.mark.parametrize("function", ["sendfile", "preadv"])
@on_both_loops
async def test_a_file_system_that_cannot_take_part_is_copied_from(
    file: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EOPNOTSUPP, "not here")

    monkeypatch.setattr(os, function, refuse)
    async with listening(whole(file)) as address, connection_to(address) as (reader, writer):
        writer.write(GET)
        assert await content_of(reader, len(LARGE)) == LARGE


@on_both_loops
async def test_hundreds_of_slow_listeners_leave_a_pinch_each_in_memory(file: Path) -> None:
    crowd = Crowd()
    async with listening(whole(file), crowd) as address:
        listeners = [slow_connection(address) for _ in range(LISTENERS)]
        connections = [await listener.__aenter__() for listener in listeners]
        kept: list[int] = []
        while len(kept) < LISTENERS:
            await asyncio.sleep(0.01)
            sizes = [protocol.transport.get_write_buffer_size() for protocol in crowd.connections]
            kept = [size for size in sizes if size]
        assert max(kept) <= PINCH_BYTES
        for connection in connections:
            connection.close()


Refused = tuple[Fields | None, int]
REFUSED: dict[str, Refused] = {"no length": ([], 10), "longer than its length": (None, 11)}


@pytest.mark.parametrize(("fields", "count"), REFUSED.values(), ids=REFUSED.keys())
@on_both_loops
async def test_an_answer_that_does_not_tell_the_length_or_a_lower_one_takes_no_file(
    file: Path, fields: Fields | None, count: int
) -> None:
    app = Answering(10, piece(file, offset=0, count=count), fields=fields)
    async with listening(app) as address, connection_to(address) as (reader, writer):
        writer.write(GET)
        assert (await reader.read()).endswith(b"\r\n\r\n")
        assert (type(await app.ended.get()), app.open_files) == (RuntimeError, 0)


@on_both_loops
async def test_where_files_are_not_taken_nothing_is_said_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pet.http_protocol.IS_OFFERED", False)
    offered: list[bool] = []

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        offered.append(ZERO_COPY in scope["extensions"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    app: ASGIApp = look
    async with listening(app) as address, connection_to(address) as (reader, writer):
        writer.write(GET)
        assert await content_of(reader, 0) == b""
    assert offered == [False]
