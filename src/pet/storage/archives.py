"""Archives as ZIP files, written as a stream.

The standard library's `zipfile` writes to whatever takes bytes, tells sizes and checksums behind each member, and
changes to ZIP64 by itself where an archive or a member is too large for the old format. It is handed the bytes as they
arrive, while packages for streamed archives would fetch them, from a thread of their own, out of an asynchronous store.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import anyio.to_thread
import orjson

from pet.domain.archives import Archive, Member
from pet.domain.personal_data import Row

Write = Callable[[bytes], Awaitable[None]]

_MODE = 0o600 << 16
"""Only its owner reads what is unpacked."""


@asynccontextmanager
async def open_zip(write: Write) -> AsyncIterator[Archive]:
    """Open an archive that is written by a function; leaving the context without an error completes it."""
    outlet = _Outlet()
    with _closed_quietly(ZipFile(cast("Any", outlet), "w", allowZip64=True)) as file:
        archive = ZipArchive(file, outlet, write)
        yield archive
        await archive.complete()


class ZipArchive:
    """An archive that is being written. JSON is deflated; originals are stored, as they are compressed already."""

    def __init__(self, file: ZipFile, outlet: _Outlet, write: Write) -> None:
        self._file = file
        self._outlet = outlet
        self._write = write
        self._members: list[Member] = []

    @property
    def members(self) -> Sequence[Member]:
        """What has been written."""
        return self._members

    async def document(self, path: str, row: Row) -> None:
        """Write one JSON object."""
        await self._add(path, _once(orjson.dumps(_shown(row), option=orjson.OPT_INDENT_2) + b"\n"), ZIP_DEFLATED)

    async def listing(self, path: str, rows: AsyncIterator[Sequence[Row]]) -> None:
        """Write a JSON array, one row on each line."""
        await self._add(path, _array(rows), ZIP_DEFLATED)

    async def copy(self, path: str, chunks: AsyncIterator[bytes], *, modified_at: datetime) -> None:
        """Write bytes as they are."""
        await self._add(path, chunks, ZIP_STORED, modified_at)

    async def complete(self) -> None:
        """Write the directory of what there is."""
        await anyio.to_thread.run_sync(self._file.close)
        await self._write(self._outlet.taken())

    async def _add(
        self, path: str, chunks: AsyncIterator[bytes], method: int, modified_at: datetime | None = None
    ) -> None:
        info = ZipInfo(path, (modified_at or datetime.now(UTC)).astimezone(UTC).timetuple()[:6])
        info.compress_type = method
        info.external_attr = _MODE
        digest, size = hashlib.sha256(), 0
        with self._file.open(info, "w") as member:

            def put(chunk: bytes) -> bytes:
                digest.update(chunk)
                member.write(chunk)
                return self._outlet.taken()

            async for chunk in chunks:
                size += len(chunk)
                if ready := await anyio.to_thread.run_sync(put, chunk):
                    await self._write(ready)
        await self._write(self._outlet.taken())
        self._members.append(Member(path, size, digest.hexdigest()))


class _Outlet:
    """What `zipfile` writes to: it cannot be sought in, so nothing that was written is ever changed."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Do nothing: `taken` hands over what there is."""

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


@contextmanager
def _closed_quietly(file: ZipFile) -> Iterator[ZipFile]:
    """Let the archive be closed whatever happens: it would complain about that when it is collected."""
    try:
        yield file
    finally:
        file.close()


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _array(batches: AsyncIterator[Sequence[Row]]) -> AsyncIterator[bytes]:
    opening = b"[\n"
    async for batch in batches:
        if batch:
            yield opening + b",\n".join(orjson.dumps(_shown(row)) for row in batch)
            opening = b",\n"
    yield b"[]\n" if opening == b"[\n" else b"\n]\n"


def _shown(value: object) -> object:
    """Return a value as JSON has it: names in camelCase, times in UTC with milliseconds and a Z."""
    match value:
        case Mapping():
            return {_camel_case(name): _shown(each) for name, each in value.items()}
        case list() | tuple():
            return [_shown(each) for each in value]
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
