"""`Plays` in SQL."""

from __future__ import annotations

from datetime import datetime, timedelta

from pet.domain.errors import Service
from pet.domain.events import Event
from pet.domain.ids import FileId, UserId
from pet.domain.times import to_milliseconds
from pet.storage.sql.database import Database, Statements
from pet.storage.sql.delivery import store_event

DAY_MS = 24 * 60 * 60 * 1000


class SqlPlays:
    """Keeps, in `play`, when each listener's play of each track last counted, and in `play_ledger` every count."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.MEDIA)

    async def record(self, file_id: FileId, listener: str, event: Event, *, window: timedelta) -> bool:
        """See `Plays.record`."""
        now, oldest = to_milliseconds(event.occurred_at), to_milliseconds(event.occurred_at - window)

        async def work(sql: Statements) -> bool:
            upsert = (
                "INSERT INTO play (track_id, listener, played_ms) VALUES (?, ?, ?)"
                " ON CONFLICT (track_id, listener) DO UPDATE SET played_ms = excluded.played_ms"
                " WHERE play.played_ms <= ? RETURNING 1 AS counted"
            )
            if not await sql.rows(upsert, file_id, listener, now, oldest):
                return False
            ledger = (
                "INSERT INTO play_ledger (track_id, owner_id, day, plays) VALUES (?, ?, ?, 1)"
                " ON CONFLICT (track_id, day) DO UPDATE SET plays = play_ledger.plays + 1"
            )
            await sql.run(ledger, file_id, event.user_id, now // DAY_MS)
            await store_event(sql, event)
            return True

        return await self._db.atomically(work)

    async def trim(self, *, before: datetime) -> None:
        """See `Plays.trim`."""
        await self._db.delete_in_steps("play", "id", "played_ms < ?", to_milliseconds(before))

    async def purge(self, user_id: UserId) -> None:
        """See `Plays.purge`."""
        await self._db.delete_in_steps("play", "id", "listener = ?", user_id)
        await self._db.delete_in_steps("play_ledger", "id", "owner_id = ?", user_id)
