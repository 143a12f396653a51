"""`Exports` in SQL: with the accounts, whatever engine keeps the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from pet.domain.errors import NotFound, Service
from pet.domain.exports import DataExport, ExportState
from pet.domain.ids import ExportId, UserId
from pet.domain.times import from_milliseconds, to_milliseconds
from pet.storage.sql.database import Database, Row, Statements

_PREPARING, _READY, _FAILED, _ENDED = (
    state.value for state in (ExportState.PREPARING, ExportState.READY, ExportState.FAILED, ExportState.ENDED)
)
_IN_HAND = "export_id = ? AND attempt = ? AND state = ?"
"""An attempt whose export is neither another's by now nor ended."""


class SqlExports:
    """Keeps exports in the table `data_export`."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.USER)

    async def begin(self, export: DataExport, *, gives_way: Callable[[DataExport], bool]) -> DataExport:
        """See `Exports.begin`."""

        async def work(sql: Statements) -> DataExport:
            # The deletion of the account changes its row: it comes before this, or finds what was begun here.
            account = f"SELECT 1 AS found FROM account WHERE user_id = ? AND deleted_ms IS NULL{sql.for_update}"
            if await sql.row(account, export.user_id) is None:
                raise NotFound("User not found")
            row = await sql.row("SELECT * FROM data_export WHERE current_of = ?", export.user_id)
            if row is not None:
                if not gives_way(current := _from_row(row)):
                    return current
                end = "UPDATE data_export SET state = ?, current_of = NULL, due_ms = 0 WHERE export_id = ?"
                await sql.run(end, _ENDED, current.export_id)
            await sql.insert("data_export", _to_row(export))
            return export

        return await self._db.atomically(work)

    async def find(self, user_id: UserId) -> DataExport | None:
        """See `Exports.find`."""
        row = await self._db.row("SELECT * FROM data_export WHERE current_of = ?", user_id)
        return _from_row(row) if row else None

    async def get(self, export_id: ExportId) -> DataExport:
        """See `Exports.get`."""
        row = await self._db.row("SELECT * FROM data_export WHERE export_id = ? AND state <> ?", export_id, _ENDED)
        if row is None:
            raise NotFound("Export not found")
        return _from_row(row)

    async def claim(self, *, now: datetime, until: datetime) -> DataExport | None:
        """See `Exports.claim`."""

        async def work(sql: Statements) -> Row | None:
            first = (
                "SELECT export_id FROM data_export WHERE state = ? AND due_ms <= ?"
                f" ORDER BY due_ms, export_id LIMIT 1{sql.for_update_of_free}"
            )
            take = (
                "UPDATE data_export SET due_ms = ?, attempt = attempt + 1, done_bytes = 0, total_bytes = 0"
                f" WHERE export_id IN ({first}) RETURNING *"
            )
            return await sql.row(take, to_milliseconds(until), _PREPARING, to_milliseconds(now))

        row = await self._db.atomically(work)
        return _from_row(row) if row else None

    async def advance(self, export: DataExport, *, until: datetime, done_bytes: int, total_bytes: int) -> bool:
        """See `Exports.advance`."""
        changes = "due_ms = ?, done_bytes = ?, total_bytes = ?"
        return await self._update(export, changes, to_milliseconds(until), done_bytes, total_bytes)

    async def postpone(self, export: DataExport, *, until: datetime) -> None:
        """See `Exports.postpone`."""
        await self._update(export, "due_ms = ?", to_milliseconds(until))

    async def finish(self, export: DataExport, *, size_bytes: int, at: datetime, until: datetime) -> bool:
        """See `Exports.finish`."""
        changes = "state = ?, size_bytes = ?, ready_ms = ?, due_ms = ?"
        return await self._update(export, changes, _READY, size_bytes, to_milliseconds(at), to_milliseconds(until))

    async def give_up(self, export: DataExport, *, until: datetime) -> None:
        """See `Exports.give_up`."""
        await self._update(export, "state = ?, due_ms = ?", _FAILED, to_milliseconds(until))

    async def end(self, *, now: datetime, user_id: UserId | None = None) -> None:
        """See `Exports.end`."""
        moment = to_milliseconds(now)

        async def work(sql: Statements) -> None:
            end = "UPDATE data_export SET state = ?, current_of = NULL"
            if user_id is None:
                await sql.run(f"{end} WHERE state IN (?, ?) AND due_ms <= ?", _ENDED, _READY, _FAILED, moment)
                return
            await sql.run(f"{end} WHERE current_of = ? AND state = ?", _ENDED, user_id, _PREPARING)
            await sql.run(f"{end}, due_ms = 0 WHERE current_of = ?", _ENDED, user_id)

        await self._db.atomically(work)

    async def ended(self, *, now: datetime, user_id: UserId | None = None, limit: int) -> Sequence[DataExport]:
        """See `Exports.ended`."""
        of_user, whose = (" AND user_id = ?", [user_id]) if user_id else ("", [])
        select = (
            f"SELECT * FROM data_export WHERE state = ? AND due_ms <= ?{of_user} ORDER BY due_ms, export_id LIMIT ?"
        )
        return [_from_row(row) for row in await self._db.rows(select, _ENDED, to_milliseconds(now), *whose, limit)]

    async def remove(self, export_id: ExportId) -> None:
        """See `Exports.remove`."""

        async def work(sql: Statements) -> None:
            await sql.run("DELETE FROM data_export WHERE export_id = ? AND state = ?", export_id, _ENDED)

        await self._db.atomically(work)

    async def _update(self, export: DataExport, changes: str, *values: object) -> bool:
        async def work(sql: Statements) -> bool:
            update = f"UPDATE data_export SET {changes} WHERE {_IN_HAND}"
            return await sql.run(update, *values, export.export_id, export.attempt, _PREPARING) == 1

        return await self._db.atomically(work)


def _to_row(export: DataExport) -> Row:
    return {
        "export_id": export.export_id,
        "user_id": export.user_id,
        "current_of": export.user_id,
        "state": export.state.value,
        "attempt": export.attempt,
        "due_ms": to_milliseconds(export.due_at),
        "done_bytes": export.done_bytes,
        "total_bytes": export.total_bytes,
        "size_bytes": export.size_bytes,
        "requested_ms": to_milliseconds(export.requested_at),
        "ready_ms": to_milliseconds(export.ready_at) if export.ready_at else None,
    }


def _from_row(row: Row) -> DataExport:
    return DataExport(
        export_id=ExportId(row["export_id"]),
        user_id=UserId(row["user_id"]),
        state=ExportState(row["state"]),
        requested_at=from_milliseconds(row["requested_ms"]),
        due_at=from_milliseconds(row["due_ms"]),
        attempt=row["attempt"],
        done_bytes=row["done_bytes"],
        total_bytes=row["total_bytes"],
        size_bytes=row["size_bytes"],
        ready_at=None if row["ready_ms"] is None else from_milliseconds(row["ready_ms"]),
    )
