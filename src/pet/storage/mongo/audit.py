"""`Audits` in MongoDB."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from beanie import Document

from pet.domain.audit import BATCH, MAX_UNDELIVERED, Counted, Snapshot
from pet.domain.errors import Service
from pet.domain.events import Event
from pet.domain.files import FileType
from pet.domain.follows import FollowState
from pet.domain.ids import EventId, FileId, UserId
from pet.domain.stats import Stats
from pet.storage.mongo.database import Database
from pet.storage.mongo.delivery import to_event
from pet.storage.mongo.documents import (
    AppliedEventDocument,
    FileDocument,
    FollowDocument,
    OutboxDocument,
    PlayLedgerDocument,
    ProfileDocument,
)
from pet.storage.mongo.operations import Filter, Operations

_FOLLOWING = FollowState.FOLLOWING.value


class MongoAudits:
    """Counts the documents behind the counters of the collection `profiles`."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.USER)

    async def look(
        self, *, user_ids: Sequence[UserId] | None = None, after: UserId | None = None, limit: int = BATCH
    ) -> Snapshot:
        """See `Audits.look`."""
        return await self._db.snapshot(lambda mongo: _look(mongo, user_ids, after, limit))

    async def correct(self, user_id: UserId, *, stats: Stats, plays: Mapping[FileId, int], seen: Counted) -> bool:
        """See `Audits.correct`."""

        async def work(mongo: Operations) -> bool:
            snapshot = await _look(mongo, [user_id], None, 1)
            if list(snapshot.profiles) != [seen]:
                return False
            await mongo.update(ProfileDocument, {"_id": user_id}, {"$set": {"stats": asdict(stats)}})
            for track, count in plays.items():
                await mongo.update(FileDocument, {"_id": track}, {"$set": {"play_count": count}})
            return True

        return await self._db.atomically(work)


async def _look(mongo: Operations, user_ids: Sequence[UserId] | None, after: UserId | None, limit: int) -> Snapshot:
    where: Filter = {"_id": {"$gt": after or ""} if user_ids is None else {"$in": user_ids}}
    rows = await mongo.rows(ProfileDocument, where, fields={"stats": 1}, sort={"_id": 1}, limit=limit)
    ids = [row["_id"] for row in rows]
    followers = await _numbers(mongo, FollowDocument, "following_id", ids, {"state": _FOLLOWING})
    following = await _numbers(mongo, FollowDocument, "follower_id", ids, {"state": _FOLLOWING})
    played = await _numbers(mongo, PlayLedgerDocument, "owner_id", ids, {}, of="$plays")
    plays = await _plays(mongo, ids)
    counted = {
        user_id: Stats(
            tracks=len(plays[user_id]),
            followers=followers.get(user_id, 0),
            following=following.get(user_id, 0),
            plays=played.get(user_id, 0),
        )
        for user_id in ids
    }
    last = await mongo.rows(OutboxDocument, {}, fields={"_id": 1}, sort={"_id": -1}, limit=1)
    return Snapshot(
        profiles=[
            Counted(UserId(row["_id"]), Stats(**row["stats"]), counted[row["_id"]], plays[row["_id"]]) for row in rows
        ],
        undelivered=await _undelivered(mongo),
        last_event=EventId(last[0]["_id"]) if last else None,
    )


async def _numbers(
    mongo: Operations, document: type[Document], field: str, ids: Sequence[str], where: Filter, *, of: int | str = 1
) -> Mapping[str, int]:
    """Return how many documents each user has, or the sum of one of their fields."""
    pipeline: list[Filter] = [
        {"$match": {field: {"$in": ids}, **where}},
        {"$group": {"_id": f"${field}", "number": {"$sum": of}}},
    ]
    return {row["_id"]: int(row["number"]) for row in await mongo.aggregate(document, pipeline)}


async def _plays(mongo: Operations, user_ids: Sequence[str]) -> Mapping[str, Mapping[FileId, tuple[int, int]]]:
    """Return the plays of each user's tracks, stored and counted; plays of a track belong to its one owner."""
    pipeline: list[Filter] = [
        {"$match": {"owner_id": {"$in": user_ids}}},
        {"$group": {"_id": "$track_id", "number": {"$sum": "$plays"}}},
    ]
    counted = {row["_id"]: int(row["number"]) for row in await mongo.aggregate(PlayLedgerDocument, pipeline)}
    tracks = {"user_id": {"$in": user_ids}, "type": FileType.TRACK.value}
    found: dict[str, dict[FileId, tuple[int, int]]] = defaultdict(dict)
    for row in await mongo.rows(FileDocument, tracks, fields={"user_id": 1, "play_count": 1}):
        found[row["user_id"]][FileId(row["_id"])] = (row["play_count"], counted.get(row["_id"], 0))
    return found


async def _undelivered(mongo: Operations) -> Sequence[Event]:
    """Return events whose effects are not applied, parked ones too."""
    applied = {
        "from": AppliedEventDocument.get_collection_name(),
        "localField": "_id",
        "foreignField": "_id",
        "as": "applied",
    }
    pipeline: list[Filter] = [
        {"$match": {"delivered_ms": None}},
        {"$sort": {"_id": 1}},
        {"$lookup": applied},
        {"$match": {"applied": []}},
        {"$limit": MAX_UNDELIVERED + 1},
    ]
    return [to_event(row) for row in await mongo.aggregate(OutboxDocument, pipeline)]
