"""The beginning and the end of an upload on its way to a store, kept in a local file for inspection.

Tags, artwork and what tells the duration are at either end of a file; the middle is sound, which nobody looks into.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import BinaryIO

from pet.domain.errors import Service
from pet.domain.media import MIB
from pet.storage.space import unavailable

HEAD_BYTES = 24 * MIB
"""Room for the largest picture of a FLAC file (16 MiB) and more before the first frame of sound."""

TAIL_BYTES = 16 * MIB
"""Room for the index of an MP4 or the tags of a WAV at the end, with artwork."""


class Spool:
    """A file that takes bytes at its end and keeps the first 24 MiB and the last 16; what is smaller is whole.

    The end is written round and round in a second file until `assemble` puts it into its place. Everything here blocks
    and runs in a thread. A cancelled caller may leave a thread behind: after `remove` it finds nothing to write to.
    """

    def __init__(self, path: Path, *, head_bytes: int = HEAD_BYTES, tail_bytes: int = TAIL_BYTES) -> None:
        self.path = path
        self._tail_path = path.with_suffix(".tail")
        self._head_bytes = head_bytes
        self._tail_bytes = tail_bytes
        self._size = 0
        self._is_removed = False
        self._lock = threading.Lock()
        self._files: dict[Path, BinaryIO] = {}

    def append(self, block: bytes) -> None:
        """Add bytes.

        Raises:
            Unavailable: the disk refuses.
        """
        room = max(0, self._head_bytes - self._size)
        self._write(self.path, self._size, block[:room])
        rest = memoryview(block)[room:]
        position = max(0, self._size - self._head_bytes) % self._tail_bytes
        while rest:
            piece = rest[: self._tail_bytes - position]
            self._write(self._tail_path, position, piece)
            position = (position + len(piece)) % self._tail_bytes
            rest = rest[len(piece) :]
        self._size += len(block)

    def assemble(self) -> None:
        """Put the end into its place, a hole of zeros before it where bytes are missing. Nothing is added afterwards.

        Raises:
            Unavailable: the disk refuses.
        """
        self._write(self.path, 0, b"")  # an empty upload is a file too
        beyond = self._size - self._head_bytes
        if beyond > 0 and self._tail_path in self._files:
            kept = min(beyond, self._tail_bytes)
            oldest = (beyond - kept) % self._tail_bytes
            for offset in range(0, kept, MIB):
                self._move(oldest + offset, self._size - kept + offset, min(MIB, kept - offset))
            self._drop(self._tail_path)

    def remove(self) -> None:
        """Remove the files; doing so again does nothing."""
        with self._lock:
            self._is_removed = True
        for path in (self.path, self._tail_path):
            self._drop(path)

    def _move(self, position: int, target: int, length: int) -> None:
        """Copy bytes from the ring, where they may go around its end, to their place."""
        ring = self._files[self._tail_path]
        position %= self._tail_bytes
        ring.seek(position)
        piece = ring.read(min(length, self._tail_bytes - position))
        if len(piece) < length:
            ring.seek(0)
            piece += ring.read(length - len(piece))
        self._write(self.path, target, piece)

    def _write(self, path: Path, position: int, content: bytes | memoryview) -> None:
        try:
            with self._lock:
                if self._is_removed:
                    raise ValueError("The staged object is gone: its context was left.")
                if path not in self._files:
                    self._files[path] = path.open("x+b", buffering=0)
                file = self._files[path]
                file.seek(position)
                file.write(content)
        except OSError as error:
            raise unavailable(Service.MEDIA, error) from error

    def _drop(self, path: Path) -> None:
        with self._lock:
            if file := self._files.pop(path, None):
                file.close()
            path.unlink(missing_ok=True)
