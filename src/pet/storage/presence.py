"""Who serves from a folder: several processes may, and one that is alone may tidy up after all that ever died."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from pet.domain.errors import Service, Unavailable

LOCK_FILE = ".serving"
"""No key of an object begins with a dot."""

Tidy = Callable[[bool], Awaitable[None]]
"""Called with whether this process is alone: then nothing in the folder can be in flight, whatever its age."""


@asynccontextmanager
async def present(folder: Path | None, tidy: Tidy) -> AsyncIterator[None]:
    """Tidy a folder, then be known as one of those who serve from it until the context is left or the process dies.

    Whoever is alone keeps others waiting until it has tidied up. A file system without locks lets nobody be alone, and
    nobody ever is in a store elsewhere (None), which others may use unseen.

    Raises:
        Unavailable: the folder cannot be used.
    """
    if folder is None:
        await tidy(False)
        yield
        return
    descriptor = _open(folder)
    try:
        is_alone = _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_alone:
            await tidy(True)
        # Waits only while another one that is alone tidies up. A turn of the exclusive lock into a shared one may let
        # such a one in between: nothing is in flight here yet.
        await anyio.to_thread.run_sync(_lock, descriptor, fcntl.LOCK_SH)
        if not is_alone:
            await tidy(False)
        yield
    finally:
        os.close(descriptor)


def _open(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Unavailable(Service.MEDIA) from error


def _lock(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation)
    except OSError:
        return False
    return True
