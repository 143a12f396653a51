"""The media check: records without their bytes, and bytes without a record, while the network goes on.

An upload keeps its bytes before there is a record, and a deletion removes the record first. So a record whose bytes are
not there has lost them, whatever is going on at the same time; and bytes are nobody's when first no note of an upload
and then no record is found.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from pet.domain.delivery import Delivery
from pet.domain.errors import NotFound
from pet.domain.files import Files, MediaFile
from pet.domain.ids import FileId, UserId
from pet.domain.media import Blobs, StoredObject
from pet.domain.times import Clock
from pet.domain.uploads import ABANDONED_AFTER

FILES = "files"
"""The path under which the bytes of all files are kept."""

PAGE = 500
PROBES = 16
"""Objects that are asked after at the same time: a store at a distance answers each within some hundredths of a
second."""

_KEY = re.compile(rf"{FILES}/[0-9a-f]{{2}}/([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})\.[a-z0-9]{{1,8}}")


@dataclass(frozen=True, slots=True)
class Lost:
    """A record whose bytes are not there, or not as many as it says (`found_bytes`)."""

    file_id: FileId
    user_id: UserId
    blob_key: str
    size_bytes: int
    found_bytes: int | None


@dataclass(frozen=True, slots=True)
class Orphan:
    """Bytes that are nobody's."""

    key: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class LookedAtRecords:
    """A step of the check of records: how many were looked at, and those that have lost their bytes."""

    count: int
    lost: Sequence[Lost]


@dataclass(frozen=True, slots=True)
class LookedAtObjects:
    """A step of the check of bytes: how many objects were looked at, those that are nobody's, and how many have strange
    names, which nobody here has given."""

    count: int
    orphans: Sequence[Orphan]
    strange: int


class MediaCheckService:
    """Compares records with bytes, and removes what lacks its other half."""

    def __init__(self, files: Files, blobs: Blobs, delivery: Delivery, clock: Clock) -> None:
        self._files = files
        self._blobs = blobs
        self._delivery = delivery
        self._clock = clock

    async def count_records(self) -> int:
        """Return about how many records there are."""
        return await self._files.count()

    async def records(self) -> AsyncIterator[LookedAtRecords]:
        """Look at every record, page by page.

        Raises:
            Unavailable: a store cannot be reached, which says nothing of what it holds.
        """
        after: FileId | None = None
        while page := await self._files.walk(after=after, limit=PAGE):
            yield LookedAtRecords(len(page), await self._lost_among(page))
            after = page[-1].file_id

    async def objects(self) -> AsyncIterator[LookedAtObjects]:
        """Look at all bytes of files, page by page; those younger than an hour may belong to an upload, and pass.

        Raises:
            Unavailable: a store cannot be reached.
        """
        async for page in self._blobs.listed(FILES):
            known = [stored for stored in page if _KEY.fullmatch(stored.key)]
            yield LookedAtObjects(len(page), await self._orphans_among(known), len(page) - len(known))

    async def remove_record(self, lost: Lost) -> bool:
        """Remove a record that still lacks its bytes, as its owner would: with its events, so that counters stay exact.

        False, and nothing is changed, when it lacks nothing any more, or is gone.
        """
        found = await self._files.get_many([lost.file_id])
        if not await self._lost_among(list(found.values())):
            return False
        events = await self._files.remove(lost.file_id, self._clock())
        await self._delivery.deliver(events)
        return bool(events)

    async def remove_object(self, orphan: Orphan) -> bool:
        """Remove bytes that are still nobody's; False, and nothing is changed, when they have an owner."""
        stored = StoredObject(orphan.key, orphan.size_bytes, self._clock() - 2 * ABANDONED_AFTER)
        if not await self._orphans_among([stored]):
            return False
        await self._blobs.remove(orphan.key)
        return True

    async def _lost_among(self, files: Sequence[MediaFile]) -> list[Lost]:
        suspects = await self._suspects(files)
        # Who was deleted meanwhile is no suspect, and whose bytes are there now was not one.
        still_there = await self._files.get_many([file.file_id for file, _ in suspects])
        return [
            Lost(file.file_id, file.user_id, file.blob_key, file.size_bytes, found)
            for file, found in suspects
            if file.file_id in still_there
        ]

    async def _suspects(self, files: Sequence[MediaFile]) -> list[tuple[MediaFile, int | None]]:
        turns = asyncio.Semaphore(PROBES)

        async def size(file: MediaFile) -> int | None:
            async with turns:
                try:
                    return await self._blobs.size(file.blob_key)
                except NotFound:
                    return None

        sizes = await asyncio.gather(*map(size, files))
        return [(file, found) for file, found in zip(files, sizes, strict=True) if found != file.size_bytes]

    async def _orphans_among(self, objects: Sequence[StoredObject]) -> list[Orphan]:
        before = self._clock() - ABANDONED_AFTER
        old = {stored.key: stored for stored in objects if stored.modified_at < before}
        # The notes first: an upload that ends in between has no note any more, but a record.
        noted = await self._files.reserved(list(old))
        ids = {key: FileId(_KEY.sub(r"\1", key)) for key in old.keys() - set(noted)}
        records = await self._files.get_many(list(ids.values()))
        owned = {record.blob_key for record in records.values()}
        return [Orphan(key, stored.size_bytes) for key, stored in old.items() if key in ids and key not in owned]
