"""The session cache of all processes: in each process for a moment, in Redis for a minute, in front of the database.

What ends a session leaves a mark in Redis that outlives every access token of the session. Whatever is found beside a
mark is not believed, so it does not matter when a process writes what it had read before the end.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from datetime import timedelta
from typing import cast

import orjson

from pet.domain.ids import SessionId, UserId
from pet.domain.session_cache import CachedSession
from pet.domain.times import from_milliseconds, to_milliseconds, utc_now
from pet.domain.tokens import ACCESS_LIFETIME
from pet.domain.viewers import Role
from pet.storage.embedded.session_cache import EmbeddedSessionCache
from pet.storage.redis.client import EPOCH_SECONDS, RedisAway, RedisServer

TTL_SECONDS = 60.0
LOCAL_SECONDS = 1.5
"""With the half second that Redis may take to answer, a process believes for 2 seconds at most what it read there."""

MARK_SECONDS = round((ACCESS_LIFETIME + timedelta(minutes=1)).total_seconds())
"""After that no access token is left by which anybody could ask for the session."""


class RedisSessionCache:
    """Keeps the sessions that were used last.

    When a process alone has lost Redis, others learn of what it ends when it finds Redis again, or after a minute.

    Args:
        ttl_seconds: how long a session is believed to be open without asking the store.
        local: what this process remembers for a moment; 1.5 seconds by default.
    """

    def __init__(
        self, server: RedisServer, *, ttl_seconds: float = TTL_SECONDS, local: EmbeddedSessionCache | None = None
    ) -> None:
        self._server = server
        self._ttl_seconds = ttl_seconds
        self._local = local or EmbeddedSessionCache(ttl_seconds=LOCAL_SECONDS)
        self.channel = server.channel("sessions")

    async def find(self, session_id: SessionId) -> CachedSession | None:
        """Return a session that is still remembered, here or in Redis, or None."""
        session = await self._local.find(session_id)
        if session is None:
            with suppress(RedisAway):
                session = await self._server.ask(lambda: self._find(session_id))
            if session:
                await self._local.remember(session)
        return session

    async def remember(self, session: CachedSession) -> None:
        """Remember a session for the time to live, or for the rest of its life if that is shorter."""
        await self._local.remember(session)
        with suppress(RedisAway):
            await self._server.ask(lambda: self._remember(session))

    async def forget(self, session_id: SessionId) -> None:
        """Forget one session, in every process."""
        await self._local.forget(session_id)
        await self._mark("session", session_id)

    async def forget_user(self, user_id: UserId) -> None:
        """Forget all sessions of a user, in every process.

        As long as the mark lasts, the user's sessions are not kept in Redis: that they are read from the store is
        rarer, and simpler, than telling those that have ended from those that go on.
        """
        await self._local.forget_user(user_id)
        await self._mark("user", user_id)

    async def receive(self, message: bytes) -> None:
        """Forget in this process what was forgotten in another one."""
        kind, _, name = message.decode(errors="replace").partition(":")
        if kind == "session":
            await self._local.forget(SessionId(name))
        elif kind == "user":
            await self._local.forget_user(UserId(name))

    async def _find(self, session_id: SessionId) -> CachedSession | None:
        keys = (self._entry(session_id), self._mark_of("session", session_id), self._server.epoch_key)
        entry, mark, epoch = cast("list[bytes | None]", await self._server.client.mget(keys))
        if epoch is None:
            await self._begin_epoch()
        else:
            self._server.epoch = epoch.decode()
        if entry is None or mark is not None:
            return None
        session = _decoded(session_id, entry, self._server.epoch)
        if session and await self._server.client.exists(self._mark_of("user", session.user_id)):
            return None
        return session

    async def _remember(self, session: CachedSession) -> None:
        entry, left = self._entry(session.session_id), session.expires_at - utc_now()
        milliseconds = round(min(self._ttl_seconds, left.total_seconds()) * 1000)
        if milliseconds <= 0:
            await self._server.client.delete(entry)
        else:  # in the epoch that was seen before the store was asked, or an older one
            await self._server.client.set(entry, _encoded(session, self._server.epoch), px=milliseconds)

    async def _mark(self, kind: str, name: str) -> None:
        async def write() -> None:
            async with self._server.client.pipeline(transaction=False) as pipeline:
                pipeline.set(self._mark_of(kind, name), b"1", ex=MARK_SECONDS)
                pipeline.publish(self.channel, f"{kind}:{name}")
                await pipeline.execute()

        async def mark() -> None:
            with suppress(RedisAway):
                await self._server.ask(write)

        await asyncio.shield(asyncio.create_task(mark()))  # the session has ended, though the request be cancelled now

    async def _begin_epoch(self) -> None:
        """Begin an epoch where Redis was emptied or the old one has expired; of several at once, the first counts."""
        epoch = secrets.token_hex(8)
        if await self._server.client.set(self._server.epoch_key, epoch, nx=True, ex=EPOCH_SECONDS):
            self._server.epoch = epoch

    def _entry(self, session_id: SessionId) -> str:
        return self._server.key("session", session_id)

    def _mark_of(self, kind: str, name: str) -> str:
        return self._server.key("ended", kind, name)


def _encoded(session: CachedSession, epoch: str) -> bytes:
    return orjson.dumps([epoch, session.user_id, session.role, to_milliseconds(session.expires_at)])


def _decoded(session_id: SessionId, entry: bytes, epoch: str) -> CachedSession | None:
    """Return a session; None when the entry is of another epoch, or another version's."""
    try:
        written_in, user_id, role, expires_ms = orjson.loads(entry)
        session = CachedSession(session_id, UserId(user_id), Role(role).value, from_milliseconds(expires_ms))
    except (ValueError, TypeError, OverflowError, OSError):
        return None
    return session if written_in == epoch else None
