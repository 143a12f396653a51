"""The session cache: spares the store one read for each authenticated request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pet.domain.ids import SessionId, UserId


@dataclass(frozen=True, slots=True)
class CachedSession:
    """What a request needs to know of an open session; `role` is the user's when the session was read."""

    session_id: SessionId
    user_id: UserId
    role: str
    expires_at: datetime


class SessionCache(Protocol):
    """Remembers open sessions for a while, and no longer than they live.

    An ended session is forgotten at once where it was ended, and within 2 seconds in every other process.
    """

    async def find(self, session_id: SessionId) -> CachedSession | None:
        """Return a session that is still remembered, or None: then the store knows."""

    async def remember(self, session: CachedSession) -> None:
        """Remember a session from now on, in the place of what was known of it."""

    async def forget(self, session_id: SessionId) -> None:
        """Forget one session; forgetting what is not remembered does nothing."""

    async def forget_user(self, user_id: UserId) -> None:
        """Forget all sessions of a user."""
