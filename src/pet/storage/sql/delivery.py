"""`Outbox` in SQL: events stored with their change, in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import orjson

from pet.domain.delivery import Delivered
from pet.domain.errors import Service
from pet.domain.events import Event, payload_of, restore
from pet.domain.ids import EventId
from pet.domain.paging import Position
from pet.domain.times import Clock, from_milliseconds, to_milliseconds
from pet.storage.sql.database import Database, Row, Statements, placeholders


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

    async def settle(self, event_id: EventId) -> bool:
        """See `Outbox.settle`."""

        async def work(sql: Statements) -> bool:
            update = "UPDATE outbox SET delivered_ms = coalesce(delivered_ms, ?) WHERE event_id = ?"
            return await sql.run(update, to_milliseconds(self._clock()), event_id) == 1

        return await self._db.atomically(work)

    async def oldest_pending(self) -> datetime | None:
        """See `Outbox.oldest_pending`."""
        row = await self._db.row("SELECT min(occurred_ms) AS oldest FROM outbox WHERE delivered_ms IS NULL")
        return from_milliseconds(row["oldest"]) if row and row["oldest"] is not None else None

    async def delivered(self, *, after: Position, limit: int) -> Sequence[Delivered]:
        """See `Outbox.delivered`."""
        select = "SELECT * FROM outbox WHERE (delivered_ms, event_id) > (?, ?) ORDER BY delivered_ms, event_id LIMIT ?"
        rows = await self._db.rows(select, to_milliseconds(after.at), after.id, limit)
        return [Delivered(_from_row(row), from_milliseconds(row["delivered_ms"])) for row in rows]

    async def unpublished(self, *, older_than: timedelta, limit: int) -> Sequence[Event]:
        """See `Outbox.unpublished`."""
        select = "SELECT * FROM outbox WHERE published_ms IS NULL AND occurred_ms <= ? ORDER BY event_id LIMIT ?"
        return [_from_row(row) for row in await self._db.rows(select, self._ago(older_than), limit)]

    async def mark_published(self, event_ids: Sequence[EventId]) -> None:
        """See `Outbox.mark_published`."""

        async def work(sql: Statements) -> None:
            update = f"UPDATE outbox SET published_ms = ? WHERE event_id IN ({placeholders(event_ids)})"
            await sql.run(update, to_milliseconds(self._clock()), *event_ids)

        await self._db.atomically(work)

    async def trim(self, *, before: datetime, keep_unpublished: bool) -> None:
        """See `Outbox.trim`."""
        condition = "delivered_ms < ?" + (" AND published_ms IS NOT NULL" if keep_unpublished else "")
        await self._db.delete_in_steps("outbox", "event_id", condition, to_milliseconds(before))

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
