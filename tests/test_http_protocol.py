"""The protocol under every request: clients that are slow or send too much are let go, all others are served."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
import uvicorn
import websockets
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pet.crowd import Crowd
from pet.http_protocol import MAX_PIPELINED, ImpatientProtocol
from pet.request_heads import MAX_HEAD_BYTES, MAX_HEADERS
from pet.websocket_protocol import ImpatientWebSocket

Address = tuple[str, int]
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]

DEADLINE = 10.0
LARGE = 16 * 1024 * 1024
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the body of the request."""
    await PlainTextResponse(await Request(scope, receive).body())(scope, receive, send)


async def pour(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with more than a connection holds."""
    await Response(b"z" * LARGE)(scope, receive, send)


async def refuse_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer without a look at the body."""
    await PlainTextResponse("no", 401)(scope, receive, send)


@asynccontextmanager
async def listening(
    app: ASGIApp = echo, crowd: Crowd | None = None, **seconds: float
) -> AsyncIterator[tuple[str, int]]:
    """Run a server with this much patience and give its address."""
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws=ImpatientWebSocket, proxy_headers=False)
    config.load()
    state = crowd or Crowd()

    def protocol() -> asyncio.Protocol:
        made = ImpatientProtocol(config, state, {})
        for name, value in seconds.items():
            setattr(made, name, value)
        return made

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    async with server, asyncio.timeout(DEADLINE):
        yield server.sockets[0].getsockname()


@asynccontextmanager
async def connected(app: ASGIApp = echo, **seconds: float) -> AsyncIterator[Connection]:
    """Connect to a server with this much patience."""
    async with listening(app, None, **seconds) as address, connection_to(address) as connection:
        yield connection


@asynccontextmanager
async def connection_to(address: Address) -> AsyncIterator[Connection]:
    """Connect, and close at the end whatever happened to the connection."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
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


@pytest.mark.parametrize(
    "padding",
    [
        b"X: " + b"y" * MAX_HEAD_BYTES,
        b"X: y\r\n" * (MAX_HEAD_BYTES // 6 + 1),
        b"X: " + b"y" * MAX_HEAD_BYTES + b"\r\n\r\nbody",
        b"X: y\r\n" * (MAX_HEADERS - 1) + b"\r\nbody",
    ],
    ids=["a long header", "many headers", "a long header in one piece", "too many headers"],
)
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


async def test_as_many_headers_as_may_be_are_taken() -> None:
    async with connected() as (reader, writer):
        writer.write(HEAD + b"X: y\r\n" * (MAX_HEADERS - 2) + b"\r\nbody")
        assert await answer(reader, b"body") == b"HTTP/1.1 200 OK"


async def refusal(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Return the status and the sentence of an answer that ends the connection, and nothing else."""
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    assert {"connection: close", "content-type: application/json", f"content-length: {len(body)}"} <= set(fields)
    assert {"x-content-type-options: nosniff", "x-frame-options: DENY", "referrer-policy: no-referrer"} <= set(fields)
    envelope = json.loads(body)
    assert envelope.pop("success") is False
    return int(status.split()[1]), envelope["error"]


@pytest.mark.parametrize("sent", [b"", b"bo"], ids=["nothing of it", "half of it"])
async def test_a_body_that_stalls_is_refused(sent: bytes) -> None:
    async with connected(body_seconds=0.05) as (reader, writer):
        writer.write(HEAD + b"\r\n" + sent)
        assert await refusal(reader) == (408, "The body came too slowly.")


async def test_a_body_that_trickles_is_refused_although_it_never_stops() -> None:
    async with connected(body_seconds=0.1) as (reader, writer):
        writer.write(HEAD.replace(b"4", b"4000") + b"\r\n")

        async def trickle() -> None:
            while True:
                writer.write(b"z")
                await asyncio.sleep(0.01)

        trickling = asyncio.create_task(trickle())
        try:
            assert await refusal(reader) == (408, "The body came too slowly.")
        finally:
            trickling.cancel()


async def test_a_body_that_keeps_its_pace_may_take_as_long_as_it_needs() -> None:
    pieces = 25
    async with connected(body_seconds=1.0) as (reader, writer):
        writer.write(HEAD.replace(b"4", b"%d" % (pieces * 1024)) + b"\r\n")
        for _ in range(pieces):
            writer.write(b"z" * 1024)  # worth a second
            await asyncio.sleep(0.05)
        assert await answer(reader, b"z" * 1024 * pieces) == b"HTTP/1.1 200 OK"


