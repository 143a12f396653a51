"""A full disk is told from an engine that is down."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing

import pytest
from asyncpg import CannotConnectNowError, DiskFullError
from tortoise.exceptions import OperationalError

from pet.domain.errors import OutOfSpace, Service, Unavailable
from pet.storage.space import unavailable


def full_database() -> sqlite3.Error:
    """Return what SQLite raises when nothing more fits."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.Error) as raised:
            database.execute("CREATE TABLE a (b)")
    return raised.value


def wrapped(cause: BaseException) -> OperationalError:
    """Return an error as Tortoise raises it from a driver's."""
    error = OperationalError(cause)
    error.__cause__ = cause
    return error


FULL: dict[str, BaseException] = {
    "disk": OSError(errno.ENOSPC, "No space left on device"),
    "quota": OSError(errno.EDQUOT, "Disk quota exceeded"),
    "sqlite": full_database(),
    "sqlite_wrapped": wrapped(full_database()),
    "postgres": wrapped(DiskFullError("could not extend file")),
}
DOWN: dict[str, BaseException] = {
    "disk_that_fails": OSError(errno.EIO, "Input/output error"),
    "locked_sqlite": sqlite3.OperationalError("database is locked"),
    "postgres_that_starts": wrapped(CannotConnectNowError("the database system is starting up")),
    "no_answer": TimeoutError(),
}


@pytest.mark.parametrize("error", FULL.values(), ids=FULL.keys())
def test_a_full_disk_is_out_of_space(error: BaseException) -> None:
    found = unavailable(Service.MEDIA, error)
    assert (type(found), found.message) == (OutOfSpace, Unavailable(Service.MEDIA).message)


@pytest.mark.parametrize("error", DOWN.values(), ids=DOWN.keys())
def test_anything_else_is_an_engine_that_is_down(error: BaseException) -> None:
    assert type(unavailable(Service.AUTH, error)) is Unavailable
