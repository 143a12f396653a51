"""A few files of a folder that stay open for a while: the next range of a track then costs no trip to a thread."""

from __future__ import annotations

import asyncio
import os
import stat
from collections import OrderedDict
from pathlib import Path

import anyio.to_thread

KEPT_OPEN = 64
"""Files that stay open though nobody reads them at the moment."""

IDLE_SECONDS = 60.0
"""How long, lest the disk's space of what another process has removed stays taken."""


class LentFile:
    """An open file on loan: it stays open at least until it is closed here. Closing it twice does nothing."""

    __slots__ = ("_descriptor", "_opened", "size_bytes")

    def __init__(self, opened: _Opened) -> None:
        opened.users += 1
        self._opened: _Opened | None = opened
        self._descriptor = opened.descriptor
        self.size_bytes = opened.size_bytes

    def fileno(self) -> int:
        """Return the descriptor. Its position is everybody's: read by offsets."""
        if self._opened is None:
            raise ValueError("The file was given back.")
        return self._descriptor

    def again(self) -> LentFile:
        """Return the same file once more, to be closed for itself."""
        if self._opened is None:
            raise ValueError("The file was given back.")
        return LentFile(self._opened)

    def close(self) -> None:
        """Give it back."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.users -= 1
            opened.close_if_unused()


class OpenFiles:
    """Lends open files of one folder by their names, and keeps those that were wanted last."""

    def __init__(self, root: Path, *, most: int = KEPT_OPEN, idle_seconds: float = IDLE_SECONDS) -> None:
        self._root = root
        self._most = most
        self._idle_seconds = idle_seconds
        self._kept: OrderedDict[str, _Opened] = OrderedDict()
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._closing_idle: asyncio.TimerHandle | None = None

    async def lend(self, name: str) -> LentFile:
        """Lend a file.

        Raises:
            FileNotFoundError: there is no such file.
            OSError: it cannot be opened.
        """
        while (lent := self.lend_at_once(name)) is None:
            # Who waits may leave: the file is kept for the next one, or has made room again before anyone looks.
            await asyncio.shield(self._opening.get(name) or self._start_opening(name))
        return lent

    def lend_at_once(self, name: str) -> LentFile | None:
        """Lend a file that is open already; return None for any other."""
        kept = self._kept.get(name)
        if kept is None:
            return None
        if not kept.is_there():
            self.forget(name)
            return None
        kept.used_at = asyncio.get_running_loop().time()
        self._kept.move_to_end(name)
        return LentFile(kept)

    def forget(self, name: str) -> None:
        """Close a file as soon as nobody reads it: it is removed, or another one has its name."""
        if (opened := self._kept.pop(name, None)) is not None:
            opened.let_go()

    async def close(self) -> None:
        """Close all files as soon as nobody reads them."""
        if self._opening:
            await asyncio.wait(tuple(self._opening.values()))
        if self._closing_idle is not None:
            self._closing_idle.cancel()
        for name in tuple(self._kept):
            self.forget(name)

    def _start_opening(self, name: str) -> asyncio.Task[None]:
        opening = self._opening[name] = asyncio.create_task(self._open(name))
        return opening

    async def _open(self, name: str) -> None:
        try:
            opened = await anyio.to_thread.run_sync(_opened, self._root / name)
        finally:
            del self._opening[name]
        opened.used_at = asyncio.get_running_loop().time()
        self._kept[name] = opened
        if len(self._kept) > self._most:
            self.forget(next(iter(self._kept)))
        if self._closing_idle is None:
            self._watch_idle()

    def _watch_idle(self) -> None:
        self._closing_idle = asyncio.get_running_loop().call_later(self._idle_seconds, self._close_idle)

    def _close_idle(self) -> None:
        idle_since = asyncio.get_running_loop().time() - self._idle_seconds
        for name in [name for name, opened in self._kept.items() if opened.used_at <= idle_since]:
            self.forget(name)
        self._closing_idle = None
        if self._kept:
            self._watch_idle()


class _Opened:
    """An open file, which closes when it is let go and its last user has gone."""

    def __init__(self, descriptor: int, size_bytes: int) -> None:
        self.descriptor = descriptor
        self.size_bytes = size_bytes
        self.users = 0
        self.used_at = 0.0
        self._is_kept = True

    def is_there(self) -> bool:
        """Tell whether the file still has a name, and look at its size: other processes do as they like."""
        facts = os.fstat(self.descriptor)
        self.size_bytes = facts.st_size
        return facts.st_nlink > 0

    def let_go(self) -> None:
        self._is_kept = False
        self.close_if_unused()

    def close_if_unused(self) -> None:
        if not self._is_kept and not self.users:
            os.close(self.descriptor)


def _opened(path: Path) -> _Opened:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        raise FileNotFoundError(path)
    return _Opened(descriptor, facts.st_size)
