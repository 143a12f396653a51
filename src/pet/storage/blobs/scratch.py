"""Files of this machine into which other processes write what becomes an object afterwards."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from pet.domain.errors import Service
from pet.domain.media import MIB
from pet.storage.space import unavailable

_PIECE_BYTES = MIB // 4


@asynccontextmanager
async def scratch_file(path: Path) -> AsyncIterator[Scratch]:
    """Make an empty file, and remove it when the context is left.

    Raises:
        OutOfSpace, Unavailable: an OSError was raised: the disk refuses to make, to take, or to give back the file.
    """
    scratch = Scratch(path)
    try:
        await anyio.to_thread.run_sync(scratch.make)
        yield scratch
    except OSError as error:
        raise unavailable(Service.MEDIA, error) from error
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(scratch.remove)


class Scratch:
    """A `ScratchFile`. A cancelled caller may leave a thread behind: after `remove` it makes nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._is_removed = False

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield what is in the file, in chunks of at most 1 MiB, and open it only while one is read."""
        position = 0
        while piece := await anyio.to_thread.run_sync(self._piece, position):
            yield piece
            position += len(piece)

    def make(self) -> None:
        """Make the file, and the folder where that is missing."""
        with self._lock:
            if not self._is_removed:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.path.open("xb").close()

    def remove(self) -> None:
        """Remove the file."""
        with self._lock:
            self._is_removed = True
            self.path.unlink(missing_ok=True)

    def _piece(self, position: int) -> bytes:
        with self.path.open("rb", buffering=0) as file:
            file.seek(position)
            return file.read(_PIECE_BYTES)
