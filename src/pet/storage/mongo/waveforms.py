"""`Waveforms` in MongoDB (`storage/sql/waveforms.py` tells how a claim holds)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pet.domain.errors import Service
from pet.domain.files import FileType
from pet.domain.ids import FileId
from pet.domain.times import from_milliseconds, to_milliseconds
from pet.domain.waveforms import Claim, Processing, Waveform
from pet.storage.mongo.database import Database
from pet.storage.mongo.documents import LOCK, FileDocument, WaveformDocument
from pet.storage.mongo.operations import Filter, Operations, Row


class MongoWaveforms:
    """Keeps waveforms in the collection `waveforms`."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.MEDIA)

    async def get_many(self, file_ids: Sequence[FileId]) -> Mapping[FileId, Waveform]:
        """See `Waveforms.get_many`."""
        where = {"_id": {"$in": file_ids}}
        rows = await self._db.run(lambda mongo: mongo.rows(WaveformDocument, where))
        return {row["_id"]: _from_row(row) for row in rows}

    async def want_missing(self, at: datetime, *, after: FileId | None, limit: int) -> FileId | None:
        """See `Waveforms.want_missing`."""
        next_ones, fields = {"_id": {"$gt": after or ""}}, {"type": 1}
        rows = await self._db.run(
            lambda mongo: mongo.rows(FileDocument, next_ones, fields=fields, sort={"_id": 1}, limit=limit)
        )
        tracks = [row["_id"] for row in rows if row["type"] == FileType.TRACK.value]
        known = await self.get_many(tracks)
        for track in tracks:
            if track not in known:
                await self._want(track, to_milliseconds(at))
        return FileId(rows[-1]["_id"]) if len(rows) == limit else None

    async def claim(self, now: datetime, *, until: datetime) -> Claim | None:
        """See `Waveforms.claim`."""
        due: Filter = {"due_ms": {"$lte": to_milliseconds(now)}}
        hold = {"$set": {"due_ms": to_milliseconds(until)}, "$inc": {"attempts": 1}}

        async def work(mongo: Operations) -> Claim | None:
            for row in await mongo.rows(WaveformDocument, due, fields={"due_ms": 1}, sort={"due_ms": -1}, limit=1):
                before = await mongo.replace(WaveformDocument, {"_id": row["_id"], "due_ms": row["due_ms"]}, hold)
                if before is not None:
                    return Claim(FileId(row["_id"]), from_milliseconds(to_milliseconds(until)), before["attempts"] + 1)
            return None

        return await self._db.run(work)

    async def hold(self, claim: Claim, *, until: datetime) -> Claim | None:
        """See `Waveforms.hold`."""
        if not await self._change(_ours(claim), {"$set": {"due_ms": to_milliseconds(until)}}):
            return None
        return Claim(claim.file_id, from_milliseconds(to_milliseconds(until)), claim.attempt)

    async def finish(self, claim: Claim, peaks: bytes) -> bool:
        """See `Waveforms.finish`."""
        where = {"_id": claim.file_id, "due_ms": {"$ne": None}}
        return await self._change(where, {"$set": {"due_ms": None, "peaks": peaks}})

    async def put_off(self, claim: Claim, *, until: datetime, counts: bool) -> bool:
        """See `Waveforms.put_off`."""
        change = {"$set": {"due_ms": to_milliseconds(until)}, "$inc": {"attempts": 0 if counts else -1}}
        return await self._change(_ours(claim), change)

    async def give_up(self, claim: Claim) -> bool:
        """See `Waveforms.give_up`."""
        return await self._change(_ours(claim), {"$set": {"due_ms": None}})

    async def _want(self, file_id: str, due_ms: int) -> None:
        await self._db.atomically(lambda mongo: want(mongo, file_id, due_ms))

    async def _change(self, where: Filter, change: Filter) -> bool:
        return await self._db.run(lambda mongo: mongo.update(WaveformDocument, where, change))


async def want(mongo: Operations, file_id: str, due_ms: int) -> None:
    """Note that a file wants a waveform, if it is still there; a removal at the same time gives way, or this does."""
    if await mongo.update(FileDocument, {"_id": file_id}, LOCK):
        note = {"_id": file_id, "due_ms": due_ms, "attempts": 0, "peaks": None}
        await mongo.insert_new(WaveformDocument, note)


def _ours(claim: Claim) -> Filter:
    return {"_id": claim.file_id, "due_ms": to_milliseconds(claim.held_until)}


def _from_row(row: Row) -> Waveform:
    file_id = FileId(row["_id"])
    if row["peaks"] is not None:
        return Waveform(file_id, Processing.READY, bytes(row["peaks"]))
    return Waveform(file_id, Processing.FAILED if row["due_ms"] is None else Processing.PENDING)
