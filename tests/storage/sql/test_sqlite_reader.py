"""The thread that reads a SQLite file: batches, errors, callers who go, and an end in which nobody is forgotten."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from pet.storage.sql.sqlite_reader import SqliteReader


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a table of the numbers from 0 to 99."""
    with closing(sqlite3.connect(tmp_path / "some.sqlite3")) as file:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("CREATE TABLE number AS SELECT value AS n FROM json_each(?)", (str(list(range(100))),))
        file.commit()
    return tmp_path / "some.sqlite3"


@pytest.fixture
async def reader(path: Path) -> AsyncIterator[SqliteReader]:
    reader = SqliteReader(str(path), busy_timeout_ms=5000)
    yield reader
    await reader.close()


SELECT = "SELECT n, n * 2 AS doubled FROM number WHERE n = ?"


async def test_what_is_asked_at_once_is_read_at_once(reader: SqliteReader, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    take_back = reader._take_back

    def counted(answered: list[object], *, is_last: bool) -> None:
        sizes.append(len(answered))
        take_back(answered, is_last=is_last)  # type: ignore[arg-type]

    monkeypatch.setattr("pet.storage.sql.sqlite_reader.HOLD_BACK_SECONDS", 60)
    monkeypatch.setattr(reader, "_take_back", counted)
    rows = await asyncio.gather(*(reader.read(SELECT, (number,)) for number in range(100)))
    assert rows == [[{"n": number, "doubled": 2 * number}] for number in range(100)]
    assert sizes == [100]


async def test_an_error_is_told_to_whoever_caused_it(reader: SqliteReader) -> None:
    statements = [SELECT, "SELECT * FROM missing WHERE n = ?", "DELETE FROM number WHERE n = ?", SELECT]
    outcomes = await asyncio.gather(*(reader.read(sql, (1,)) for sql in statements), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == [
        "[{'n': 1, 'doubled': 2}]",
        "no such table: missing",
        "attempt to write a readonly database",
        "[{'n': 1, 'doubled': 2}]",
    ]


async def test_a_caller_who_goes_leaves_the_others_theirs(reader: SqliteReader) -> None:
    gone, staying = (asyncio.create_task(reader.read(SELECT, (number,))) for number in (1, 2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await staying == [{"n": 2, "doubled": 4}]
    assert gone.cancelled()


async def test_a_long_read_does_not_hold_up_the_short_one_before_it(reader: SqliteReader) -> None:
    endless = "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT ?) SELECT count(*) AS n FROM c"
    ended: list[str] = []

    async def read(name: str, sql: str, value: int) -> None:
        await reader.read(sql, (value,))
        ended.append(name)

    await reader.read(SELECT, (0,))
    reads = [read("middling", endless, 50_000), read("short", SELECT, 1), read("long", endless, 1_000_000)]
    first, *others = (asyncio.create_task(one) for one in reads)
    await first
    assert ended == ["middling"]
    await asyncio.gather(*others)


async def test_closing_answers_what_was_asked_for_and_ends_the_thread(path: Path) -> None:
    before = threading.active_count()
    reader = SqliteReader(str(path), busy_timeout_ms=5000)
    asked = [asyncio.create_task(reader.read(SELECT, (number,))) for number in range(3)]
    await asyncio.sleep(0)
    await reader.close()
    assert [row["n"] for [row] in await asyncio.gather(*asked)] == [0, 1, 2]
    assert not [thread for thread in threading.enumerate() if thread.name == "pet-sqlite-reader"]
    assert threading.active_count() <= before + 1  # the default executor's
    with pytest.raises(sqlite3.ProgrammingError):
        await reader.read(SELECT, (1,))
