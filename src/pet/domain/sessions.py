"""Sessions: one per login, kept alive by refresh tokens that are good for one use each.

A refresh token's id is stored hashed. Its successor's id follows from it, so that two tabs that refresh at the same
time are given the same successor without the store ever holding a token.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from pet.domain.errors import NotFound, Unauthenticated
from pet.domain.ids import SessionId, UserId, new_uuid7
from pet.domain.permissions import owns
from pet.domain.session_cache import CachedSession, SessionCache
from pet.domain.times import Clock
from pet.domain.tokens import AccessClaims, RefreshClaims, TokenSigner
from pet.domain.viewers import Client, Role, Viewer

REFRESH_LIFETIME = timedelta(days=30)
ROTATION_GRACE = timedelta(seconds=10)
"""Two tabs refresh at the same time: within this time the same successor is given again."""

MAX_LISTED = 100
_EXPIRED = "The session has ended. Please log in again."


@dataclass(frozen=True, slots=True)
class Session:
    """A login on one device. `token_hash` is that of the one refresh token that is still good."""

    session_id: SessionId
    user_id: UserId
    token_hash: str
    previous_hash: str | None
    rotated_at: datetime
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    user_agent: str


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a client keeps: the access token (15 minutes) with its expiry, and the refresh token (30 days)."""

    access_token: str
    refresh_token: str
    expires_at: datetime


class Sessions(Protocol):
    """Keeps sessions; an ended session is not there any more. `Accounts` ends those of a user all at once."""

    async def add(self, session: Session) -> None:
        """Keep a new session; one that begins while all sessions of the user are being ended comes after that."""

    async def find(self, session_id: SessionId) -> Session | None:
        """Return a session, or None when it has ended or never was."""

    async def rotate(
        self, session_id: SessionId, *, presented: str, successor: str, now: datetime, until: datetime
    ) -> bool:
        """Put the successor's hash in the place of the presented one, atomically; False when the presented one is not
        current.

        Also sets `previous_hash`, `rotated_at` and `last_used_at`, and moves `expires_at` to `until`.
        """

    async def of_user(self, user_id: UserId, now: datetime) -> Sequence[Session]:
        """Return a user's sessions that have not expired, last used first, at most 100.

        Equal times order by session id, descending.
        """

    async def open_among(self, session_ids: Sequence[SessionId], now: datetime) -> AbstractSet[SessionId]:
        """Return those of up to 500 sessions that have neither ended nor expired."""

    async def remove(self, session_id: SessionId) -> None:
        """End a session; ending it twice does nothing."""

    async def remove_all(self, user_id: UserId, *, keep: SessionId | None = None) -> None:
        """End all sessions of a user but one, at once; those that begin meanwhile come after that."""


RoleOf = Callable[[UserId], Awaitable[str | None]]
"""Looks up a user's role; None when the user is gone."""


