"""`Outbox` in MongoDB: events stored with their change, in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from pet.domain.errors import Service
from pet.domain.events import Event, payload_of, restore
from pet.domain.ids import EventId, UserId, new_uuid7
from pet.domain.outbox import BORN_HELD, Backlog, Stored
from pet.domain.paging import Position
from pet.domain.times import Clock, from_milliseconds, to_milliseconds
from pet.storage.mongo.database import Database
from pet.storage.mongo.documents import OutboxDocument
from pet.storage.mongo.operations import Change, Filter, Operations, Row

_UNDELIVERED: Filter = {"delivered_ms": None}
_WAITS: Filter = {"delivered_ms": None, "parked_ms": None}
_BY_ID = {"_id": 1}
_MAX_ERROR = 500


async def store_events(mongo: Operations, events: Sequence[Event]) -> None:
    """Store events within the transaction of their change."""
    if events:
        await mongo.insert_all(OutboxDocument, [_to_row(event) for event in events])


async def store_event(mongo: Operations, event: Event) -> None:
    """Store one event."""
    await store_events(mongo, [event])


class MongoOutbox:
    """Keeps what `store_event` has stored, in the collection `outbox`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database.speaking_for(Service.USER)
        self._clock = clock

    async def claim(
        self, *, hold: timedelta, limit: int, after: EventId | None = None, even_held: bool = False
    ) -> Sequence[Event]:
        """See `Outbox.claim`.

        Each event is taken by itself, by a name that no other claim has: of two claims one finds it as it was.
        """
        now, name = self._clock(), new_uuid7()
        free: Row = {} if even_held else {"held_until_ms": {"$lt": to_milliseconds(now) + 1}}
        heads = _heads({**_WAITS, **free, "_id": {"$gt": after or ""}}, limit)
        found = await self._db.run(lambda mongo: mongo.aggregate(OutboxDocument, heads, batch=limit))
        if not found:
            return []
        chosen = {"_id": {"$in": [row["_id"] for row in found]}}
        take = {"$set": {"held_until_ms": to_milliseconds(now + hold), "claimed_by": name}}
        await self._db.run(lambda mongo: mongo.update_all(OutboxDocument, {**chosen, **_WAITS, **free}, take))
        return [to_event(row) for row in await self._rows({**chosen, "claimed_by": name}, limit)]

    async def waiting(
        self, user_id: UserId | None = None, *, upto: EventId | None = None, limit: int
    ) -> Sequence[Stored]:
        """See `Outbox.waiting`."""
        of_user: Row = {} if user_id is None else {"user_id": user_id}
        until: Row = {} if upto is None else {"_id": {"$lte": upto}}
        return [_to_stored(row) for row in await self._rows({**of_user, **_WAITS, **until}, limit)]

    async def settle(self, event_id: EventId) -> bool:
        """See `Outbox.settle`."""
        first_time = {"$ifNull": ["$delivered_ms", to_milliseconds(self._clock())]}
        return await self._update({"_id": event_id}, [{"$set": {"delivered_ms": first_time, "parked_ms": None}}])

    async def postpone(self, event_id: EventId, *, until: datetime, error: str | None = None) -> None:
        """See `Outbox.postpone`."""
        held = {"held_until_ms": to_milliseconds(until)}
        failed = {} if error is None else {"$inc": {"attempts": 1}}
        told = {} if error is None else {"error": error[:_MAX_ERROR]}
        await self._update({"_id": event_id}, {"$set": {**held, **told}, **failed})

    async def park(self, event_id: EventId, *, error: str) -> None:
        """See `Outbox.park`."""
        parked = {"parked_ms": to_milliseconds(self._clock()), "error": error[:_MAX_ERROR]}
        await self._update({"_id": event_id, **_UNDELIVERED}, {"$set": parked, "$inc": {"attempts": 1}})

    async def retry(self, event_id: EventId) -> bool:
        """See `Outbox.retry`."""
        fresh = {"parked_ms": None, "held_until_ms": 0, "attempts": 0, "error": None}
        return await self._update({"_id": event_id, **_UNDELIVERED}, {"$set": fresh})

    async def find(self, event_id: EventId) -> Stored | None:
        """See `Outbox.find`."""
        row = await self._db.run(lambda mongo: mongo.row(OutboxDocument, {"_id": event_id}))
        return _to_stored(row) if row else None

    async def troubled(self, *, after: EventId | None = None, limit: int) -> Sequence[Stored]:
        """See `Outbox.troubled`."""
        failed = {**_UNDELIVERED, "attempts": {"$gt": 0}, "_id": {"$gt": after or ""}}
        return [_to_stored(row) for row in await self._rows(failed, limit)]

    async def backlog(self) -> Backlog:
        """See `Outbox.backlog`."""
        is_parked = {"$cond": [{"$eq": ["$parked_ms", None]}, 0, 1]}
        sums = {"undelivered": {"$sum": 1}, "parked": {"$sum": is_parked}, "oldest": {"$min": "$occurred_ms"}}
        pipeline: list[Filter] = [{"$match": _UNDELIVERED}, {"$group": {"_id": None, **sums}}]
        rows = await self._db.run(lambda mongo: mongo.aggregate(OutboxDocument, pipeline))
        if not rows:
            return Backlog(waiting=0, parked=0, oldest_at=None)
        undelivered, parked, oldest = rows[0]["undelivered"], rows[0]["parked"], rows[0]["oldest"]
        return Backlog(waiting=undelivered - parked, parked=parked, oldest_at=from_milliseconds(oldest))

    async def delivered(self, *, after: Position, limit: int, names: Sequence[str] = ()) -> Sequence[Stored]:
        """See `Outbox.delivered`."""
        at = to_milliseconds(after.at)
        where: Row = {"delivered_ms": {"$gte": at}, "$or": [{"delivered_ms": {"$gt": at}}, {"_id": {"$gt": after.id}}]}
        if names:
            where["name"] = {"$in": [*names]}
        return [_to_stored(row) for row in await self._rows(where, limit, sort={"delivered_ms": 1, "_id": 1})]

    async def unpublished(self, *, older_than: timedelta, limit: int) -> Sequence[Event]:
        """See `Outbox.unpublished`."""
        where = {"published_ms": None, "occurred_ms": {"$lte": to_milliseconds(self._clock() - older_than)}}
        return [to_event(row) for row in await self._rows(where, limit)]

    async def mark_published(self, event_ids: Sequence[EventId]) -> None:
        """See `Outbox.mark_published`."""
        where, change = {"_id": {"$in": event_ids}}, {"$set": {"published_ms": to_milliseconds(self._clock())}}
        await self._db.run(lambda mongo: mongo.update_all(OutboxDocument, where, change))

    async def trim(self, *, before: datetime, keep_unpublished: bool) -> None:
        """See `Outbox.trim`."""
        published = {"published_ms": {"$ne": None}} if keep_unpublished else {}
        where = {"delivered_ms": {"$lt": to_milliseconds(before)}, **published}
        await self._db.delete_in_steps(OutboxDocument, where)

    async def _rows(self, where: Filter, limit: int, *, sort: dict[str, int] = _BY_ID) -> list[Row]:
        return await self._db.run(lambda mongo: mongo.rows(OutboxDocument, where, sort=sort, limit=limit))

    async def _update(self, where: Filter, change: Change) -> bool:
        return await self._db.run(lambda mongo: mongo.update(OutboxDocument, where, change))


