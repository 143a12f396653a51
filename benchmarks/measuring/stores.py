"""Fills each kind of store with a network at the speed at which it takes rows."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain, islice
from typing import Any

import asyncpg
from pymongo import MongoClient
from pymongo.write_concern import WriteConcern

from benchmarks.measuring import stars
from benchmarks.measuring.stars import Record, Stars
from pet.domain.texts import beginnings
from pet.storage.mongo.names import EVERYONE, beginnings_of
from pet.storage.sql.database import apply_migrations

STEP = 20_000
"""Rows that are made and sent at once: a million follows need not be in memory."""

NO_NAMES = dict.fromkeys(("youtube", "vk", "telegram"))
ID_COLUMN = {"profile": "user_id", "file": "file_id", "activity": "object_id", "follow": "object_id"}
COLLECTION = {"profile": "profiles", "file": "files", "activity": "activities", "follow": "follows"}

MAKERS: Mapping[str, Callable[[Stars], Iterator[Record]]] = {
    "profile": stars.profiles,
    "file": stars.tracks,
    "activity": stars.activities,
    "follow": stars.follows,
}


def fill_sqlite(path: str, size: Stars) -> None:
    """Make a file with PET's tables and a network."""
    asyncio.run(apply_migrations(f"sqlite://{path}"))
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA synchronous = OFF")
        for table, columns, rows in _tables(size):
            marks = ", ".join("?" * len(columns))
            file.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)
        file.commit()


async def fill_postgres(url: str, size: Stars) -> None:
    """Put a network into a database that has PET's tables."""
    connection = await asyncpg.connect(url)
    try:
        for table, columns, rows in _tables(size):
            for some in _in_steps(rows):
                await connection.copy_records_to_table(table, records=some, columns=columns)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


def fill_mongo(url: str, size: Stars) -> None:
    """Put a network into a database whose collections and indexes PET makes when it opens it."""
    with MongoClient[dict[str, Any]](url, directConnection=True) as client:
        database = client.get_default_database(write_concern=WriteConcern(w=1, j=False))
        for table, make in MAKERS.items():
            for some in _in_steps(_document(table, row) for row in make(size)):
                database[COLLECTION[table]].insert_many(some, ordered=False)
        counts = _counts(size).items()
        for some in _in_steps({"_id": f"0 {beginning}", "people": people} for beginning, people in counts):
            database["people_counts"].insert_many(some, ordered=False)


def _tables(size: Stars) -> Iterator[tuple[str, Sequence[str], Iterable[tuple[Any, ...]]]]:
    for table, make in MAKERS.items():
        rows = make(size)
        first = next(rows)
        yield table, list(first), (tuple(row.values()) for row in chain([first], rows))
    yield "profile_name", ["beginning", "created_ms", "user_id"], _names(size)
    counts = _counts(size).items()
    yield "people_count", ["beginning", "part", "people"], ((found_by.encode(), 0, n) for found_by, n in counts)


def _names(size: Stars) -> Iterator[tuple[bytes, int, str]]:
    for row in stars.profiles(size):
        for beginning in beginnings_of(row["username"], None):
            yield beginning.encode(), row["created_ms"], row["user_id"]


def _counts(size: Stars) -> Mapping[str, int]:
    """Return how many people each beginning finds."""
    names = (stars.username(number) for number in range(size.people + 2))
    return Counter(beginning for name in names for beginning in (EVERYONE, *beginnings([name])))


def _document(table: str, row: Record) -> dict[str, Any]:
    """Return the document that says what a row says."""
    key = ID_COLUMN[table]
    rest = {name: value for name, value in row.items() if name != key}
    return {"_id": row[key], **(_profile(rest) if table == "profile" else _file(rest) if table == "file" else rest)}


def _profile(row: Record) -> dict[str, Any]:
    preferences = {"email_notifications": True, "show_online_status": True, "private_profile": False}
    told = {name: row[name] for name in ("object_id", "username", "username_key", "role", "created_ms", "updated_ms")}
    stats = {name: row[name] for name in ("tracks", "followers", "following", "plays")}
    nothing = dict.fromkeys(("display_name", "bio", "location", "avatar_file_id", "cover_file_id"))
    lists: dict[str, Any] = {"genres": [], "instruments": [], "beginnings": beginnings_of(row["username"], None)}
    return {
        **told,
        **nothing,
        **lists,
        "social_links": NO_NAMES,
        "preferences": preferences,
        "stats": stats,
        "locks": 0,
    }


def _file(row: Record) -> dict[str, Any]:
    nothing = dict.fromkeys(("bitrate_kbps", "width", "height", "artist", "album", "track_id", "cover_file_id"))
    return {**row, **nothing, "locks": 0}


def _in_steps(rows: Iterable[Any]) -> Iterator[list[Any]]:
    left = iter(rows)
    while some := list(islice(left, STEP)):
        yield some
