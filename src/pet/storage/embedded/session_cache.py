"""The session cache: the sessions used last, for a moment."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import NamedTuple

from pet.domain.ids import SessionId, UserId
from pet.domain.session_cache import CachedSession
from pet.domain.times import utc_now

TTL_SECONDS = 2.0
CAPACITY = 10_000


class _Entry(NamedTuple):
    session: CachedSession
    until: float


class EmbeddedSessionCache:
    """Keeps the sessions that were used last, in memory.

    Args:
        ttl_seconds: how long a session is believed to be open without asking the store: 2 by default. For that long a
            session is still let in after another process has revoked it.
        capacity: how many are kept; the one whose use is longest ago goes first.
    """

    def __init__(self, *, ttl_seconds: float = TTL_SECONDS, capacity: int = CAPACITY) -> None:
        self._ttl_seconds = ttl_seconds
        self._capacity = capacity
        self._entries: OrderedDict[SessionId, _Entry] = OrderedDict()

    async def find(self, session_id: SessionId) -> CachedSession | None:
        """Return a session that is still remembered, or None."""
        entry = self._entries.get(session_id)
        if entry is None:
            return None
        if entry.until <= time.monotonic():
            del self._entries[session_id]
            return None
        self._entries.move_to_end(session_id)
        return entry.session

    async def remember(self, session: CachedSession) -> None:
        """Remember a session for the time to live, or for the rest of its life if that is shorter."""
        remaining_seconds = (session.expires_at - utc_now()).total_seconds()
        until = time.monotonic() + min(self._ttl_seconds, remaining_seconds)
        self._entries[session.session_id] = _Entry(session, until)
        self._entries.move_to_end(session.session_id)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    async def forget(self, session_id: SessionId) -> None:
        """Forget one session."""
        self._entries.pop(session_id, None)

    async def forget_user(self, user_id: UserId) -> None:
        """Forget all sessions of a user; rare enough to look through all entries (under a millisecond when full)."""
        for session_id in [key for key, entry in self._entries.items() if entry.session.user_id == user_id]:
            del self._entries[session_id]
