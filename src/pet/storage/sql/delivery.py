"""`Outbox` in SQL: events stored with their change, in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import orjson

from pet.domain.errors import Service
from pet.domain.events import Event, payload_of, restore
from pet.domain.ids import EventId
from pet.domain.times import Clock, from_milliseconds, to_milliseconds
from pet.storage.sql.database import Database, Row, Statements


async def store_event(sql: Statements, event: Event) -> None:
    """Store an event within the transaction of its change."""
    record = {
        "event_id": event.event_id,
        "name": event.name,
        "user_id": event.user_id,
        "payload": orjson.dumps(payload_of(event)).decode(),
        "occurred_ms": to_milliseconds(event.occurred_at),
    }
    await sql.insert("outbox", record)


async def store_events(sql: Statements, events: Sequence[Event]) -> None:
    """Store several events, in their order."""
    for event in events:
        await store_event(sql, event)


class SqlOutbox:
    """Reads and settles what `store_event` has stored."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database.speaking_for(Service.USER)
        self._clock = clock

    async def pending(self, *, older_than: timedelta, limit: int) -> Sequence[Event]:
        """See `Outbox.pending`."""
        select = "SELECT * FROM outbox WHERE delivered_ms IS NULL AND occurred_ms <= ? ORDER BY event_id LIMIT ?"
        return [_from_row(row) for row in await self._db.rows(select, self._ago(older_than), limit)]

    async def settle(self, event_id: EventId) -> None:
        """See `Outbox.settle`."""

        async def work(sql: Statements) -> None:
            update = "UPDATE outbox SET delivered_ms = ? WHERE event_id = ? AND delivered_ms IS NULL"
            await sql.run(update, to_milliseconds(self._clock()), event_id)

        await self._db.atomically(work)

    async def trim(self, *, before: datetime) -> None:
        """See `Outbox.trim`."""
        moment = to_milliseconds(before)

        async def work(sql: Statements) -> None:
            await sql.run("DELETE FROM outbox WHERE delivered_ms < ?", moment)
            await sql.run("DELETE FROM applied_event WHERE applied_ms < ?", moment)

        await self._db.atomically(work)

    def _ago(self, age: timedelta) -> int:
        return to_milliseconds(self._clock() - age)


def _from_row(row: Row) -> Event:
    return restore(
        row["name"],
        orjson.loads(row["payload"]),
        event_id=row["event_id"],
        user_id=row["user_id"],
        occurred_at=from_milliseconds(row["occurred_ms"]),
    )
