"""The connection to Redis: bounded, quick to give up, and left alone while Redis is away."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from typing import TypeVar
from urllib.parse import urlsplit

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from pet.domain.tasks import ended
from pet.storage.opening import CannotOpen

DEADLINE_SECONDS = 0.5
"""The service goes on without Redis, so a request does not wait for it as long as for what it needs."""

PROBE_PAUSE_SECONDS = 0.5
CONNECTIONS = 32
"""More commands at a time wait for their turn, within their deadline."""

EPOCH_SECONDS = 86_400

FAILURES = (exceptions.RedisError, OSError, RuntimeError)
"""What redis-py raises; OSError includes the TimeoutError of asyncio. RuntimeError is uvloop's, when a connection has
just ended."""

_REASONS: dict[type[Exception], str] = {
    exceptions.BusyLoadingError: "is still loading its data. Start again when it has finished.",
    exceptions.AuthenticationError: "refuses the user or the password. Correct them in the URL.",
    exceptions.NoPermissionError: "does not allow its user what is needed. docs/engines/redis.md lists it.",
    exceptions.ReadOnlyError: "is a replica, which only reads. Name the primary.",
    exceptions.OutOfMemoryError: "is out of memory. Raise maxmemory, or set maxmemory-policy to volatile-ttl.",
    exceptions.ConnectionError: "does not answer as a Redis server does. Start it, or correct the URL.",
    exceptions.TimeoutError: "does not answer in time. Start it, or correct the URL.",
    OSError: "does not answer in time. Start it, or correct the URL.",
}
"""What is wrong and what to do, by the first kind that an error is of."""

T = TypeVar("T")

log = logging.getLogger("pet.redis")


class RedisAway(Exception):
    """Redis does not answer; whatever was asked of it may or may not have been done."""


class RedisServer:
    """One Redis server, which may go away.

    `epoch_key` holds a random text that changes whenever a process starts, or finds Redis again that it had lost. It
    may have done something meanwhile that others should have heard of by Redis, so what was kept for them in an older
    epoch is not to be believed. `epoch` is the one that was seen last.

    After a failure it is left alone: whoever asks is told at once that it is away, until a probe in the background,
    twice a second, succeeds. So a server that hangs costs one deadline, and not one for every command.

    Args:
        fingerprint: short text that tells installations apart which use one server; part of every name.
        timeout_seconds: the deadline of a command, connecting included; half a second at most.
    """

    def __init__(self, url: str, *, fingerprint: str, timeout_seconds: float) -> None:
        self.deadline_seconds = min(timeout_seconds, DEADLINE_SECONDS)
        self._fingerprint = fingerprint
        self._pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=self.deadline_seconds,
            socket_timeout=self.deadline_seconds,
            socket_connect_timeout=self.deadline_seconds,
            retry=Retry(NoBackoff(), 0),  # a command whose answer was lost would be done twice
            protocol=2,  # version 3 brings a handshake about moving servers that this service has no use for
            driver_info=None,
        )
        self._database = int(self._pool.connection_kwargs.get("db", 0))
        self.client = Redis(connection_pool=self._pool)
        self.epoch_key = self.key("epoch")
        self.epoch = ""
        self._returning: asyncio.Task[None] | None = None
        self._is_closed = False

    def key(self, *parts: str) -> str:
        """Return the name of a key of this installation."""
        return ":".join(("pet", self._fingerprint, *parts))

    def channel(self, name: str) -> str:
        """Return the name of a channel of this installation; unlike keys, channels know no database numbers."""
        return self.key(str(self._database), name)

    @property
    def is_away(self) -> bool:
        """Whether Redis is left alone at the moment."""
        return self._returning is not None or self._is_closed

    async def ask(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what some commands give; nothing is repeated by itself.

        Raises:
            RedisAway: they failed, or took too long, or Redis was away before.
        """
        if self.is_away:
            raise RedisAway
        try:
            async with asyncio.timeout(self.deadline_seconds):
                return await work()
        except FAILURES as error:
            self.lose(error)
            raise RedisAway from error

    async def answers(self) -> bool:
        """Find out whether Redis answers, for the health check."""
        try:
            await self.ask(self.client.ping)
        except RedisAway:
            return False
        return True

    def lose(self, error: Exception) -> None:
        """Leave Redis alone from now on, until it answers again."""
        if not self.is_away:
            log.warning(
                "Redis is away: limits count in this process alone, and sessions are looked up in the database",
                extra={"reason": ": ".join(filter(None, (type(error).__name__, str(error))))},
            )
            self._returning = asyncio.create_task(self._await_return(), context=Context())  # no request's

    async def begin_epoch(self) -> None:
        """Begin a new epoch: the proof that Redis can be read, written and scripted."""
        epoch, begin = secrets.token_hex(8), "return redis.call('set', KEYS[1], ARGV[1], 'ex', ARGV[2])"
        async with asyncio.timeout(self.deadline_seconds):
            answer = await self.client.eval(begin, 1, self.epoch_key, epoch, EPOCH_SECONDS)
        if answer != b"OK":
            raise exceptions.InvalidResponse(repr(answer))
        self.epoch = epoch

    async def close(self) -> None:
        """Close all connections; Redis is away from then on."""
        self._is_closed = True
        if self._returning:
            await ended(self._returning)
        with suppress(*FAILURES):  # it need not be there to be left
            await self._pool.aclose()

    async def _await_return(self) -> None:
        while True:
            await asyncio.sleep(PROBE_PAUSE_SECONDS)
            try:
                # Connections that were idle may be dead without knowing it: each would cost a request its deadline.
                await self._pool.disconnect(inuse_connections=False)
                await self.begin_epoch()
            except FAILURES:
                continue
            self._returning = None
            log.info("Redis is back")
            return


@asynccontextmanager
async def open_redis(url: str, *, fingerprint: str, timeout_seconds: float) -> AsyncIterator[RedisServer]:
    """Connect to Redis until the context is left; see `RedisServer`.

    Raises:
        CannotOpen: it cannot be reached, or refuses.
    """
    server = RedisServer(url, fingerprint=fingerprint, timeout_seconds=timeout_seconds)
    try:
        async with told(url):
            await server.begin_epoch()
        yield server
    finally:
        await server.close()


@asynccontextmanager
async def told(url: str) -> AsyncIterator[None]:
    """Turn a failure at the start into what an operator is told.

    Raises:
        CannotOpen: what is done inside failed.
    """
    try:
        yield
    except FAILURES as error:
        raise CannotOpen("Redis server", "PET_REDIS_URL", _reason(error, _address(url))) from error


def _reason(error: Exception, address: str) -> str:
    if isinstance(error, exceptions.ResponseError) and "DB index" in str(error):
        return f"{address} has no database of that number. Correct the end of the URL; the first is 0."
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return f"{address} shows a certificate that is not trusted. Name its authority: ?ssl_ca_certs=/path/ca.pem."
    for kind, reason in _REASONS.items():
        if isinstance(error, kind):
            return f"{address} {reason}"
    return f"{address} answers {str(error)!r}. Is it a Redis server?"


def _address(url: str) -> str:
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"
