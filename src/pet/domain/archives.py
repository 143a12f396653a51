"""Archives: what is in the archive of someone's data, and in which order it is written.

An archive holds documents (`account.json` ...), the originals of all uploads under `originals/`, and last a manifest
with the SHA-256 of every other member. It is written as a stream, in one pass, one chunk in memory at a time.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pet.domain.errors import NotFound
from pet.domain.files import MediaFile
from pet.domain.ids import UserId
from pet.domain.media import Blobs
from pet.domain.personal_data import PersonalData, Row, file_row

FORMAT = "pet-data-export/1"


@dataclass(frozen=True, slots=True)
class Member:
    """What an archive holds under a path; the digest is of its bytes as they come out, in hexadecimal digits."""

    path: str
    size_bytes: int
    sha256: str


class Archive(Protocol):
    """Writes members one after the other, each as it arrives. Rows become JSON with names in camelCase."""

    @property
    def members(self) -> Sequence[Member]:
        """What has been written."""

    async def document(self, path: str, row: Row) -> None:
        """Write one JSON object."""

    async def listing(self, path: str, rows: AsyncIterator[Sequence[Row]]) -> None:
        """Write a JSON array of rows that come in batches."""

    async def copy(self, path: str, chunks: AsyncIterator[bytes], *, modified_at: datetime) -> None:
        """Write bytes as they are."""


OpenArchive = Callable[[Callable[[bytes], Awaitable[None]]], AbstractAsyncContextManager[Archive]]
"""Opens an archive that is written by a function, which takes the bytes in their order. Leaving the context without an
error completes it."""


class Counter(Protocol):
    """Is told how far the archive is."""

    done_bytes: int
    total_bytes: int


async def write_archive(
    archive: Archive, data: PersonalData, blobs: Blobs, user_id: UserId, requested_at: datetime, progress: Counter
) -> None:
    """Write everything that is kept of a user.

    What is uploaded meanwhile may be missing, and what is deleted meanwhile is named in the manifest as missing.

    Raises:
        NotFound: the account is gone.
    """
    started_at = data.now()
    await archive.document("account.json", await data.account(user_id))
    await archive.document("profile.json", await data.profile(user_id))
    for name, rows in data.listings(user_id):
        await archive.listing(f"{name}.json", rows)
    await archive.listing("files.json", _counted(data.files(user_id, until=started_at), progress))
    missing = [
        path_of(file)
        async for batch in data.files(user_id, until=started_at)
        for file in batch
        if not await _copied(archive, blobs, file, progress)
    ]
    members = [{"path": m.path, "size": m.size_bytes, "sha256": m.sha256} for m in archive.members]
    manifest = {
        "format": FORMAT,
        "user_id": user_id,
        "requested_at": requested_at,
        "started_at": started_at,
        "members": members,
        "missing": missing,
    }
    await archive.document("manifest.json", manifest)


def path_of(file: MediaFile) -> str:
    """Return where the original of a file is: generated names alone, since a stranger's text is no path."""
    return f"originals/{file.type}/{file.file_name}"


async def _counted(files: AsyncIterator[Sequence[MediaFile]], progress: Counter) -> AsyncIterator[Sequence[Row]]:
    async for batch in files:
        progress.total_bytes += sum(file.size_bytes for file in batch)
        yield [{**file_row(file), "path": path_of(file)} for file in batch]


async def _copied(archive: Archive, blobs: Blobs, file: MediaFile, progress: Counter) -> bool:
    """Copy the bytes of a file; False when they are not there."""
    async with aclosing(_counted_bytes(blobs.read(file.blob_key, 0, file.size_bytes), progress)) as chunks:
        try:
            first = await anext(chunks, b"")
        except NotFound:
            return False

        async def whole() -> AsyncIterator[bytes]:
            yield first
            async for chunk in chunks:
                yield chunk

        await archive.copy(path_of(file), whole(), modified_at=file.created_at)
        return True


async def _counted_bytes(chunks: AsyncIterator[bytes], progress: Counter) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in chunks:
            progress.done_bytes += len(chunk)
            yield chunk
    finally:
        if close := getattr(chunks, "aclose", None):
            await close()