class SessionService:
    """Opens, rotates, checks and ends sessions."""

    def __init__(self, sessions: Sessions, cache: SessionCache, tokens: TokenSigner, clock: Clock) -> None:
        self._sessions = sessions
        self._cache = cache
        self._tokens = tokens
        self._clock = clock

    async def open(self, user_id: UserId, client: Client) -> TokenPair:
        """Start a session for a user who has just proved who they are."""
        now = self._clock()
        session_id, token_id = SessionId(new_uuid7()), secrets.token_urlsafe(24)
        session = Session(
            session_id=session_id,
            user_id=user_id,
            token_hash=_stored(token_id),
            previous_hash=None,
            rotated_at=now,
            created_at=now,
            last_used_at=now,
            expires_at=now + REFRESH_LIFETIME,
            user_agent=client.user_agent,
        )
        await self._sessions.add(session)
        return self._pair(user_id, session_id, token_id, issued_at=now)

    async def refresh(self, refresh_token: str) -> tuple[UserId, TokenPair]:
        """Exchange a refresh token for the next pair.

        Raises:
            Unauthenticated: the token is bad, or was used before; the latter ends the session.
        """
        claims = self._tokens.read_refresh(refresh_token)
        now, successor = self._clock(), _successor(claims.token_id)
        rotated = await self._sessions.rotate(
            claims.session_id,
            presented=_stored(claims.token_id),
            successor=_stored(successor),
            now=now,
            until=now + REFRESH_LIFETIME,
        )
        issued_at = now if rotated else await self._repeated_at(claims, now)
        return claims.user_id, self._pair(claims.user_id, claims.session_id, successor, issued_at=issued_at)

    async def authenticate(self, access_token: str) -> AccessClaims:
        """Return what an access token claims, once its signature and form are right.

        Raises:
            Unauthenticated: the token is bad or expired.
        """
        return self._tokens.read_access(access_token)

    async def viewer(self, claims: AccessClaims, role_of: RoleOf) -> Viewer:
        """Return the viewer whose session is still open.

        Raises:
            Unauthenticated: the session has ended, or the user is gone.
        """
        cached = await self._cache.find(claims.session_id)
        if cached is None:
            session = await self._sessions.find(claims.session_id)
            role = await role_of(claims.user_id) if session and session.user_id == claims.user_id else None
            if session is None or role is None or session.expires_at <= self._clock():
                raise Unauthenticated(_EXPIRED)
            cached = CachedSession(session.session_id, session.user_id, role, session.expires_at)
            await self._cache.remember(cached)
        return Viewer(cached.user_id, Role(cached.role), cached.session_id)

    async def close(self, refresh_token: str) -> None:
        """End the session of a refresh token; ending it twice does nothing.

        Raises:
            Unauthenticated: the token is none of ours.
        """
        claims = self._tokens.read_refresh(refresh_token)
        await self._end(claims.session_id)

    async def listed(self, user_id: UserId) -> Sequence[Session]:
        """Return a user's open sessions, last used first, at most 100."""
        return await self._sessions.of_user(user_id, self._clock())

    async def revoke(self, viewer: Viewer, session_id: SessionId) -> None:
        """End one of the viewer's own sessions.

        Raises:
            NotFound: the viewer has no such session.
        """
        session = await self._sessions.find(session_id)
        if session is None or not owns(viewer, session.user_id):
            raise NotFound("Session not found", field="sessionId")
        await self._end(session_id)

    async def revoke_all(self, viewer: Viewer, *, keeps_current: bool) -> None:
        """End the viewer's own sessions, that of this request among them or all others."""
        await self._sessions.remove_all(viewer.user_id, keep=viewer.session_id if keeps_current else None)
        await self._cache.forget_user(viewer.user_id)

    async def forget_user(self, user_id: UserId) -> None:
        """Take note that sessions of a user were ended in the store, or that the user's role has changed."""
        await self._cache.forget_user(user_id)

    async def _end(self, session_id: SessionId) -> None:
        await self._sessions.remove(session_id)
        await self._cache.forget(session_id)

    async def _repeated_at(self, claims: RefreshClaims, now: datetime) -> datetime:
        """Return when the successor was first issued, if this is a repetition within the grace.

        Else end the session.
        """
        session = await self._sessions.find(claims.session_id)
        if session is None:
            raise Unauthenticated(_EXPIRED)
        repeated = session.previous_hash == _stored(claims.token_id)
        if repeated and now - session.rotated_at <= ROTATION_GRACE:
            return session.rotated_at
        await self._end(claims.session_id)
        raise Unauthenticated(_EXPIRED)

    def _pair(self, user_id: UserId, session_id: SessionId, token_id: str, *, issued_at: datetime) -> TokenPair:
        access, expires_at = self._tokens.issue_access(user_id, session_id, self._clock())
        refresh = self._tokens.issue_refresh(user_id, session_id, token_id, issued_at)
        return TokenPair(access_token=access, refresh_token=refresh, expires_at=expires_at)


def _stored(token_id: str) -> str:
    return hashlib.sha256(f"stored:{token_id}".encode()).hexdigest()


def _successor(token_id: str) -> str:
    return hashlib.sha256(f"successor:{token_id}".encode()).hexdigest()
