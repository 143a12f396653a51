"""Clients that take nothing any more: each is let go in bounded time, and nothing piles up for it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pet.http_protocol import ImpatientProtocol
from pet.websocket_protocol import ImpatientWebSocket
from tests.conftest import Person, Service
from tests.schema.operations import run
from tests.schema.talking import first_subscriber, serving

BIG = "subscription { feedActivity { " + " ".join(f"a{n}: actor {{ username bio }}" for n in range(90)) + " } }"


@asynccontextmanager
async def deaf(address: str) -> AsyncIterator[asyncio.StreamWriter]:
    """Connect with small buffers, and read nothing."""
    host, _, port = address.partition(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (host, int(port)))
    _, writer = await asyncio.open_connection(sock=connection, limit=1024)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    try:
        yield writer
    finally:
        writer.transport.abort()


def frame(message: dict[str, object]) -> bytes:
    """Return a client's text frame, masked with zeros."""
    payload = json.dumps(message).encode()
    return b"\x81" + bytes([0x80 | 126]) + len(payload).to_bytes(2, "big") + bytes(4) + payload


def handshake(address: str) -> bytes:
    lines = [
        "GET /graphql HTTP/1.1",
        f"Host: {address}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: graphql-transport-ws",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


async def talk_until(gone: asyncio.Event, service: Service, by: Person) -> None:
    """Let somebody make news until a listener is gone."""
    number = 0
    async with asyncio.timeout(30):
        while not gone.is_set():
            number += 1
            await run(service, "UpdateProfile", {"input": {"bio": f"{number}" * 400}}, by=by)


async def lets_go(service: Service, address: str, by: Person, opening: list[bytes]) -> None:
    """Open a subscription that nobody reads, make news, and wait until the server has let the client go."""
    async with first_subscriber() as listens, deaf(address) as writer:
        for sent in opening:
            writer.write(sent)
            await asyncio.sleep(0.1)
        await asyncio.wait_for(listens.wait(), 10)
        gone = asyncio.Event()
        talking = asyncio.create_task(talk_until(gone, service, by))
        await asyncio.wait_for(listens.gone(), 30)
        gone.set()
        await talking


@pytest.fixture
async def address(service: Service, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    monkeypatch.setattr(ImpatientWebSocket, "write_seconds", 0.5)
    monkeypatch.setattr(ImpatientWebSocket, "goodbye_seconds", 0.2)
    monkeypatch.setattr("pet.schema.streams.WRITE_SECONDS", 0.5)
    async with serving(service.app, ws_ping_interval=0.2, ws_ping_timeout=0.5) as opened:
        yield opened


async def connections_end() -> None:
    """Wait until the server is busy with no connection any more."""
    busy = [task for task in asyncio.all_tasks() if "run_asgi" in repr(task)]
    if busy:
        _, pending = await asyncio.wait(busy, timeout=5)
        assert not pending


async def test_a_socket_that_is_not_read_is_let_go(service: Service, address: str, ann: Person, bob: Person) -> None:
    await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    opening = [
        handshake(address),
        frame({"type": "connection_init", "payload": bob.headers}),
        frame({"type": "subscribe", "id": "1", "payload": {"query": BIG}}),
    ]
    await lets_go(service, address, ann, opening)
    await connections_end()


async def test_a_stream_that_is_not_read_is_let_go(service: Service, address: str, ann: Person, bob: Person) -> None:
    assert ImpatientProtocol.head_seconds == 30
    await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    body = json.dumps({"query": BIG}).encode()
    head = [
        "POST /graphql HTTP/1.1",
        f"Host: {address}",
        "Accept: text/event-stream",
        "Content-Type: application/json",
        f"Authorization: {bob.headers['Authorization']}",
        f"Content-Length: {len(body)}",
        "",
        "",
    ]
    await lets_go(service, address, ann, ["\r\n".join(head).encode() + body])
    await connections_end()


async def test_a_client_that_answers_no_ping_is_let_go(service: Service, address: str, ann: Person) -> None:
    async with deaf(address) as writer:
        writer.write(handshake(address))
        await asyncio.sleep(0.1)
        writer.write(frame({"type": "connection_init", "payload": ann.headers}))
        await asyncio.sleep(0.1)
        assert any("run_asgi" in repr(task) for task in asyncio.all_tasks())
        await connections_end()
