"""A thousand clients that stall, each in its own way: everyone else is served meanwhile."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from pet.settings import Settings
from tests.conftest import PASSWORD
from tests.e2e.server import DEADLINE, PET, serve
from tests.media_factory import wav

pytestmark = pytest.mark.slow

EACH = 250
ADDRESSES = [f"127.0.0.{number}" for number in range(2, 12)]
"""A hundred connections from each: fewer than one address may have."""

USUAL_SOFT_LIMIT = 256
SOCKETS_OF_THIS_TEST = 4 * EACH + 1000


@pytest.fixture
def _enough_files() -> Iterator[None]:
    """Let this process open as many sockets as it needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < SOCKETS_OF_THIS_TEST:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(SOCKETS_OF_THIS_TEST, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def _a_low_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start servers as a shell does whose soft limit of open files is low: the server has to raise it."""
    program = tmp_path / "pet"
    program.write_text(f'#!/bin/sh\nulimit -S -n {USUAL_SOFT_LIMIT}\nexec {PET} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setattr("tests.e2e.server.PET", program)


def stall(stack: ExitStack, port: int, address: str, sent: bytes) -> socket.socket:
    """Connect from an address, send so much and no more, and read nothing."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE, source_address=(address, 0))
    stack.enter_context(connection)
    connection.sendall(sent)
    connection.setblocking(False)
    return connection


def is_open(connection: socket.socket) -> bool:
    """Tell whether the server has not ended a connection."""
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True


@asynccontextmanager
async def client_from(address: str, port: int) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client with an address of its own."""
    transport = httpx.AsyncHTTPTransport(local_address=address)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE) as client:
        yield client


@pytest.mark.usefixtures("_enough_files", "_a_low_limit")
async def test_a_thousand_stalled_connections_disturb_nobody(tmp_path: Path) -> None:
    async with serve(tmp_path / "data") as server:
        with ExitStack() as stack:
            ann = await server.service.register("ann")
            song = wav(40.0)
            uploaded = (await server.service.upload("track", song, by=ann)).json()["file"]
            track = f"/media/track/{uploaded['fileId']}"
            stalled = {
                "nothing": b"",
                "half a head": b"GET /users HTTP/1.1\r\nHost: x\r\nX-Half: ",
                "half a body": b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
                "unread": b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % track.encode(),
            }
            port, loop = server.service.settings.port, asyncio.get_running_loop()
            connections = [
                stall(stack, port, ADDRESSES[number % len(ADDRESSES)], sent)
                for sent in stalled.values()
                for number in range(EACH)
            ]
            for unread in connections[-EACH:]:
                assert await loop.sock_recv(unread, 15) == b"HTTP/1.1 200 OK"  # so the others have arrived too
            client = server.client
            assert (await client.get("/users/username/ann")).json()["data"]["userId"] == ann.user_id
            login = await client.post("/auth/login", json={"email": ann.email, "password": PASSWORD})
            assert login.status_code == 200
            assert (await client.get(track)).content == song
            assert (await server.service.graphql("{ profiles { totalCount } }"))["data"]["profiles"]["totalCount"] == 1
            assert all(map(is_open, connections))  # they were there all the time


async def test_one_address_cannot_take_all_connections(tmp_path: Path) -> None:
    most = Settings().connections_per_address
    async with serve(tmp_path / "data") as server:
        with ExitStack() as stack:
            port = server.service.settings.port
            for _ in range(most):
                stall(stack, port, "127.0.0.2", b"")
            async with client_from("127.0.0.2", port) as greedy, client_from("127.0.0.3", port) as another:
                refused = await greedy.get("/users")
                sentence = "Your address has too many connections open."
                assert (refused.status_code, refused.json()) == (429, {"success": False, "error": sentence})
                assert (await another.get("/users")).status_code == 200


async def test_a_trusted_proxy_may_open_as_many_as_it_likes(tmp_path: Path) -> None:
    async with serve(tmp_path / "data", connections_per_address="8", trusted_proxies="127.0.0.2") as server:
        with ExitStack() as stack:
            port = server.service.settings.port
            for _ in range(20):
                stall(stack, port, "127.0.0.2", b"")
            async with client_from("127.0.0.2", port) as proxy:
                assert (await proxy.get("/users")).status_code == 200
