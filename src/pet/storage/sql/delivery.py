"""`Outbox` in SQL: events stored with their change, in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import orjson

from pet.domain.errors import Service
from pet.domain.events import Event, payload_of, restore
from pet.domain.ids import EventId, UserId
from pet.domain.outbox import BORN_HELD, Backlog, Stored
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
        "held_until_ms": to_milliseconds(event.occurred_at + BORN_HELD),
        "attempts": 0,
    }
    await sql.insert("outbox", record)


_WAITS = "delivered_ms IS NULL AND parked_ms IS NULL"
_EARLIER_WAITS = "earlier.delivered_ms IS NULL AND earlier.parked_ms IS NULL AND earlier.event_id < outbox.event_id"
_MAX_ERROR = 500


async def store_events(sql: Statements, events: Sequence[Event]) -> None:
    """Store several events, in their order."""
    for event in events:
        await store_event(sql, event)


class SqlOutbox:
    """Keeps what `store_event` has stored, in the table `outbox`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database.speaking_for(Service.USER)
        self._clock = clock

    async def claim(
        self, *, hold: timedelta, limit: int, after: EventId | None = None, even_held: bool = False
    ) -> Sequence[Event]:
        """See `Outbox.claim`."""
        now = self._clock()
        is_free = "" if even_held else " AND held_until_ms <= ?"
        earlier = f"SELECT 1 FROM outbox AS earlier WHERE earlier.user_id = outbox.user_id AND {_EARLIER_WAITS}"
        free = [] if even_held else [to_milliseconds(now)]

        async def work(sql: Statements) -> list[Row]:
            some = (
                f"SELECT event_id FROM outbox WHERE {_WAITS} AND event_id > ?{is_free}"
                f" AND NOT EXISTS ({earlier}) ORDER BY delivered_ms, event_id LIMIT ?{sql.for_update_of_free}"
            )
            update = f"UPDATE outbox SET held_until_ms = ? WHERE event_id IN ({some}) RETURNING *"
            return await sql.rows(update, to_milliseconds(now + hold), after or "", *free, limit)

        rows = await self._db.atomically(work)
        return [to_event(row) for row in sorted(rows, key=lambda row: str(row["event_id"]))]

    async def waiting(
        self, user_id: UserId | None = None, *, upto: EventId | None = None, limit: int
    ) -> Sequence[Stored]:
        """See `Outbox.waiting`."""
        conditions, values = [_WAITS], list[object]()
        for condition, value in (("user_id = ?", user_id), ("event_id <= ?", upto)):
            if value is not None:
                conditions.append(condition)
                values.append(value)
        # The index's whole order: PostgreSQL would sort all that waits.
        select = f"SELECT * FROM outbox WHERE {' AND '.join(conditions)} ORDER BY delivered_ms, event_id LIMIT ?"
        return [_to_stored(row) for row in await self._db.rows(select, *values, limit)]

    async def settle(self, event_id: EventId) -> bool:
        """See `Outbox.settle`."""
        return await self._update(
            event_id, "delivered_ms = coalesce(delivered_ms, ?), parked_ms = NULL", to_milliseconds(self._clock())
        )

    async def postpone(self, event_id: EventId, *, until: datetime, error: str | None = None) -> None:
        """See `Outbox.postpone`."""
        moment = to_milliseconds(until)
        if error is None:
            await self._update(event_id, "held_until_ms = ?", moment)
        else:
            await self._update(
                event_id, "held_until_ms = ?, attempts = attempts + 1, error = ?", moment, error[:_MAX_ERROR]
            )

    async def park(self, event_id: EventId, *, error: str) -> None:
        """See `Outbox.park`."""
        changes = (
            "parked_ms = CASE WHEN delivered_ms IS NULL THEN CAST(? AS BIGINT) END, attempts = attempts + 1, error = ?"
        )
        await self._update(event_id, changes, to_milliseconds(self._clock()), error[:_MAX_ERROR])

    async def retry(self, event_id: EventId) -> bool:
        """See `Outbox.retry`."""
        changes = "parked_ms = NULL, held_until_ms = 0, attempts = 0, error = NULL"
        return await self._update(event_id, changes, only="delivered_ms IS NULL")

    async def find(self, event_id: EventId) -> Stored | None:
        """See `Outbox.find`."""
        row = await self._db.row("SELECT * FROM outbox WHERE event_id = ?", event_id)
        return _to_stored(row) if row else None

    async def troubled(self, *, after: EventId | None = None, limit: int) -> Sequence[Stored]:
        """See `Outbox.troubled`."""
        failed = "delivered_ms IS NULL AND attempts > 0 AND event_id > ?"
        select = f"SELECT * FROM outbox WHERE {failed} ORDER BY delivered_ms, event_id LIMIT ?"
        return [_to_stored(row) for row in await self._db.rows(select, after or "", limit)]

    async def backlog(self) -> Backlog:
        """See `Outbox.backlog`."""
        select = (
            "SELECT count(*) AS undelivered, count(parked_ms) AS parked, min(occurred_ms) AS oldest FROM outbox"
            " WHERE delivered_ms IS NULL"
        )
        [row] = await self._db.rows(select)
        oldest_at = from_milliseconds(row["oldest"]) if row["oldest"] is not None else None
        return Backlog(waiting=row["undelivered"] - row["parked"], parked=row["parked"], oldest_at=oldest_at)

    async def delivered(self, *, after: Position, limit: int, names: Sequence[str] = ()) -> Sequence[Stored]:
        """See `Outbox.delivered`."""
        wanted = f" AND name IN ({placeholders(names)})" if names else ""
        select = (
            f"SELECT * FROM outbox WHERE (delivered_ms, event_id) > (?, ?){wanted}"
            " ORDER BY delivered_ms, event_id LIMIT ?"
        )
        position = (to_milliseconds(after.at), after.id)
        return [_to_stored(row) for row in await self._db.rows(select, *position, *names, limit)]

    async def unpublished(self, *, older_than: timedelta, limit: int) -> Sequence[Event]:
        """See `Outbox.unpublished`."""
        select = (
            "SELECT * FROM outbox WHERE published_ms IS NULL AND occurred_ms <= ?"
            " ORDER BY published_ms, event_id LIMIT ?"
        )
        moment = to_milliseconds(self._clock() - older_than)
        return [to_event(row) for row in await self._db.rows(select, moment, limit)]

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

    async def _update(self, event_id: EventId, changes: str, *values: object, only: str = "") -> bool:
        condition = f" AND {only}" if only else ""

        async def work(sql: Statements) -> bool:
            return await sql.run(f"UPDATE outbox SET {changes} WHERE event_id = ?{condition}", *values, event_id) == 1

        return await self._db.atomically(work)


def to_event(row: Row) -> Event:
    """Make an event again from its row."""
    return restore(
        row["name"],
        orjson.loads(row["payload"]),
        event_id=row["event_id"],
        user_id=row["user_id"],
        occurred_at=from_milliseconds(row["occurred_ms"]),
    )


def _to_stored(row: Row) -> Stored:
    return Stored(
        event=to_event(row),
        attempts=row["attempts"],
        error=row["error"],
        held_until=from_milliseconds(row["held_until_ms"]),
        delivered_at=_moment(row["delivered_ms"]),
        parked_at=_moment(row["parked_ms"]),
    )


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_milliseconds(milliseconds)
