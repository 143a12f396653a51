"""Who listens: how many subscriptions a user has open in this process, and the sessions that they belong to.

A subscription lives as long as its session: the access token that opened it may expire meanwhile, since a client renews
that beside an open connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pet.domain.errors import Invalid, Unauthenticated, Unavailable
from pet.domain.ids import SessionId, UserId
from pet.domain.sessions import Sessions
from pet.domain.times import Clock
from pet.domain.viewers import Viewer

SESSIONS_AT_ONCE = 500

log = logging.getLogger("pet.listeners")


class SessionEnded(Unauthenticated):
    """The session to which a subscription belongs has ended meanwhile."""

    def __init__(self) -> None:
        super().__init__("The session has ended. Please log in again.")


class Listeners:
    """Counts those who listen, and tells them when their session has ended.

    Args:
        per_user: how many subscriptions of one user may be open in this process.
    """

    def __init__(self, sessions: Sessions, clock: Clock, *, per_user: int) -> None:
        self._sessions = sessions
        self._clock = clock
        self._per_user = per_user
        self._open: Counter[UserId] = Counter()
        self._ended: dict[SessionId, set[asyncio.Event]] = {}

    @asynccontextmanager
    async def admit(self, viewer: Viewer) -> AsyncIterator[asyncio.Event]:
        """Count a subscription as open until the context is left; give what is set when its session has ended.

        Raises:
            Invalid: the user has as many as one may have.
        """
        if self._open[viewer.user_id] >= self._per_user:
            raise Invalid(f"You have {self._per_user} subscriptions open, and may not have more. Close one first.")
        ended = asyncio.Event()
        self._open[viewer.user_id] += 1
        if viewer.session_id:
            self._ended.setdefault(viewer.session_id, set()).add(ended)
        try:
            yield ended
        finally:
            self._leave(viewer, ended)

    async def look(self) -> None:
        """Look whether the sessions of those who listen are still open, in a read for 500 of them.

        A store that is down is asked again the next time.
        """
        known = list(self._ended)
        for start in range(0, len(known), SESSIONS_AT_ONCE):
            some = known[start : start + SESSIONS_AT_ONCE]
            try:
                still_open = await self._sessions.open_among(some, self._clock())
            except Unavailable as error:
                log.warning("sessions cannot be looked at", extra={"reason": repr(error.__cause__)})
                return
            for session_id in set(some) - still_open:
                for ended in self._ended.get(session_id, ()):
                    ended.set()

    def _leave(self, viewer: Viewer, ended: asyncio.Event) -> None:
        self._open[viewer.user_id] -= 1
        if not self._open[viewer.user_id]:
            del self._open[viewer.user_id]
        if viewer.session_id:
            others = self._ended[viewer.session_id]
            others.discard(ended)
            if not others:
                del self._ended[viewer.session_id]
