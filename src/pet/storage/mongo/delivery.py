"""`Outbox` in MongoDB: events stored with their change, in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pet.domain.delivery import Delivered
from pet.domain.errors import Service
from pet.domain.events import Event, payload_of, restore
from pet.domain.ids import EventId
from pet.domain.paging import Position
from pet.domain.times import Clock, from_milliseconds, to_milliseconds
from pet.storage.mongo.database import Database, Operations, Row
from pet.storage.mongo.documents import OutboxDocument


async def store_event(mongo: Operations, event: Event) -> None:
    """Store an event within the transaction of its change."""
    record = {
        "_id": event.event_id,
        "name": event.name,
        "user_id": event.user_id,
        "payload": payload_of(event),
        "occurred_ms": to_milliseconds(event.occurred_at),
        "delivered_ms": None,
        "published_ms": None,
    }
    await mongo.insert(OutboxDocument, record)


async def store_events(mongo: Operations, events: Sequence[Event]) -> None:
    """Store several events, in their order."""
    for event in events:
        await store_event(mongo, event)


class MongoOutbox:
    """Reads and settles what `store_event` has stored."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database.speaking_for(Service.USER)
        self._clock = clock

    async def pending(self, *, older_than: timedelta, limit: int, after: EventId | None = None) -> Sequence[Event]:
        """See `Outbox.pending`."""
        where = {"delivered_ms": None, "_id": {"$gt": after or ""}, "occurred_ms": {"$lte": self._ago(older_than)}}
        rows = await self._db.run(lambda mongo: mongo.rows(OutboxDocument, where, sort={"_id": 1}, limit=limit))
        return [_from_row(row) for row in rows]

    async def settle(self, event_id: EventId) -> bool:
        """See `Outbox.settle`."""
        first_time = {"$ifNull": ["$delivered_ms", to_milliseconds(self._clock())]}
        change = [{"$set": {"delivered_ms": first_time}}]
        return await self._db.run(lambda mongo: mongo.update(OutboxDocument, {"_id": event_id}, change))

    async def oldest_pending(self) -> datetime | None:
        """See `Outbox.oldest_pending`."""
        sort, fields = {"occurred_ms": 1}, {"occurred_ms": 1}
        rows = await self._db.run(
            lambda mongo: mongo.rows(OutboxDocument, {"delivered_ms": None}, fields=fields, sort=sort, limit=1)
        )
        return from_milliseconds(rows[0]["occurred_ms"]) if rows else None

    async def delivered(self, *, after: Position, limit: int) -> Sequence[Delivered]:
        """See `Outbox.delivered`."""
        at = to_milliseconds(after.at)
        where = {"delivered_ms": {"$gte": at}, "$or": [{"delivered_ms": {"$gt": at}}, {"_id": {"$gt": after.id}}]}
        sort = {"delivered_ms": 1, "_id": 1}
        rows = await self._db.run(lambda mongo: mongo.rows(OutboxDocument, where, sort=sort, limit=limit))
        return [Delivered(_from_row(row), from_milliseconds(row["delivered_ms"])) for row in rows]

    async def unpublished(self, *, older_than: timedelta, limit: int) -> Sequence[Event]:
        """See `Outbox.unpublished`."""
        where = {"published_ms": None, "occurred_ms": {"$lte": self._ago(older_than)}}
        rows = await self._db.run(lambda mongo: mongo.rows(OutboxDocument, where, sort={"_id": 1}, limit=limit))
        return [_from_row(row) for row in rows]

    async def mark_published(self, event_ids: Sequence[EventId]) -> None:
        """See `Outbox.mark_published`."""
        where, change = {"_id": {"$in": event_ids}}, {"$set": {"published_ms": to_milliseconds(self._clock())}}
        await self._db.run(lambda mongo: mongo.update_all(OutboxDocument, where, change))

    async def trim(self, *, before: datetime, keep_unpublished: bool) -> None:
        """See `Outbox.trim`."""
        published = {"published_ms": {"$ne": None}} if keep_unpublished else {}
        where = {"delivered_ms": {"$lt": to_milliseconds(before)}, **published}
        await self._db.delete_in_steps(OutboxDocument, where)

    def _ago(self, age: timedelta) -> int:
        return to_milliseconds(self._clock() - age)


def _from_row(row: Row) -> Event:
    return restore(
        row["name"],
        row["payload"],
        event_id=row["_id"],
        user_id=row["user_id"],
        occurred_at=from_milliseconds(row["occurred_ms"]),
    )
