"""`Waveforms` in SQL.

A claim is a transaction of its own; afterwards the moment until which a track is held tells whose it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pet.domain.errors import Service
from pet.domain.files import FileType
from pet.domain.ids import FileId
from pet.domain.times import from_milliseconds, to_milliseconds
from pet.domain.waveforms import Claim, Processing, Waveform
from pet.storage.sql.database import Database, Row, Statements, placeholders

_DUE = "SELECT file_id, attempts FROM waveform WHERE due_ms <= ? ORDER BY due_ms DESC LIMIT 1"
_OURS = "WHERE file_id = ? AND due_ms = ?"


class SqlWaveforms:
    """Keeps waveforms in the table `waveform`."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.MEDIA)

    async def get_many(self, file_ids: Sequence[FileId]) -> Mapping[FileId, Waveform]:
        """See `Waveforms.get_many`."""
        select = f"SELECT file_id, due_ms, peaks FROM waveform WHERE file_id IN ({placeholders(file_ids)})"
        return {row["file_id"]: _from_row(row) for row in await self._db.rows(select, *file_ids)}

    async def want_missing(self, at: datetime, *, after: FileId | None, limit: int) -> FileId | None:
        """See `Waveforms.want_missing`."""
        select = "SELECT file_id FROM file WHERE file_id > ? ORDER BY file_id LIMIT ?"
        seen = [row["file_id"] for row in await self._db.rows(select, after or "", limit)]
        missing = (
            f"SELECT file_id FROM file WHERE file_id IN ({placeholders(seen)}) AND type = ?"
            " AND NOT EXISTS (SELECT 1 FROM waveform WHERE waveform.file_id = file.file_id)"
        )
        found = [row["file_id"] for row in await self._db.rows(missing, *seen, FileType.TRACK.value)]
        if found:
            await self._db.atomically(lambda sql: want(sql, found, to_milliseconds(at)))
        return FileId(seen[-1]) if len(seen) == limit else None

    async def claim(self, now: datetime, *, until: datetime) -> Claim | None:
        """See `Waveforms.claim`."""
        due = to_milliseconds(now)
        if not await self._db.row(_DUE, due):  # so that an idle turn locks nothing
            return None

        async def work(sql: Statements) -> Claim | None:
            row = await sql.row(f"{_DUE}{sql.for_update_of_free}", due)
            if row is None:
                return None
            hold = "UPDATE waveform SET due_ms = ?, attempts = attempts + 1 WHERE file_id = ?"
            await sql.run(hold, to_milliseconds(until), row["file_id"])
            return Claim(FileId(row["file_id"]), from_milliseconds(to_milliseconds(until)), row["attempts"] + 1)

        return await self._db.atomically(work)

    async def hold(self, claim: Claim, *, until: datetime) -> Claim | None:
        """See `Waveforms.hold`."""
        if not await self._change(f"UPDATE waveform SET due_ms = ? {_OURS}", to_milliseconds(until), *_ours(claim)):
            return None
        return Claim(claim.file_id, from_milliseconds(to_milliseconds(until)), claim.attempt)

    async def finish(self, claim: Claim, peaks: bytes) -> bool:
        """See `Waveforms.finish`."""
        keep = "UPDATE waveform SET due_ms = NULL, peaks = ? WHERE file_id = ? AND due_ms IS NOT NULL"
        return await self._change(keep, peaks, claim.file_id)

    async def put_off(self, claim: Claim, *, until: datetime, counts: bool) -> bool:
        """See `Waveforms.put_off`."""
        put_off = f"UPDATE waveform SET due_ms = ?, attempts = attempts - ? {_OURS}"
        return await self._change(put_off, to_milliseconds(until), 0 if counts else 1, *_ours(claim))

    async def give_up(self, claim: Claim) -> bool:
        """See `Waveforms.give_up`."""
        return await self._change(f"UPDATE waveform SET due_ms = NULL {_OURS}", *_ours(claim))

    async def _change(self, update: str, *values: object) -> bool:
        return await self._db.atomically(lambda sql: sql.run(update, *values)) == 1


async def want(sql: Statements, file_ids: Sequence[str], due_ms: int) -> None:
    """Note that files want a waveform, those that are still there; the others are locked until the commit."""
    files = f"SELECT file_id FROM file WHERE file_id IN ({placeholders(file_ids)}) ORDER BY file_id{sql.for_update}"
    for row in await sql.rows(files, *file_ids):
        await sql.insert_new("waveform", {"file_id": row["file_id"], "due_ms": due_ms, "attempts": 0})


def _ours(claim: Claim) -> tuple[str, int]:
    return claim.file_id, to_milliseconds(claim.held_until)


def _from_row(row: Row) -> Waveform:
    peaks, file_id = row["peaks"], FileId(row["file_id"])
    if peaks is not None:
        return Waveform(file_id, Processing.READY, bytes(peaks))
    return Waveform(file_id, Processing.FAILED if row["due_ms"] is None else Processing.PENDING)
