"""`Files` in MongoDB."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from beanie import Document

from pet.domain.errors import NotFound, Service
from pet.domain.events import Event
from pet.domain.files import FileList, FileType, MediaFile, OwnedFile, removal_of
from pet.domain.ids import FileId, UserId
from pet.domain.paging import Page, Position
from pet.domain.times import to_milliseconds
from pet.storage.coalescing import Coalescing
from pet.storage.mongo.database import Database
from pet.storage.mongo.delivery import store_events
from pet.storage.mongo.documents import (
    LOCK,
    BlobReservationDocument,
    FileDocument,
    ProfileDocument,
    WaveformDocument,
)
from pet.storage.mongo.lists import pages_of_each
from pet.storage.mongo.operations import Filter, Operations, Row
from pet.storage.rows import file_of, file_values

_LISTS = {
    FileList.TRACKS: ("type", FileType.TRACK.value),
    FileList.COVERS: ("type", FileType.COVER.value),
    FileList.AVATARS: ("type", FileType.AVATAR.value),
    FileList.OTHERS: ("type", FileType.OTHER.value),
    FileList.AUDIO: ("is_audio", True),
}


class MongoFiles:
    """Keeps the records of files in the collection `files`."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.MEDIA)
        self._by_id = Coalescing[FileId, MediaFile](self._read_by_id)
        self._owned = Coalescing[FileId, OwnedFile](self._read_owned)

    async def reserve(self, blob_keys: Sequence[str], at: datetime) -> None:
        """See `Files.reserve`."""

        async def work(mongo: Operations) -> None:
            for key in blob_keys:
                await mongo.insert(BlobReservationDocument, {"_id": key, "reserved_ms": to_milliseconds(at)})

        await self._db.atomically(work)

    async def abandoned(self, *, before: datetime, limit: int) -> Sequence[str]:
        """See `Files.abandoned`."""
        where, sort = {"reserved_ms": {"$lt": to_milliseconds(before)}}, {"reserved_ms": 1}
        rows = await self._db.run(lambda mongo: mongo.rows(BlobReservationDocument, where, sort=sort, limit=limit))
        return [row["_id"] for row in rows]

    async def release(self, blob_keys: Sequence[str]) -> None:
        """See `Files.release`."""
        await self._db.run(lambda mongo: _release(mongo, blob_keys))

    async def add(self, file: MediaFile, event: Event | None, *, cover: MediaFile | None = None) -> Sequence[Event]:
        """See `Files.add`."""
        records = [file, cover] if cover else [file]

        async def work(mongo: Operations) -> Sequence[Event]:
            events = [event] if event else []
            for record in records:
                await mongo.insert(FileDocument, _to_row(record))
                replaced = await _bind(mongo, record)
                events += await _remove(mongo, replaced, record.created_at) if replaced else []
            await _release(mongo, [record.blob_key for record in records])
            await store_events(mongo, events)
            return events

        return await self._db.atomically(work)

    async def get_many(self, file_ids: Sequence[FileId]) -> Mapping[FileId, MediaFile]:
        """See `Files.get_many`."""
        return await self._by_id.get_many(file_ids)

    async def _read_by_id(self, file_ids: Sequence[FileId]) -> Mapping[FileId, MediaFile]:
        where = {"_id": {"$in": file_ids}}
        files = [_from_row(row) for row in await self._db.run(lambda mongo: mongo.rows(FileDocument, where))]
        return {file.file_id: file for file in files}

    async def get_owned(self, file_ids: Sequence[FileId]) -> Mapping[FileId, OwnedFile]:
        """See `Files.get_owned`."""
        return await self._owned.get_many(file_ids)

    async def _read_owned(self, file_ids: Sequence[FileId]) -> Mapping[FileId, OwnedFile]:
        owner = {
            "from": ProfileDocument.get_collection_name(),
            "localField": "user_id",
            "foreignField": "_id",
            "pipeline": [{"$project": {"preferences.private_profile": 1}}],
            "as": "owner",
        }
        pipeline: list[Filter] = [{"$match": {"_id": {"$in": file_ids}}}, {"$lookup": owner}, {"$unwind": "$owner"}]
        rows = await self._db.run(lambda mongo: mongo.aggregate(FileDocument, pipeline))
        return {row["_id"]: OwnedFile(_from_row(row), row["owner"]["preferences"]["private_profile"]) for row in rows}

    async def pages(
        self, user_ids: Sequence[UserId], which: FileList, *, after: Position | None, limit: int
    ) -> Mapping[UserId, Page[MediaFile]]:
        """See `Files.pages`."""
        field, value = _LISTS[which]
        owners = [{"user_id": user_id, field: value} for user_id in user_ids]
        rows = await self._pages(owners, after=after, limit=limit)
        return {
            user_id: Page.cut([_from_row(row) for row in found], limit)
            for user_id, found in zip(user_ids, rows, strict=True)
        }

    async def of_user(self, user_id: UserId, *, limit: int) -> Sequence[MediaFile]:
        """See `Files.of_user`."""
        rows = await self._db.run(lambda mongo: mongo.rows(FileDocument, {"user_id": user_id}, limit=limit))
        return [_from_row(row) for row in rows]

    async def walk(self, *, after: FileId | None, limit: int) -> Sequence[MediaFile]:
        """See `Files.walk`."""
        where, sort = {"_id": {"$gt": after or ""}}, {"_id": 1}
        rows = await self._db.run(lambda mongo: mongo.rows(FileDocument, where, sort=sort, limit=limit))
        return [_from_row(row) for row in rows]

    async def count(self) -> int:
        """See `Files.count`."""
        return await self._db.run(lambda mongo: mongo.count(FileDocument, {}))

    async def reserved(self, blob_keys: Sequence[str]) -> Collection[str]:
        """See `Files.reserved`."""
        where = {"_id": {"$in": blob_keys}}
        rows = await self._db.run(lambda mongo: mongo.rows(BlobReservationDocument, where, fields={"_id": 1}))
        return {row["_id"] for row in rows}

    async def count_audio(self, user_ids: Sequence[UserId]) -> Mapping[UserId, int]:
        """See `Files.count_audio`."""
        pipeline: list[Filter] = [
            {"$match": {"user_id": {"$in": user_ids}, "is_audio": True}},
            {"$group": {"_id": "$user_id", "n": {"$sum": 1}}},
        ]
        rows = await self._db.run(lambda mongo: mongo.aggregate(FileDocument, pipeline))
        counted = {row["_id"]: int(row["n"]) for row in rows}
        return {user_id: counted.get(user_id, 0) for user_id in user_ids}

    async def newest_covers(self, user_ids: Sequence[UserId]) -> Mapping[UserId, MediaFile]:
        """See `Files.newest_covers`."""
        owners = [{"user_id": user_id, "type": FileType.COVER.value, "track_id": None} for user_id in user_ids]
        rows = await self._pages(owners, after=None, limit=1)
        return {user_id: _from_row(found[0]) for user_id, found in zip(user_ids, rows, strict=True) if found}

    async def edit(self, file_id: FileId, edit: Callable[[MediaFile], MediaFile]) -> MediaFile:
        """See `Files.edit`."""

        async def work(mongo: Operations) -> MediaFile:
            row = await mongo.row(FileDocument, {"_id": file_id})
            if row is None:
                raise NotFound("Track not found", field="fileId")
            file = edit(_from_row(row))
            texts = {"title": file.title, "artist": file.artist, "album": file.album}
            change = {"$set": {**texts, "updated_ms": to_milliseconds(file.updated_at)}}
            await mongo.update(FileDocument, {"_id": file_id}, change)
            return file

        return await self._db.atomically(work)

    async def remove(self, file_id: FileId, at: datetime) -> Sequence[Event]:
        """See `Files.remove`."""

        async def work(mongo: Operations) -> Sequence[Event]:
            events = await _remove(mongo, file_id, at)
            await store_events(mongo, events)
            return events

        return await self._db.atomically(work)

    async def _pages(self, owners: Sequence[Filter], *, after: Position | None, limit: int) -> Sequence[Sequence[Row]]:
        return await self._db.run(lambda mongo: pages_of_each(mongo, FileDocument, owners, after=after, limit=limit))


