"""Entries of new files that last through a crash: one does only when the folder that holds it is synced."""

from __future__ import annotations

import os
from pathlib import Path


class LastingEntries:
    """Makes folders and entries below a root last.

    A new folder is itself an entry of the one above it, and so on. Each of these is synced once for each process, as
    each time costs a trip to the disk while a client waits. Everything here blocks and may run in several threads.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lasting: set[Path] = set()

    def make_folder(self, folder: Path) -> None:
        """Make a folder, the root or one below it, and those above it, where they are missing."""
        if folder.is_dir():
            return
        self._lasting.discard(folder)  # someone removed it
        if folder != self._root:
            self.make_folder(folder.parent)
        folder.mkdir(parents=True, exist_ok=True)

    def sync(self, path: Path) -> None:
        """Return when the entry of a file below the root lasts, and all on the way to it."""
        folder = path.parent
        _sync_folder(folder)
        if folder != self._root and folder not in self._lasting:
            self.sync(folder)
            self._lasting.add(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
