"""Talking graphql-transport-ws to a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from socket import create_server
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from pet.domain.broadcast import Subscription
from pet.http_protocol import ImpatientProtocol
from pet.storage.embedded.broadcast import EmbeddedBroadcast
from pet.websocket_protocol import ImpatientWebSocket
from tests.conftest import Person

PROTOCOL = Subprotocol("graphql-transport-ws")
PATIENCE_SECONDS = 60
"""Far more than anything takes, on servers that share two cores with the tests as well."""


@asynccontextmanager
async def serving(app: ASGIApp, **options: Any) -> AsyncIterator[str]:
    """Serve an application on a free port of this machine, in this event loop, and give its address."""
    config = uvicorn.Config(
        app,
        http=ImpatientProtocol,
        lifespan="off",
        log_config=None,
        ws=ImpatientWebSocket,
        ws_max_size=1024**2,
        ws_per_message_deflate=False,
        **options,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    with create_server(("127.0.0.1", 0)) as listener:
        await server.startup(sockets=[listener])
        host, port = listener.getsockname()
        yield f"{host}:{port}"
        await server.shutdown(sockets=[listener])


@asynccontextmanager
async def talking(address: str, **options: Any) -> AsyncIterator[ClientConnection]:
    """Open a WebSocket that has said nothing yet."""
    async with connect(f"ws://{address}/graphql", subprotocols=[PROTOCOL], proxy=None, **options) as socket:
        yield socket


async def say(socket: ClientConnection, kind: str, **other: Any) -> None:
    """Send one message."""
    await socket.send(json.dumps({"type": kind, **other}))


async def hear(socket: ClientConnection) -> dict[str, Any]:
    """Return the next message, which must be a text frame: a browser's JSON.parse takes no other."""
    frame = await asyncio.wait_for(socket.recv(), PATIENCE_SECONDS)
    assert isinstance(frame, str)
    message: dict[str, Any] = json.loads(frame)
    return message


async def greet(socket: ClientConnection, by: Person | None = None) -> None:
    """Begin the protocol, with a token where somebody speaks."""
    await say(socket, "connection_init", **({"payload": by.headers} if by else {}))
    assert await hear(socket) == {"type": "connection_ack"}


async def close_code(socket: ClientConnection) -> int | None:
    """Return the code with which the server closes, whatever it says before."""
    try:
        while True:
            await hear(socket)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


@asynccontextmanager
async def listening(
    address: str, query: str, name: str, *, by: Person
) -> AsyncIterator[Callable[[], Awaitable[dict[str, Any]]]]:
    """Open a subscription, wait until it listens, and give a function that returns its next result."""
    async with talking(address) as socket, first_subscriber() as listens:
        await greet(socket, by)
        await say(socket, "subscribe", id="1", payload={"query": query, "operationName": name})
        await asyncio.wait_for(listens.wait(), PATIENCE_SECONDS)

        async def heard() -> dict[str, Any]:
            message = await hear(socket)
            assert (message["id"], message["type"]) == ("1", "next"), message
            payload: dict[str, Any] = message["payload"]
            return payload

        yield heard


class Listening(asyncio.Event):
    """Set once somebody has subscribed to a broadcast: the protocols themselves do not tell."""

    def __init__(self) -> None:
        super().__init__()
        self._gone = asyncio.Event()

    async def gone(self) -> None:
        """Wait until nobody is subscribed any more."""
        await self._gone.wait()

    def leave(self) -> None:
        """Tell that the subscriber is gone."""
        self._gone.set()


@asynccontextmanager
async def first_subscriber() -> AsyncIterator[Listening]:
    """Give an event that is set once somebody has subscribed to a broadcast."""
    listens, original = Listening(), EmbeddedBroadcast.subscribe

    @asynccontextmanager
    async def observed(self: EmbeddedBroadcast[Any]) -> AsyncIterator[Subscription[Any]]:
        async with original(self) as messages:
            listens.set()
            try:
                yield messages
            finally:
                listens.leave()

    EmbeddedBroadcast.subscribe = observed  # type: ignore[method-assign]
    try:
        yield listens
    finally:
        EmbeddedBroadcast.subscribe = original  # type: ignore[method-assign]
