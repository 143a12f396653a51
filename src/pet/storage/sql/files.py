"""`Files` in SQL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from pet.domain.errors import NotFound, Service
from pet.domain.events import Event
from pet.domain.files import FileList, FileType, MediaFile, OwnedFile, removal_of
from pet.domain.ids import FileId, UserId
from pet.domain.paging import Page, Position
from pet.domain.times import to_milliseconds
from pet.storage.coalescing import Coalescing
from pet.storage.rows import file_of, file_values
from pet.storage.sql.database import Database, Row, Statements, placeholders
from pet.storage.sql.delivery import store_events
from pet.storage.sql.lists import pages_of_each

_LISTS = {
    FileList.TRACKS: ("type", FileType.TRACK.value),
    FileList.COVERS: ("type", FileType.COVER.value),
    FileList.AVATARS: ("type", FileType.AVATAR.value),
    FileList.OTHERS: ("type", FileType.OTHER.value),
    FileList.AUDIO: ("is_audio", True),
}


class SqlFiles:
    """Keeps the records of files in the table `file`."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.MEDIA)
        self._by_id = Coalescing[FileId, MediaFile](self._read_by_id)
        self._owned = Coalescing[FileId, OwnedFile](self._read_owned)

    async def reserve(self, blob_keys: Sequence[str], at: datetime) -> None:
        """See `Files.reserve`."""

        async def work(sql: Statements) -> None:
            for key in blob_keys:
                await sql.insert("blob_reservation", {"blob_key": key, "reserved_ms": to_milliseconds(at)})

        await self._db.atomically(work)

    async def abandoned(self, *, before: datetime, limit: int) -> Sequence[str]:
        """See `Files.abandoned`."""
        select = "SELECT blob_key FROM blob_reservation WHERE reserved_ms < ? ORDER BY reserved_ms LIMIT ?"
        return [row["blob_key"] for row in await self._db.rows(select, to_milliseconds(before), limit)]

    async def release(self, blob_keys: Sequence[str]) -> None:
        """See `Files.release`."""
        await self._db.atomically(lambda sql: _release(sql, blob_keys))

    async def add(self, file: MediaFile, event: Event | None, *, cover: MediaFile | None = None) -> Sequence[Event]:
        """See `Files.add`."""
        records = [file, cover] if cover else [file]

        async def work(sql: Statements) -> Sequence[Event]:
            events = [event] if event else []
            await sql.lock("profile", "user_id", file.user_id)  # before its files, as everyone does who changes both
            for record in records:
                await sql.insert("file", _to_row(record))
                replaced = await _bind(sql, record)
                events += await _remove(sql, replaced, record.created_at) if replaced else []
            await _release(sql, [record.blob_key for record in records])
            await store_events(sql, events)
            return events

        return await self._db.atomically(work)

    async def get_many(self, file_ids: Sequence[FileId]) -> Mapping[FileId, MediaFile]:
        """See `Files.get_many`."""
        return await self._by_id.get_many(file_ids)

    async def _read_by_id(self, file_ids: Sequence[FileId]) -> Mapping[FileId, MediaFile]:
        rows = await self._db.rows("SELECT * FROM file WHERE file_id IN ?", [*file_ids])
        return {FileId(row["file_id"]): _from_row(row) for row in rows}

    async def get_owned(self, file_ids: Sequence[FileId]) -> Mapping[FileId, OwnedFile]:
        """See `Files.get_owned`."""
        return await self._owned.get_many(file_ids)

    async def _read_owned(self, file_ids: Sequence[FileId]) -> Mapping[FileId, OwnedFile]:
        select = "SELECT file.*, profile.is_private FROM file JOIN profile USING (user_id) WHERE file_id IN ?"
        rows = await self._db.rows(select, [*file_ids])
        return {FileId(row["file_id"]): OwnedFile(_from_row(row), bool(row["is_private"])) for row in rows}

    async def pages(
        self, user_ids: Sequence[UserId], which: FileList, *, after: Position | None, limit: int
    ) -> Mapping[UserId, Page[MediaFile]]:
        """See `Files.pages`."""
        column, value = _LISTS[which]
        rows = await pages_of_each(
            self._db,
            f"SELECT * FROM file WHERE user_id = ? AND {column} = ?",
            [(user_id, value) for user_id in user_ids],
            key=("created_ms", "file_id"),
            after=after,
            limit=limit,
        )
        return {
            user_id: Page.cut([_from_row(row) for row in found], limit)
            for user_id, found in zip(user_ids, rows, strict=True)
        }

    async def of_user(self, user_id: UserId, *, limit: int) -> Sequence[MediaFile]:
        """See `Files.of_user`."""
        rows = await self._db.rows("SELECT * FROM file WHERE user_id = ? LIMIT ?", user_id, limit)
        return [_from_row(row) for row in rows]

    async def walk(self, *, after: FileId | None, limit: int) -> Sequence[MediaFile]:
        """See `Files.walk`."""
        select = "SELECT * FROM file WHERE file_id > ? ORDER BY file_id LIMIT ?"
        return [_from_row(row) for row in await self._db.rows(select, after or "", limit)]

    async def count(self) -> int:
        """See `Files.count`."""
        row = await self._db.row("SELECT count(*) AS n FROM file")
        return int(row["n"]) if row else 0

    async def reserved(self, blob_keys: Sequence[str]) -> Collection[str]:
        """See `Files.reserved`."""
        select = f"SELECT blob_key FROM blob_reservation WHERE blob_key IN ({placeholders(blob_keys)})"
        return {row["blob_key"] for row in await self._db.rows(select, *blob_keys)}

    async def count_audio(self, user_ids: Sequence[UserId]) -> Mapping[UserId, int]:
        """See `Files.count_audio`."""
        select = (
            f"SELECT user_id, count(*) AS n FROM file WHERE user_id IN ({placeholders(user_ids)})"
            " AND is_audio = ? GROUP BY user_id"
        )
        counted = {row["user_id"]: int(row["n"]) for row in await self._db.rows(select, *user_ids, True)}
        return {user_id: counted.get(user_id, 0) for user_id in user_ids}

    async def newest_covers(self, user_ids: Sequence[UserId]) -> Mapping[UserId, MediaFile]:
        """See `Files.newest_covers`."""
        rows = await pages_of_each(
            self._db,
            "SELECT * FROM file WHERE user_id = ? AND type = ? AND track_id IS NULL",
            [(user_id, FileType.COVER.value) for user_id in user_ids],
            key=("created_ms", "file_id"),
            after=None,
            limit=1,
        )
        return {user_id: _from_row(found[0]) for user_id, found in zip(user_ids, rows, strict=True) if found}

    async def edit(self, file_id: FileId, edit: Callable[[MediaFile], MediaFile]) -> MediaFile:
        """See `Files.edit`."""

        async def work(sql: Statements) -> MediaFile:
            row = await sql.row(f"SELECT * FROM file WHERE file_id = ?{sql.for_update}", file_id)
            if row is None:
                raise NotFound("Track not found", field="fileId")
            file = edit(_from_row(row))
            update = "UPDATE file SET title = ?, artist = ?, album = ?, updated_ms = ? WHERE file_id = ?"
            await sql.run(update, file.title, file.artist, file.album, to_milliseconds(file.updated_at), file_id)
            return file

        return await self._db.atomically(work)

    async def remove(self, file_id: FileId, at: datetime) -> Sequence[Event]:
        """See `Files.remove`."""

        async def work(sql: Statements) -> Sequence[Event]:
            await _lock_places(sql, file_id)
            events = await _remove(sql, file_id, at)
            await store_events(sql, events)
            return events

        return await self._db.atomically(work)


