"""Bytes of audio and images in a folder, opened through obstore."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, TypeVarTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

import anyio
import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore

from pet.domain.errors import NotFound, Service, Unavailable
from pet.domain.ids import new_uuid7
from pet.domain.media import MIB, STAGED_AT_MOST, ScratchFile, StagedBlob, StoredObject
from pet.domain.times import utc_now
from pet.storage.blobs.entries import LastingEntries
from pet.storage.blobs.keys import STAGING, checked
from pet.storage.blobs.open_files import LentFile, OpenFiles
from pet.storage.blobs.scratch import scratch_file
from pet.storage.space import unavailable

BLOCK_BYTES = MIB // 2
"""What is written in one trip to a thread. The trip costs some 50 us and the writing 200, and a stream should take less
than 2 MiB of memory, with what waits for the disk meanwhile."""

WRITEBACK_BYTES = 8 * MIB
"""After so much the disk is told to begin: what is left for `fsync` at the end, while a client waits, is the rest."""

CHUNK_BYTES = MIB
_OBJECT_BYTES = 50
"""What a chunk takes in memory beside its bytes, which may be few."""

LISTED_AT_ONCE = 1000
READ_BYTES = MIB // 4
"""A listener who pauses keeps about two of these in memory, in the buffers of the connection. Each is a trip to a
thread, so that smaller ones would make every download slower."""

Arguments = TypeVarTuple("Arguments")


def open_folder(url_or_path: str) -> FolderBlobs:
    """Open the folder that a setting names: its path or a `file://` URL. It is made when it is missing.

    Raises:
        ValueError: the setting names no folder of this machine.
        Unavailable: the folder cannot be made.
    """
    root = _folder(url_or_path).absolute()
    with _translated():
        return FolderBlobs(LocalStore(root, mkdir=True), root)


class FolderBlobs:
    """Keeps every object as one file under the root; what is being written lies in `staging/` there.

    Args:
        store: the opened folder, through which objects are measured, read, listed and removed.
        root: its path. Objects are written to it directly, because only `fsync` and a rename within one file
            system let an object appear whole and stay after a crash; obstore offers no `fsync`.
    """

    def __init__(self, store: LocalStore, root: Path) -> None:
        self._store = store
        self._root = root
        self._open_files = OpenFiles(root)
        self._entries = LastingEntries(root)

    async def close(self) -> None:
        """Close what is open."""
        await self._open_files.close()

    @property
    def folder(self) -> Path | None:
        """The folder that holds everything."""
        return self._root

    async def answers(self) -> bool:
        """Tell whether the folder is there and can be read."""
        return await anyio.to_thread.run_sync(_is_readable, self._root)

    async def has_room(self) -> bool:
        """Tell whether something can be written: a full disk may still be read from."""
        try:
            async with self.stage() as staged:
                await staged.write(b"ready?")
                async with staged.local_path():  # only now it is written
                    return True
        except Unavailable:
            return False

    async def lend(self, key: str, method: str) -> str | None:
        """Return None: nobody but this machine reaches a folder."""
        del key, method
        return None

    async def open_file(self, key: str) -> LentFile | None:
        """Lend the object's own file; NotFound when there is no such object."""
        if (lent := self._open_files.lend_at_once(key)) is not None:
            return lent
        with _translated():
            return await self._open_files.lend(checked(key))

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[StagedBlob]:
        """Open a temporary object; leaving the context removes what was not kept, whatever happened."""
        staged = _StagedFile(self._root, f"{STAGING}/{new_uuid7()}", self._entries)
        try:
            await staged.open()
            yield staged
        finally:
            with anyio.CancelScope(shield=True):
                await staged.discard()

    def stage_at(self, key: str, *, content_type: str) -> AbstractAsyncContextManager[StagedBlob]:
        """Open a temporary object that will be kept under this key; to a folder it is like any other."""
        del key, content_type
        return self.stage()

    def scratch(self) -> AbstractAsyncContextManager[ScratchFile]:
        """Give an empty file beside the temporary objects; leaving the context removes it."""
        return scratch_file(self._root / STAGING / new_uuid7())

    async def size(self, key: str) -> int:
        """Return an object's size in bytes; NotFound when there is no such object."""
        with _translated():
            found = await obstore.head_async(self._store, checked(key))
        return found["size"]

    async def read(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` up to `end` (exclusive) or the object's end, in chunks of at most 1 MiB.

        The file is open only while a chunk is read: nothing is held while a client takes its time. When the object is
        removed in between, the next chunk raises NotFound.
        """
        end = min(end, await self.size(key))
        for offset in range(start, end, READ_BYTES):
            yield await self._piece(key, offset, min(offset + READ_BYTES, end))

    @asynccontextmanager
    async def local_file(self, key: str) -> AsyncIterator[Path]:
        """Give the object itself; NotFound when there is no such object."""
        await self.size(key)
        yield self._root / key

    async def listed(self, prefix: str) -> AsyncIterator[Sequence[StoredObject]]:
        """Yield the objects under a path, up to 1,000 at a time, as the file system gives them."""
        with _translated():
            async for batch in obstore.list(self._store, prefix=prefix, chunk_size=LISTED_AT_ONCE):
                yield [StoredObject(found["path"], found["size"], found["last_modified"]) for found in batch]

    async def remove(self, key: str) -> None:
        """Remove an object; removing what is not there does nothing. Who reads its open file reads it to the end."""
        await self._delete(checked(key))
        self._open_files.forget(key)

    async def sweep(self, *, older_than: timedelta = STAGED_AT_MOST) -> int:
        """Remove temporary objects that are older than this; return how many."""
        newest = utc_now() - older_than
        removed = 0
        with _translated():
            async for batch in obstore.list(self._store, prefix=STAGING):
                for found in batch:
                    if found["last_modified"] < newest and await self._delete(found["path"]):
                        removed += 1
        return removed

    async def _piece(self, key: str, start: int, end: int) -> bytes:
        """Read; the library's own copy of the bytes goes at once."""
        with _translated():
            return bytes(await obstore.get_range_async(self._store, key, start=start, end=end))

    async def _delete(self, path: str) -> bool:
        """Remove an object; tell whether it was there."""
        try:
            with _translated():
                await obstore.delete_async(self._store, path)
        except NotFound:
            return False
        return True


class _StagedFile:
    """A temporary file, written in blocks of half a MiB, without a copy of what came.

    What touches the disk runs in a thread, under one lock. A cancelled caller may leave a thread behind; the lock and
    `_is_discarded` see to it that such a thread can neither write to a closed file nor bring a removed one back.
    """

    def __init__(self, root: Path, name: str, entries: LastingEntries) -> None:
        self.size_bytes = 0
        self._root = root
        self._entries = entries
        self._path = root / name
        self._block: list[bytes] = []
        self._block_bytes = 0
        self._writing = asyncio.Lock()
        self._is_intact = True
        self._is_complete = False
        self._disk = threading.Lock()
        self._told_bytes = 0
        self._kept: Path | None = None
        self._file: BinaryIO | None = None
        self._is_discarded = False

    async def open(self) -> None:
        await _in_thread(self._open)

    async def write(self, chunk: bytes) -> None:
        """Append bytes; chunks written at the same time follow each other in the order of the calls."""
        async with self._writing:
            if self._is_complete:
                raise ValueError("The staged object is complete: nothing can be added to it.")
            self._block.append(chunk)
            self._block_bytes += len(chunk) + _OBJECT_BYTES
            self.size_bytes += len(chunk)
            if self._block_bytes >= BLOCK_BYTES:
                await self._flush()

    @asynccontextmanager
    async def local_path(self) -> AsyncIterator[Path]:
        """Give the file itself, wherever it is by now. Writing ends here."""
        await self._complete()
        yield self._kept or self._path

    async def keep(self, key: str, *, content_type: str | None = None) -> None:
        """Make the object durable, then give it its key in one step; an object of that key is replaced."""
        del content_type  # files have none
        target = self._root / checked(key)
        await self._complete()
        await _in_thread(self._publish, target)

    async def discard(self) -> None:
        await _in_thread(self._discard)

    async def _complete(self) -> None:
        async with self._writing:
            self._is_complete = True
            await self._flush()

    async def _flush(self) -> None:
        if not self._is_intact:
            raise ValueError("An earlier write did not finish: a part of the staged object is missing.")
        block, self._block, self._block_bytes = self._block, [], 0
        self._is_intact = False
        await _in_thread(self._append, block)
        self._is_intact = True

    def _open(self) -> None:
        with self._disk:
            if not self._is_discarded:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("xb")

    def _append(self, block: list[bytes]) -> None:
        with self._disk:
            file = self._opened()
            file.writelines(block)
            file.flush()
            if file.tell() - self._told_bytes >= WRITEBACK_BYTES:
                self._told_bytes = _begin_writeback(file, self._told_bytes)

    def _publish(self, target: Path) -> None:
        with self._disk:
            file = self._opened()
            os.fsync(file.fileno())
            self._entries.make_folder(target.parent)
            if self._kept is None:
                self._path.replace(target)
            else:
                self._copy(self._kept, target)
            self._kept = target
            self._entries.sync(target)

    def _copy(self, source: Path, target: Path) -> None:
        """Give the same bytes a second key: the temporary file itself went under the first."""
        with source.open("rb") as original, self._path.open("xb") as copy:
            shutil.copyfileobj(original, copy, CHUNK_BYTES)
            copy.flush()
            os.fsync(copy.fileno())
        self._path.replace(target)

    def _discard(self) -> None:
        with self._disk:
            self._is_discarded = True
            if self._file is not None:
                with suppress(OSError):  # a full disk refuses what is still buffered, and that goes with the file
                    self._file.close()
            self._path.unlink(missing_ok=True)

    def _opened(self) -> BinaryIO:
        if self._file is None or self._is_discarded:
            raise ValueError("The staged object is gone: its context was left.")
        return self._file


async def _in_thread(work: Callable[[*Arguments], None], *arguments: *Arguments) -> None:
    """Run blocking work in a thread; a disk that fails means that the media service is down."""
    try:
        await anyio.to_thread.run_sync(work, *arguments)
    except OSError as error:
        raise unavailable(Service.MEDIA, error) from error


@contextmanager
def _translated() -> Iterator[None]:
    """Translate obstore's errors into the domain's."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound("File not found") from error
    except (BaseError, OSError) as error:
        raise Unavailable(Service.MEDIA) from error


def _is_readable(folder: Path) -> bool:
    """Tell whether a folder can be listed; one that was removed is made again, as an upload would do."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.R_OK | os.X_OK)


def _begin_writeback(file: BinaryIO, start: int) -> int:
    """Have the system write what was added behind a position, without waiting for it; return the new position.

    That is what Linux does to new bytes that are said to be needed no more, and all it does: they stay in memory until
    they are written, and later ones are not touched.
    """
    end = file.tell()
    if sys.platform == "linux":
        os.posix_fadvise(file.fileno(), start, end - start, os.POSIX_FADV_DONTNEED)
    return end


def _folder(url_or_path: str) -> Path:
    url = urlsplit(url_or_path)
    if url_or_path and not url.scheme:
        return Path(url_or_path)
    if url.scheme == "file" and url.netloc in ("", "localhost") and url.path.startswith("/"):
        return Path(url2pathname(url.path))
    # The URL may hold credentials, so the sentence does not repeat it.
    raise ValueError("Media are kept in a folder of this machine: give its path or a file:/// URL.")
