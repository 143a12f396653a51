"""Bytes of audio and images by key, in a folder or in an S3-compatible store; the URL chooses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from pet.domain.media import Blobs
from pet.storage.blobs.folder import open_folder
from pet.storage.blobs.open_files import LentFile


class OpenBlobs(Blobs, Protocol):
    """Bytes by key, with what the composition root asks about the place that they are in."""

    @property
    def folder(self) -> Path | None:
        """The folder that holds everything; None for a store, which may have users that this machine does not see."""

    async def answers(self) -> bool:
        """Tell whether the place can be read at this moment."""

    async def has_room(self) -> bool:
        """Tell whether uploads find a disk of this machine that takes bytes: a full one may still be read from."""

    async def lend(self, key: str, method: str) -> str | None:
        """Return a URL by which anyone may GET or HEAD an object for an hour; None when nobody else can reach it."""

    async def open_file(self, key: str) -> LentFile | None:
        """Lend the object's own file, to be closed by whoever has it; None where it is no file of this machine.

        Raises:
            NotFound: there is no such object.
        """


@asynccontextmanager
async def open_blobs(url: str, *, spool: Path, timeout_seconds: float) -> AsyncIterator[OpenBlobs]:
    """Open the place that a setting names until the context is left: a folder's path, a `file://` or an `s3://` URL.

    Args:
        url: what PET_MEDIA_URL says.
        spool: a folder of this machine for parts of what is being uploaded to a store.
        timeout_seconds: how long one call of a store may take.

    Raises:
        ValueError: the URL names neither.
        CannotOpen: the store cannot be reached, or refuses.
        Unavailable: the folder cannot be made.
    """
    if not url.startswith("s3://"):
        folder = open_folder(url)
        try:
            yield folder
        finally:
            await folder.close()
        return
    from pet.storage.blobs.s3_opening import open_s3  # noqa: PLC0415 - only where a setting names it

    async with open_s3(url, spool=spool, timeout_seconds=timeout_seconds) as blobs:
        yield blobs
