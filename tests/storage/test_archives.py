"""ZIP archives as they come out of the stream, read by others."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
import zipfile
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from io import BytesIO

import pytest

from pet.domain.archives import Member
from pet.domain.personal_data import Row
from pet.storage.archives import open_zip

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


async def several(*values: bytes) -> AsyncIterator[bytes]:
    for value in values:
        yield value


async def batches(*values: Sequence[Row]) -> AsyncIterator[Sequence[Row]]:
    for value in values:
        yield value


class Kept:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.content = b""

    async def __call__(self, chunk: bytes) -> None:
        self.content += chunk

    def opened(self) -> zipfile.ZipFile:
        """Return the archive, for reading."""
        return zipfile.ZipFile(BytesIO(self.content))


async def test_documents_listings_and_originals_come_out_as_they_went_in() -> None:
    kept = Kept()
    async with open_zip(kept) as archive:
        await archive.document("a.json", {"user_id": "x", "social_links": {"you_tube": None}, "at": NOON})
        await archive.listing("empty.json", batches([], []))
        await archive.listing("list.json", batches([{"n_o": 1}, {"n_o": 2}], [], [{"n_o": 3}]))
        await archive.copy("originals/track/s.mp3", several(b"abc", b"", b"def"), modified_at=NOON)
        await archive.copy("originals/track/none.mp3", several(), modified_at=NOON)
        members = list(archive.members)
    with kept.opened() as read:
        assert read.testzip() is None
        found = {info.filename: read.read(info) for info in read.infolist()}
        song = read.getinfo("originals/track/s.mp3")
    assert json.loads(found["a.json"]) == {
        "userId": "x",
        "socialLinks": {"youTube": None},
        "at": "2026-05-01T12:00:00.000Z",
    }
    assert json.loads(found["empty.json"]) == []
    assert json.loads(found["list.json"]) == [{"nO": 1}, {"nO": 2}, {"nO": 3}]
    assert found["originals/track/s.mp3"] == b"abcdef"
    assert (song.date_time, song.compress_type) == ((2026, 5, 1, 12, 0, 0), zipfile.ZIP_STORED)
    assert members == [Member(path, len(body), hashlib.sha256(body).hexdigest()) for path, body in found.items()]


async def test_a_large_archive_becomes_zip64(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond 4 GiB: the limit is lowered here, so that offsets, sizes and the directory all need the new format."""
    kept, chunk = Kept(), bytes(range(256)) * 16
    with monkeypatch.context() as patch:
        patch.setattr(zipfile, "ZIP64_LIMIT", 10_000)
        patch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 3)
        async with open_zip(kept) as archive:
            for number in range(6):
                await archive.copy(f"{number}.bin", several(chunk, chunk), modified_at=NOON)
    assert b"PK\x06\x06" in kept.content
    with kept.opened() as read:
        assert read.testzip() is None
        assert [read.read(name) for name in read.namelist()] == [chunk * 2] * 6


async def test_a_failure_within_a_member_ends_the_archive_and_nothing_else_complains() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"abc"
        raise OSError("disk")

    kept = Kept()
    with pytest.raises(OSError, match="disk"):
        async with open_zip(kept) as archive:
            await archive.copy("a", broken(), modified_at=NOON)
    assert b"PK\x05\x06" not in kept.content


async def test_memory_stays_constant_however_long_a_member_is() -> None:
    chunk, written = bytes(1024 * 1024), 0

    async def long() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield chunk

    async def count(piece: bytes) -> None:
        nonlocal written
        written += len(piece)

    tracemalloc.start()
    try:
        async with open_zip(count) as archive:
            await archive.copy("long", long(), modified_at=NOON)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert written > 200 * 1024 * 1024
    assert peak < 6 * 1024 * 1024