async def test_a_client_is_not_blamed_while_it_is_we_who_do_not_read() -> None:
    reading = asyncio.Event()

    async def patient(scope: Scope, receive: Receive, send: Send) -> None:
        await reading.wait()
        await echo(scope, receive, send)

    body = b"z" * 1024 * 1024  # more than is taken unread
    async with connected(patient, body_seconds=0.05) as (reader, writer):
        writer.write(HEAD.replace(b"4", b"%d" % len(body)) + b"\r\n" + body)
        await asyncio.sleep(0.2)
        reading.set()
        assert await answer(reader, body) == b"HTTP/1.1 200 OK"


async def test_a_body_that_goes_on_after_its_answer_has_to_end_soon() -> None:
    async with connected(refuse_at_once, body_seconds=0.1) as (reader, writer):
        writer.write(HEAD.replace(b"4", b"100000000") + b"\r\nz")
        assert await answer(reader, b"no") == b"HTTP/1.1 401 Unauthorized"

        async def pour_in() -> None:
            with suppress(ConnectionError):
                while True:
                    writer.write(b"z" * 65_536)
                    await writer.drain()
                    await asyncio.sleep(0.01)

        pouring = asyncio.create_task(pour_in())
        with suppress(ConnectionError):  # a reset is an end as well
            assert b"408" in await reader.read()
        await pouring


@pytest.mark.parametrize("app", [pour, echo], ids=["while it is written", "when it is written"])
async def test_an_answer_that_nobody_reads_is_ended(app: ASGIApp) -> None:
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        while (await receive())["type"] != "http.disconnect":
            pass
        ended.set_result(None)

    body = b"z" * LARGE
    async with connected(watched, write_seconds=0.05) as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(HEAD.replace(b"4", b"%d\r\nConnection: close" % len(body)) + b"\r\n" + body)
        await ended


async def test_an_answer_that_is_read_slowly_is_given_whole() -> None:
    async with connected(pour, write_seconds=0.5) as (reader, writer):
        writer.write(HEAD + b"\r\nbody")
        await reader.readuntil(b"\r\n\r\n")
        missing = LARGE
        while missing:
            missing -= len(await reader.readexactly(min(missing, 128 * 1024)))
            await asyncio.sleep(0.01)


async def test_what_follows_a_body_is_no_header_of_the_request() -> None:
    heard: list[Scope] = []

    async def listen(scope: Scope, receive: Receive, send: Send) -> None:
        await echo(scope, receive, send)
        heard.append(scope)

    async with connected(listen) as (reader, writer):
        writer.write(CHUNKED + b"4\r\nbody\r\n0\r\nX-Forwarded-For: 192.0.2.1\r\nAuthorization: x\r\n\r\n")
        assert await answer(reader, b"body") == b"HTTP/1.1 200 OK"
    assert [name for name, _ in heard[0]["headers"]] == [b"host", b"transfer-encoding"]


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "endless",
    [b"0\r\n" + b"X: y\r\n" * 20_000, b"0\r\nX: " + b"y" * 70_000, b"1;" + b"e" * 70_000],
    ids=["many fields", "a long field", "a long extension"],
)
async def test_what_is_no_body_is_bounded_within_a_body(endless: bytes) -> None:
    async with connected() as (reader, writer):
        writer.write(CHUNKED + b"4\r\nbody\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)
        for start in range(0, MAX_HEAD_BYTES, 1024):
            writer.write(endless[start : start + 1024])
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"Z")  # the one byte too many: nothing is left unread, which would reset the connection
        assert await refusal(reader) == (431, "The head of the request is too large.")


async def test_requests_are_not_queued_without_end() -> None:
    going_on = asyncio.Event()
    served: list[str] = []

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await going_on.wait()
        served.append(scope["path"])
        await echo(scope, receive, send)

    async with connected(slow) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 500)
        await asyncio.sleep(0.05)
        going_on.set()
        answers = (await reader.read()).count(b"HTTP/1.1 200 OK")
    assert answers == len(served) == MAX_PIPELINED + 1


