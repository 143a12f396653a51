"""Telling a full disk from an engine that is down: of all that can fail, it alone lasts until somebody makes room."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator

from pet.domain.errors import OutOfSpace, Service, Unavailable

_FULL = {errno.ENOSPC, errno.EDQUOT}

_POSTGRES_FULL = "53100"
"""disk_full (PostgreSQL, appendix A)."""


def unavailable(service: Service, error: BaseException) -> Unavailable:
    """Return what a driver's error means for a service."""
    is_full = any(_tells_of_a_full_disk(found) for found in _chain(error))
    return OutOfSpace(service) if is_full else Unavailable(service)


def _tells_of_a_full_disk(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in _FULL
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return getattr(error, "sqlstate", None) == _POSTGRES_FULL


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was raised from: Tortoise wraps what drivers raise."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__
