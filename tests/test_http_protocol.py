"""The protocol under every request: clients that are slow or send too much are let go, all others are served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from pet.http_protocol import MAX_HEAD_BYTES, ImpatientProtocol

DEADLINE = 10.0
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the body of the request."""
    await PlainTextResponse(await Request(scope, receive).body())(scope, receive, send)


@asynccontextmanager
async def connected(head_seconds: float) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to a server whose patience with heads is this long."""
    config = uvicorn.Config(echo, log_config=None, lifespan="off")
    config.load()
    state = ServerState()

    def protocol() -> asyncio.Protocol:
        made = ImpatientProtocol(config, state, {})
        made.head_seconds = head_seconds
        return made

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    async with server, asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()
            await writer.wait_closed()


async def answer(reader: asyncio.StreamReader, body: bytes) -> bytes:
    """Return the status line of an answer that has this body."""
    head = await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(len(body)) == body
    return head.split(b"\r\n", 1)[0]


@pytest.mark.parametrize("sent", [b"", b"GET / HT", HEAD], ids=["nothing", "half a line", "no end of the head"])
async def test_a_head_that_does_not_come_in_time_ends_the_connection(sent: bytes) -> None:
    async with connected(head_seconds=0.02) as (reader, writer):
        writer.write(sent)
        assert await reader.read() == b""


async def test_a_later_head_is_waited_for_no_longer() -> None:
    async with connected(head_seconds=0.05) as (reader, writer):
        writer.write(HEAD + b"\r\nbodyGET / HT")
        assert await answer(reader, b"body") == b"HTTP/1.1 200 OK"
        assert await reader.read() == b""


async def test_a_body_may_take_longer_than_a_head() -> None:
    async with connected(head_seconds=0.02) as (reader, writer):
        writer.write(HEAD + b"\r\nbo")
        await asyncio.sleep(0.1)  # longer than a head may take
        writer.write(b"dy")
        assert await answer(reader, b"body") == b"HTTP/1.1 200 OK"


async def test_requests_follow_each_other_on_one_connection() -> None:
    async with connected(head_seconds=DEADLINE) as (reader, writer):
        writer.write((HEAD + b"\r\nbody") * 3)
        assert [await answer(reader, b"body") for _ in range(3)] == [b"HTTP/1.1 200 OK"] * 3


@pytest.mark.parametrize("padding", [b"X: " + b"y" * MAX_HEAD_BYTES, b"X: y\r\n" * (MAX_HEAD_BYTES // 6 + 1)])
async def test_a_head_that_is_too_large_is_refused(padding: bytes) -> None:
    async with connected(head_seconds=DEADLINE) as (reader, writer):
        writer.write(HEAD + padding)
        assert (await reader.readline()) == b"HTTP/1.1 431 Request Header Fields Too Large\r\n"


async def test_a_large_body_is_no_large_head() -> None:
    body = b"z" * (3 * MAX_HEAD_BYTES)
    async with connected(head_seconds=DEADLINE) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body + HEAD)
        assert await answer(reader, body) == b"HTTP/1.1 200 OK"
        writer.write(b"\r\nbody")
        assert await answer(reader, b"body") == b"HTTP/1.1 200 OK"