async def _bind(mongo: Operations, file: MediaFile) -> FileId | None:
    """Give an avatar or a track's cover its place; return the file that had it before."""
    if file.type is FileType.AVATAR:
        return await _put(mongo, ProfileDocument, "avatar_file_id", owner=file.user_id, file_id=file.file_id)
    if file.type is FileType.COVER and file.track_id:
        return await _put(mongo, FileDocument, "cover_file_id", owner=file.track_id, file_id=file.file_id)
    if not await mongo.update(ProfileDocument, {"_id": file.user_id}, LOCK):
        raise NotFound("User not found")
    return None


async def _put(mongo: Operations, of: type[Document], place: str, *, owner: str, file_id: FileId) -> FileId | None:
    before = await mongo.replace(of, {"_id": owner}, {"$set": {place: file_id}})
    if before is None:
        raise NotFound("User not found" if of is ProfileDocument else "Track not found")
    return FileId(before[place]) if before[place] else None


async def _remove(mongo: Operations, file_id: FileId, at: datetime) -> list[Event]:
    """Delete a record, its own cover and every mention of it."""
    row = await mongo.take(FileDocument, {"_id": file_id})
    if row is None:
        return []
    file = _from_row(row)
    events: list[Event] = [removal_of(file, at)]
    if file.type is FileType.TRACK:
        await mongo.delete(WaveformDocument, {"_id": file_id})
        return events + (await _remove(mongo, file.cover_file_id, at) if file.cover_file_id else [])
    for place in ("avatar_file_id", "cover_file_id"):
        await mongo.update(ProfileDocument, {"_id": file.user_id, place: file_id}, {"$set": {place: None}})
    if file.track_id:
        where = {"_id": file.track_id, "cover_file_id": file_id}
        await mongo.update(FileDocument, where, {"$set": {"cover_file_id": None}})
    return events


async def _release(mongo: Operations, blob_keys: Sequence[str]) -> None:
    await mongo.delete(BlobReservationDocument, {"_id": {"$in": blob_keys}})


def _to_row(file: MediaFile) -> Row:
    return {"_id": file.file_id, **file_values(file), "locks": 0}


def _from_row(row: Row) -> MediaFile:
    return file_of(row["_id"], row)
