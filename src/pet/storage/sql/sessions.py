"""`Sessions` in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

from pet.domain.errors import Service
from pet.domain.ids import SessionId, UserId
from pet.domain.sessions import MAX_LISTED, Session
from pet.domain.times import from_milliseconds, to_milliseconds
from pet.storage.coalescing import Coalescing
from pet.storage.sql.database import Database, Row, Statements, placeholders

EXPIRED_AT_ONCE = 20


class SqlSessions:
    """Keeps sessions in the table `session`."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.AUTH)
        self._by_id = Coalescing[SessionId, Session](self._read_by_id)

    async def add(self, session: Session) -> None:
        """See `Sessions.add`. Some expired sessions go by the way, anyone's, so that the table does not grow."""

        async def work(sql: Statements) -> None:
            # A change of password ends all sessions: this one comes before it, and ends, or waits until it is done.
            await sql.lock("account", "user_id", session.user_id)
            expired = (
                "SELECT session_id FROM session WHERE expires_ms <= ?"
                f" ORDER BY expires_ms LIMIT ?{sql.for_update_of_free}"
            )
            delete = f"DELETE FROM session WHERE session_id IN ({expired})"
            await sql.run(delete, to_milliseconds(session.created_at), EXPIRED_AT_ONCE)
            await sql.insert("session", _to_row(session))

        await self._db.atomically(work)

    async def find(self, session_id: SessionId) -> Session | None:
        """See `Sessions.find`."""
        return await self._by_id.get(session_id)

    async def _read_by_id(self, session_ids: Sequence[SessionId]) -> Mapping[SessionId, Session]:
        is_wanted, values = self._db.among("session_id", session_ids)
        rows = await self._db.rows(f"SELECT * FROM session WHERE {is_wanted}", *values)
        return {SessionId(row["session_id"]): _from_row(row) for row in rows}

    async def rotate(
        self, session_id: SessionId, *, presented: str, successor: str, now: datetime, until: datetime
    ) -> bool:
        """See `Sessions.rotate`."""
        moment = to_milliseconds(now)

        async def work(sql: Statements) -> bool:
            update = (
                "UPDATE session SET token_hash = ?, previous_hash = ?, rotated_ms = ?, last_used_ms = ?, expires_ms = ?"
                " WHERE session_id = ? AND token_hash = ? AND expires_ms > ?"
            )
            values = (successor, presented, moment, moment, to_milliseconds(until), session_id, presented, moment)
            return await sql.run(update, *values) == 1

        return await self._db.atomically(work)

    async def of_user(self, user_id: UserId, now: datetime) -> Sequence[Session]:
        """See `Sessions.of_user`."""
        select = (
            "SELECT * FROM session WHERE user_id = ? AND expires_ms > ?"
            " ORDER BY last_used_ms DESC, session_id DESC LIMIT ?"
        )
        rows = await self._db.rows(select, user_id, to_milliseconds(now), MAX_LISTED)
        return [_from_row(row) for row in rows]

    async def open_among(self, session_ids: Sequence[SessionId], now: datetime) -> AbstractSet[SessionId]:
        """See `Sessions.open_among`."""
        select = f"SELECT session_id FROM session WHERE session_id IN ({placeholders(session_ids)}) AND expires_ms > ?"
        return {SessionId(row["session_id"]) for row in await self._db.rows(select, *session_ids, to_milliseconds(now))}

    async def remove(self, session_id: SessionId) -> None:
        """See `Sessions.remove`."""

        async def work(sql: Statements) -> None:
            await sql.run("DELETE FROM session WHERE session_id = ?", session_id)

        await self._db.atomically(work)

    async def remove_all(self, user_id: UserId, *, keep: SessionId | None = None) -> None:
        """See `Sessions.remove_all`."""

        async def work(sql: Statements) -> None:
            await sql.lock("account", "user_id", user_id)  # as `add` does
            await sql.run("DELETE FROM session WHERE user_id = ? AND session_id <> ?", user_id, keep or "")

        await self._db.atomically(work)


def _to_row(session: Session) -> Row:
    return {
        "session_id": session.session_id,
        "user_id": session.user_id,
        "token_hash": session.token_hash,
        "previous_hash": session.previous_hash,
        "rotated_ms": to_milliseconds(session.rotated_at),
        "created_ms": to_milliseconds(session.created_at),
        "last_used_ms": to_milliseconds(session.last_used_at),
        "expires_ms": to_milliseconds(session.expires_at),
        "user_agent": session.user_agent,
    }


def _from_row(row: Row) -> Session:
    return Session(
        session_id=SessionId(row["session_id"]),
        user_id=UserId(row["user_id"]),
        token_hash=row["token_hash"],
        previous_hash=row["previous_hash"],
        rotated_at=from_milliseconds(row["rotated_ms"]),
        created_at=from_milliseconds(row["created_ms"]),
        last_used_at=from_milliseconds(row["last_used_ms"]),
        expires_at=from_milliseconds(row["expires_ms"]),
        user_agent=row["user_agent"],
    )
