"""Bytes of audio and images in an S3-compatible store, through obstore.

What is being written lies under `staging/`, sent in parts as it arrives. It is given its key by a copy inside the
store. A process that is killed leaves an object under `staging/`, which a later sweep removes, or an unfinished
multipart upload, which S3 shows to no listing of objects: a rule of the bucket removes those (docs/engines/s3.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import anyio
import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import S3Store

from pet.domain.errors import DomainError, NotFound, Service, Unavailable
from pet.domain.ids import new_uuid7
from pet.domain.media import MIB, STAGED_AT_MOST, ScratchFile, StagedBlob, StoredObject
from pet.domain.times import utc_now
from pet.storage.blobs.keys import STAGING, checked
from pet.storage.blobs.s3_calls import bounded, next_of, reason_of, translated, unbroken
from pet.storage.blobs.scratch import scratch_file
from pet.storage.blobs.spool import Spool
from pet.storage.space import unavailable

PART_BYTES = 5 * MIB
"""The smallest part that S3 takes. One is on its way while the next is gathered."""

READ_BYTES = 128 * 1024
"""A chunk is at least this large, and at most by what one read of a socket gives (400 KiB) larger. A store that gives
less than one within the deadline counts as down."""

COPIED_PER_SECOND = 50 * MIB
"""What a store may take for a copy inside itself, beyond the deadline of every call."""

LENT_FOR = timedelta(hours=1)
"""How long a URL works for whom it was handed to. Players come back to it for the next piece of a track, so it has to
outlast the track."""

CLEANING_SECONDS = 0.5
"""How long an answer waits for what an upload leaves to be removed, which goes on alone afterwards; not at all when an
engine is down."""

LISTED_AT_ONCE = 1000
"""What a store gives in one answer."""

SWEEP_BATCH = 100
"""What is removed within the deadline of one call; obstore does twenty at a time."""

_log = structlog.get_logger(__name__)

MakeStore = Callable[[dict[str, str]], S3Store]
"""Opens the store with headers that are sent along, and signed, with every call."""


class S3Blobs:
    """Keeps every object under its key in a bucket, or under a prefix there.

    Args:
        make_store: opens the store.
        spool: a folder of this machine, for the beginnings and ends of uploads and for pictures while they last.
        timeout_seconds: how long one call may take; of a stream, how long a chunk may let itself be waited for.
    """

    folder: Path | None = None

    def __init__(self, make_store: MakeStore, *, spool: Path, timeout_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds
        self.store = make_store({})
        self._make_store = make_store
        self._copiers: dict[str | None, S3Store] = {None: self.store}
        self._spool = spool
        self._cleaning: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Wait, within the deadline, until what ended uploads left is removed."""
        if self._cleaning:
            await asyncio.wait(self._cleaning, timeout=self.timeout_seconds)

    async def answers(self) -> bool:
        """Tell whether the bucket can be listed."""
        try:
            await bounded(next_of(obstore.list(self.store, prefix=STAGING)), self.timeout_seconds)
        except DomainError:
            return False
        return True

    async def has_room(self) -> bool:
        """Tell whether the spool takes bytes; a store has no end."""
        trial = Spool(self._spool / new_uuid7())
        try:
            await anyio.to_thread.run_sync(trial.append, b"ready?")
        except Unavailable:
            return False
        finally:
            await anyio.to_thread.run_sync(trial.remove)
        return True

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[StagedBlob]:
        """Open a temporary object; leaving the context removes what was not kept, whatever happened."""
        async with self._staged(f"{STAGING}/{new_uuid7()}") as staged:
            yield staged

    @asynccontextmanager
    async def stage_at(self, key: str, *, content_type: str) -> AsyncIterator[StagedBlob]:
        """Open an object that appears under its key at once and whole when it is kept, without a copy.

        S3 copies at most 5 GB (CopyObject). What a kill leaves is an unfinished upload, and nothing under the key.
        """
        async with self._staged(checked(key), content_type) as staged:
            yield staged

    @asynccontextmanager
    async def _staged(self, path: str, content_type: str | None = None) -> AsyncIterator[_StagedObject]:
        staged = _StagedObject(self, path, Spool(self._spool / new_uuid7()), content_type)
        patience_seconds = CLEANING_SECONDS
        try:
            yield staged
        except Unavailable:
            patience_seconds = 0
            raise
        finally:
            with anyio.CancelScope(shield=True):
                cleaning = asyncio.create_task(staged.discard())
                self._cleaning.add(cleaning)
                cleaning.add_done_callback(self._cleaning.discard)
                await asyncio.wait({cleaning}, timeout=patience_seconds)

    def scratch(self) -> AbstractAsyncContextManager[ScratchFile]:
        """Give an empty file in the spool; leaving the context removes it."""
        return scratch_file(self._spool / new_uuid7())

    async def size(self, key: str) -> int:
        """Return an object's size in bytes; NotFound when there is no such object."""
        found = await bounded(obstore.head_async(self.store, checked(key)), self.timeout_seconds)
        return found["size"]

    async def read(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` up to `end` (exclusive) or the object's end, in chunks of at most 1 MiB.

        One request is open until the end, and read as fast as the chunks are taken.
        """
        if start >= end:
            await self.size(key)
            return
        try:
            async with asyncio.timeout(self.timeout_seconds):
                found = await obstore.get_async(self.store, checked(key), options={"range": (start, end)})
        except (BaseError, OSError) as error:
            if reason_of(error) in {"InvalidRange", "416"}:
                return  # the object is there, and ends before the start
            with translated():
                raise
        stream = found.stream(min_chunk_size=READ_BYTES)
        while chunk := await bounded(next_of(stream), self.timeout_seconds):
            for offset in range(0, len(chunk), MIB):
                yield chunk[offset : offset + MIB] if len(chunk) > MIB else chunk

    @asynccontextmanager
    async def local_file(self, key: str) -> AsyncIterator[Path]:
        """Give a copy in the spool; NotFound when there is no such object."""
        path = self._spool / new_uuid7()
        size_bytes = await self.size(key)
        try:
            await _filled(path, self.read(key, 0, size_bytes))
            yield path
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.Path(path).unlink(missing_ok=True)

    async def listed(self, prefix: str) -> AsyncIterator[Sequence[StoredObject]]:
        """Yield the objects under a path, up to 1,000 at a time, by their keys."""
        listing = obstore.list(self.store, prefix=prefix, chunk_size=LISTED_AT_ONCE)
        while batch := await bounded(next_of(listing), self.timeout_seconds):
            yield [StoredObject(found["path"], found["size"], found["last_modified"]) for found in batch]

    async def remove(self, key: str) -> None:
        """Remove an object; removing what is not there does nothing."""
        await self.delete([checked(key)])

    async def sweep(self, *, older_than: timedelta = STAGED_AT_MOST) -> int:
        """Remove temporary objects that are older than this, a hundred at a time; return how many."""
        newest = utc_now() - older_than
        removed = 0
        listing = obstore.list(self.store, prefix=STAGING, chunk_size=SWEEP_BATCH)
        while batch := await bounded(next_of(listing), self.timeout_seconds):
            old = [found["path"] for found in batch if found["last_modified"] < newest]
            if not old:
                break  # they are named, and so listed, by the time of their making
            await self.delete(old)
            removed += len(old)
        return removed

    async def open_file(self, key: str) -> None:
        """Return None: what is in a store is no file of this machine."""
        del key

    async def lend(self, key: str, method: str) -> str | None:
        """Return a URL by which anyone may GET or HEAD an object for an hour."""
        signed = obstore.sign_async(self.store, "HEAD" if method == "HEAD" else "GET", checked(key), LENT_FOR)
        return await bounded(signed, self.timeout_seconds)

    async def delete(self, paths: list[str]) -> None:
        """Remove objects of any name."""
        with suppress(NotFound):
            await bounded(obstore.delete_async(self.store, paths), self.timeout_seconds)

    async def copy(self, source: str, key: str, size_bytes: int, content_type: str | None) -> None:
        """Give an object a key and a type. A copy keeps the old type unless it is told otherwise by headers."""
        if content_type not in self._copiers:
            replacing = {"x-amz-metadata-directive": "REPLACE", "content-type": str(content_type)}
            self._copiers[content_type] = self._make_store(replacing)
        seconds = self.timeout_seconds + size_bytes / COPIED_PER_SECOND
        await bounded(obstore.copy_async(self._copiers[content_type], source, key), seconds)


class _StagedObject:
    """A temporary object: its bytes go to the store in parts, and its beginning and end into a local file as well.

    A call that sends a part is never broken off, because obstore forgets an upload then and could not abort it any
    more; whoever is cancelled leaves it to itself, and `discard` waits for it, as long as the client's own deadlines
    let it go on.
    """

    def __init__(self, blobs: S3Blobs, path: str, spool: Spool, content_type: str | None = None) -> None:
        self.size_bytes = 0
        self._blobs = blobs
        self._path = path
        self._spool = spool
        self._writer = obstore.open_writer_async(
            blobs.store,
            path,
            attributes={"Content-Type": content_type} if content_type else None,
            buffer_size=PART_BYTES,
            max_concurrency=1,
        )
        self._sending: asyncio.Future[object] | None = None
        self._buffer = bytearray()
        self._writing = asyncio.Lock()
        self._is_intact = True
        self._is_complete = False
        self._is_assembled = False
        self._is_stored = False
        self._may_be_stored = False
        self._is_in_place = False
        self._is_discarded = False

    async def write(self, chunk: bytes) -> None:
        """Append bytes; chunks written at the same time follow each other in the order of the calls."""
        async with self._writing:
            if self._is_complete:
                raise ValueError("The staged object is complete: nothing can be added to it.")
            self._buffer += chunk
            self.size_bytes += len(chunk)
            if len(self._buffer) >= MIB:
                await self._flush()

    @asynccontextmanager
    async def local_path(self) -> AsyncIterator[Path]:
        """Give a file of the true size with the first 24 and the last 16 MiB. Writing ends here."""
        async with self._writing:
            await self._end_writing()
            if not self._is_assembled:
                await anyio.to_thread.run_sync(self._spool.assemble)
                self._is_assembled = True
        yield self._spool.path

    async def keep(self, key: str, *, content_type: str | None = None) -> None:
        """Store what is left of the object, then copy it to its key; an object of that key is replaced."""
        checked(key)
        async with self._writing:
            if self._is_discarded:
                raise ValueError("The staged object is gone: its context was left.")
            await self._end_writing()
            if not self._is_stored:
                await self._store()
            if key == self._path:
                self._is_in_place = True
                return
        with _expecting_its_own():
            await self._blobs.copy(self._path, key, self.size_bytes, content_type)

    async def discard(self) -> None:
        """Remove the temporary object, or abort what is there of it. What cannot be removed now is swept later."""
        self._is_discarded = True
        await anyio.to_thread.run_sync(self._spool.remove)
        if self._sending:  # or what is being stored would be there again after its removal
            await asyncio.wait({self._sending})
        try:
            if self._is_in_place:
                return
            if self._may_be_stored:
                await self._blobs.delete([self._path])
            else:
                abandoned = ValueError("not kept")
                with translated():
                    await self._writer.__aexit__(ValueError, abandoned, None)
        except Unavailable as error:
            _log.warning("a temporary object is left to a later sweep", path=self._path, reason=str(error.__cause__))

    async def _end_writing(self) -> None:
        self._is_complete = True
        await self._flush()

    async def _flush(self) -> None:
        if not self._is_intact:
            raise ValueError("An earlier write did not finish: a part of the staged object is missing.")
        if not self._buffer:
            return
        block, self._buffer = bytes(self._buffer), bytearray()
        self._is_intact = False
        await anyio.to_thread.run_sync(self._spool.append, block)
        await self._send(self._writer.write(block))
        self._is_intact = True

    async def _store(self) -> None:
        """Send the last part and finish the upload."""
        self._is_intact = False
        # Waits for the part before: an upload whose part failed can be aborted as long as it is not being finished.
        await self._send(self._writer.write(b""))
        self._may_be_stored = True
        await self._send(self._writer.close())
        self._is_intact = self._is_stored = True

    async def _send(self, work: Awaitable[object]) -> None:
        self._sending = asyncio.ensure_future(work)
        with _expecting_its_own():
            await unbroken(self._sending, self._blobs.timeout_seconds)


async def _filled(path: Path, chunks: AsyncIterator[bytes]) -> None:
    """Write chunks to a new file; a disk that fails means that the media service is down."""
    try:
        async with await anyio.open_file(path, "xb") as file:
            async for chunk in chunks:
                await file.write(chunk)
    except OSError as error:
        raise unavailable(Service.MEDIA, error) from error


@contextmanager
def _expecting_its_own() -> Iterator[None]:
    """Take it for a failure of the store when it does not know what was stored, or begun, a moment ago."""
    try:
        yield
    except NotFound as error:
        raise Unavailable(Service.MEDIA) from error.__cause__
