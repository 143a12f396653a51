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

    async def pending(self, *, older_than: timedelta, limit: int, after: EventId | None = None) -> Sequence[Event]:
        """See `Outbox.pending`."""
        select = (
            "SELECT * FROM outbox WHERE delivered_ms IS NULL AND event_id > ? AND occurred_ms <= ?"
            " ORDER BY event_id LIMIT ?"
        )
        rows = await self._db.rows(select, after or "", self._ago(older_than), limit)
        return [_from_row(row) for row in rows]

    async def settle(self, event_id: EventId) -> None:
        """See `Outbox.settle`."""

        async def work(sql: Statements) -> None:
            update = "UPDATE outbox SET delivered_ms = ? WHERE event_id = ? AND delivered_ms IS NULL"
            await sql.run(update, to_milliseconds(self._clock()), event_id)

        await self._db.atomically(work)

    async def trim(self, *, before: datetime) -> None:
        """See `Outbox.trim`."""
        moment = to_milliseconds(before)
        await self._db.delete_in_steps("outbox", "event_id", "delivered_ms < ?", moment)
        # Without its mark, an event whose bytes resist removal for days would be counted again.
        done = "NOT EXISTS (SELECT 1 FROM outbox WHERE event_id = applied_event.event_id AND delivered_ms IS NULL)"
        await self._db.delete_in_steps("applied_event", "event_id", f"applied_ms < ? AND {done}", moment)

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