async def test_a_request_gets_its_own_answer_although_nonsense_follows() -> None:
    async with connected() as (reader, writer):
        writer.write(HEAD + b"\r\nbodyNONSENSE\r\n\r\n")
        assert await answer(reader, b"body") == b"HTTP/1.1 200 OK"
        assert await reader.read() == b""


@pytest.mark.parametrize("method", [b"GET", b"POST"])
async def test_another_protocol_than_ours_is_not_begun_and_the_request_is_served(method: bytes) -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    async with connected() as (reader, writer):
        head = method + HEAD.removeprefix(b"POST")
        writer.write(head + upgrade + b"\r\nbody" + head + b"\r\nnext")
        assert await answer(reader, b"body") == b"HTTP/1.1 200 OK"
        assert await answer(reader, b"next") == b"HTTP/1.1 200 OK"


async def test_one_client_has_no_more_connections_than_it_may_have(caplog: pytest.LogCaptureFixture) -> None:
    crowd = Crowd(2)
    async with listening(crowd=crowd) as address, AsyncExitStack() as stack:
        open_ones = [await stack.enter_async_context(connection_to(address)) for _ in range(2)]
        for reader, writer in open_ones:
            writer.write(HEAD + b"\r\nbody")
            assert await answer(reader, b"body") == b"HTTP/1.1 200 OK"
        for _ in range(3):
            async with connection_to(address) as (reader, _):
                assert await refusal(reader) == (429, "Your address has too many connections open.")
        open_ones[0][1].close()
        await open_ones[0][1].wait_closed()
        await wait_until(lambda: crowd.has_room("127.0.0.1"))
        async with connection_to(address) as (reader, writer):
            writer.write(HEAD + b"\r\nbody")
            assert await answer(reader, b"body") == b"HTTP/1.1 200 OK"
    warnings = [record for record in caplog.records if record.name == "pet.crowd"]
    assert len(warnings) == 1


async def test_a_websocket_counts_as_one_connection_until_it_ends() -> None:
    crowd = Crowd(1)

    async def accept(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    async with listening(accept, crowd=crowd) as (host, port):
        for _ in range(2):
            async with websockets.connect(f"ws://{host}:{port}/"):
                assert not crowd.has_room("127.0.0.1")
                async with connection_to((host, port)) as (reader, _):
                    assert (await refusal(reader))[0] == 429
            await wait_until(lambda: crowd.has_room("127.0.0.1"))


async def test_a_proxy_may_have_any_number_of_connections() -> None:
    crowd = Crowd(1, lambda address: None if address == "127.0.0.1" else address)
    async with listening(crowd=crowd) as address, AsyncExitStack() as stack:
        for _ in range(5):
            reader, writer = await stack.enter_async_context(connection_to(address))
            writer.write(HEAD + b"\r\nbody")
            assert await answer(reader, b"body") == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize("app", [refuse_at_once, echo], ids=["refused", "taken"])
async def test_a_body_that_was_announced_and_kept_back_is_not_the_next_request(app: ASGIApp) -> None:
    async with connected(app) as (reader, writer):
        writer.write(HEAD + b"Expect: 100-continue\r\n\r\n")
        if app is echo:
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"body")
        heard = await reader.read()
    assert b"connection: close" in heard
    assert heard.endswith(b"body" if app is echo else b"no")


async def test_a_connection_on_which_nothing_more_comes_is_closed() -> None:
    async with connected(timeout_keep_alive=0.05) as (reader, writer):
        writer.write(HEAD + b"\r\nbody")
        assert await answer(reader, b"body") == b"HTTP/1.1 200 OK"
        assert await reader.read() == b""


async def test_line_breaks_are_no_sign_of_a_further_request() -> None:
    async with connected(timeout_keep_alive=0.05) as (reader, writer):
        writer.write(HEAD + b"\r\nbody")
        assert await answer(reader, b"body") == b"HTTP/1.1 200 OK"
        writer.write(b"\r\n")
        assert await reader.read() == b""


async def test_an_idle_time_counts_from_the_last_answer() -> None:
    async with connected(timeout_keep_alive=3) as (reader, writer):
        for _ in range(3):
            await asyncio.sleep(1.1)
            writer.write(HEAD + b"\r\nbody")
            assert await answer(reader, b"body") == b"HTTP/1.1 200 OK"


async def wait_until(condition: Callable[[], bool]) -> None:
    """Give the server its turns until something is so."""
    while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
        await asyncio.sleep(0.001)