def _heads(where: Filter, limit: int) -> list[Filter]:
    """Return what finds the events that wait behind no earlier one of their user: one look into an index for each."""
    is_earlier = {"$match": {**_WAITS, "$expr": {"$lt": ["$_id", "$$event_id"]}}}
    earlier = {
        "from": OutboxDocument.get_collection_name(),
        "localField": "user_id",
        "foreignField": "user_id",
        "let": {"event_id": "$_id"},
        "pipeline": [is_earlier, {"$limit": 1}, {"$project": {"_id": 1}}],
        "as": "earlier",
    }
    return [
        {"$match": where},
        {"$sort": _BY_ID},
        {"$project": {"user_id": 1}},
        {"$lookup": earlier},
        {"$match": {"earlier": []}},
        {"$limit": limit},
        {"$project": {"_id": 1}},
    ]


def to_event(row: Row) -> Event:
    """Make an event again from its document."""
    return restore(
        row["name"],
        row["payload"],
        event_id=row["_id"],
        user_id=row["user_id"],
        occurred_at=from_milliseconds(row["occurred_ms"]),
    )


def _to_row(event: Event) -> Row:
    nothing: dict[str, Any] = dict.fromkeys(("delivered_ms", "parked_ms", "published_ms", "claimed_by", "error"))
    return {
        "_id": event.event_id,
        "name": event.name,
        "user_id": event.user_id,
        "payload": payload_of(event),
        "occurred_ms": to_milliseconds(event.occurred_at),
        "held_until_ms": to_milliseconds(event.occurred_at + BORN_HELD),
        "attempts": 0,
        **nothing,
    }


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