async def _bind(sql: Statements, file: MediaFile) -> FileId | None:
    """Give an avatar or a track's cover its place; return the file that had it before."""
    if file.type is FileType.AVATAR:
        return await _replace(sql, "profile", "avatar_file_id", "user_id", owner=file.user_id, file_id=file.file_id)
    if file.type is FileType.COVER and file.track_id:
        return await _replace(sql, "file", "cover_file_id", "file_id", owner=file.track_id, file_id=file.file_id)
    if not await sql.row(f"SELECT 1 AS found FROM profile WHERE user_id = ?{sql.for_update}", file.user_id):
        raise NotFound("User not found")
    return None


async def _replace(sql: Statements, table: str, column: str, key: str, *, owner: str, file_id: FileId) -> FileId | None:
    row = await sql.row(f"SELECT {column} AS old FROM {table} WHERE {key} = ?{sql.for_update}", owner)
    if row is None:
        raise NotFound("User not found" if table == "profile" else "Track not found")
    await sql.run(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", file_id, owner)
    return FileId(row["old"]) if row["old"] else None


async def _lock_places(sql: Statements, file_id: FileId) -> None:
    """Lock what may mention a file before the file itself, as `add` does."""
    if not sql.for_update:
        return
    for table, key, place in (("profile", "user_id", "user_id"), ("file", "file_id", "track_id")):
        holder = f"SELECT {place} FROM file WHERE file_id = ?"
        await sql.rows(f"SELECT 1 AS locked FROM {table} WHERE {key} = ({holder}){sql.for_update}", file_id)


async def _remove(sql: Statements, file_id: FileId, at: datetime) -> list[Event]:
    """Delete a record, its own cover and every mention of it."""
    row = await sql.row("DELETE FROM file WHERE file_id = ? RETURNING *", file_id)
    if row is None:
        return []
    file = _from_row(row)
    events: list[Event] = [removal_of(file, at)]
    if file.type is FileType.TRACK:
        await sql.run("DELETE FROM waveform WHERE file_id = ?", file_id)
        return events + (await _remove(sql, file.cover_file_id, at) if file.cover_file_id else [])
    await sql.run(
        "UPDATE profile SET avatar_file_id = NULL WHERE user_id = ? AND avatar_file_id = ?", file.user_id, file_id
    )
    await sql.run(
        "UPDATE profile SET cover_file_id = NULL WHERE user_id = ? AND cover_file_id = ?", file.user_id, file_id
    )
    if file.track_id:
        update = "UPDATE file SET cover_file_id = NULL WHERE file_id = ? AND cover_file_id = ?"
        await sql.run(update, file.track_id, file_id)
    return events


async def _release(sql: Statements, blob_keys: Sequence[str]) -> None:
    delete = f"DELETE FROM blob_reservation WHERE blob_key IN ({placeholders(blob_keys)})"
    await sql.run(delete, *blob_keys)


def _to_row(file: MediaFile) -> Row:
    return {"file_id": file.file_id, **file_values(file)}


def _from_row(row: Row) -> MediaFile:
    return file_of(row["file_id"], row)
