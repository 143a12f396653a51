"""The open database: migrations, transactions that end whole, and errors in the domain's words."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import closing
from functools import partial, wraps
from pathlib import Path
from typing import ParamSpec

import pytest
from tests.contract_suites.conftest import sql_store
from tests.contract_suites.scene import editing
from tortoise import Tortoise
from tortoise.connection import get_connection
from tortoise.exceptions import IntegrityError
from tortoise.migrations.autodetector import MigrationAutodetector

from pet.domain.errors import Service, Unavailable
from pet.storage.sql.database import (
    CONNECTION,
    DESIGN,
    Database,
    Record,
    Statements,
    apply_migrations,
    is_migrated,
    open_database,
    placeholders,
)

P = ParamSpec("P")

MIGRATE = "import asyncio, sys; from pet.storage.sql.database import *; asyncio.run(apply_migrations(sys.argv[1]))"


@pytest.fixture
def path(tmp_path: Path, migrated_database: Path) -> Path:
    """An empty, migrated database file."""
    return Path(shutil.copy(migrated_database, tmp_path / "pet.sqlite3"))


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    """The file, open."""
    async with open_database(f"sqlite://{path}") as opened:
        yield opened


def within_seconds(seconds: float) -> Callable[[Callable[P, Awaitable[None]]], Callable[P, Awaitable[None]]]:
    """Make a test fail that would wait for ever: what it looks for is a lock that nobody gives back."""

    def decorate(test: Callable[P, Awaitable[None]]) -> Callable[P, Awaitable[None]]:
        @wraps(test)
        async def limited(*args: P.args, **kwargs: P.kwargs) -> None:
            async with asyncio.timeout(seconds):
                await test(*args, **kwargs)

        return limited

    return decorate


def schema(path: Path) -> list[tuple[str, ...]]:
    """Return what a database file declares, and which migrations it knows."""
    with closing(sqlite3.connect(path)) as file:
        declared = file.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        return [*declared, *file.execute("SELECT app, name FROM tortoise_migrations").fetchall()]


async def note(sql: Statements, key: str) -> None:
    """Insert a row in the simplest table."""
    await sql.insert("blob_reservation", {"blob_key": key, "reserved_ms": 0})


async def noted(database: Database) -> list[str]:
    """Return the rows of the simplest table."""
    return [row["blob_key"] for row in await database.rows("SELECT blob_key FROM blob_reservation ORDER BY blob_key")]


async def open_and_leave(url: str) -> None:
    """Open a database, and close it again."""
    async with open_database(url):
        pass


async def test_migrating_goes_from_nothing_to_the_newest_and_again(tmp_path: Path, migrated_database: Path) -> None:
    path = tmp_path / "with %20 and ?.sqlite3"
    url = f"sqlite://{path}"
    assert await is_migrated(url) is False
    for _ in range(2):
        await apply_migrations(url)
        assert await is_migrated(url) is True
        assert schema(path) == schema(migrated_database)


def test_several_processes_migrate_one_file_at_once(tmp_path: Path, migrated_database: Path) -> None:
    path = tmp_path / "pet.sqlite3"
    command = [sys.executable, "-c", MIGRATE, f"sqlite://{path}"]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    outcomes = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]
    assert outcomes == [("", 0)] * 3
    assert schema(path) == schema(migrated_database)


async def test_a_migration_that_breaks_off_leaves_nothing_and_can_be_repeated(
    tmp_path: Path, migrated_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pet.sqlite3"

    async def break_off(*_: object) -> None:
        raise OSError("out of space")

    with monkeypatch.context() as patch:
        patch.setattr("tortoise.migrations.recorder.MigrationRecorder.record_applied", break_off)
        with pytest.raises(Unavailable):
            await apply_migrations(f"sqlite://{path}")
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT name FROM sqlite_master").fetchall() == []
    await apply_migrations(f"sqlite://{path}")
    assert schema(path) == schema(migrated_database)


async def test_the_migrations_lead_to_the_declared_tables() -> None:
    apps = DESIGN.to_dict()["apps"]
    await Tortoise.init(config=DESIGN, init_connections=False)
    try:
        assert Tortoise.apps is not None
        assert await MigrationAutodetector(Tortoise.apps, apps).changes() == []
    finally:
        await Tortoise.close_connections()


async def test_the_database_is_durable_and_shared(database: Database, path: Path) -> None:
    names = ("synchronous", "journal_mode", "busy_timeout")
    writes = [await database.atomically(partial(Statements.row, sql=f"PRAGMA {name}")) for name in names]
    reads = [await database.row(f"PRAGMA {name}") for name in names[1:]]
    assert [next(iter(row.values())) for row in [*writes, *reads] if row] == [2, "wal", 5000, "wal", 5000]


async def test_a_transaction_is_undone_when_its_work_raises(database: Database) -> None:
    async def work(sql: Statements) -> None:
        await note(sql, "lost")
        raise KeyError("no")

    with pytest.raises(KeyError):
        await database.atomically(work)
    assert await noted(database) == []
    await database.atomically(lambda sql: note(sql, "kept"))
    assert await noted(database) == ["kept"]


async def test_a_taken_key_undoes_the_whole_transaction(database: Database) -> None:
    await database.atomically(lambda sql: note(sql, "a"))

    async def work(sql: Statements) -> None:
        await note(sql, "b")
        await note(sql, "a")

    with pytest.raises(IntegrityError):
        await database.atomically(work)
    assert await noted(database) == ["a"]


@within_seconds(20)
async def test_a_cancelled_caller_leaves_whole_transactions_and_a_free_connection(database: Database) -> None:
    async def work(sql: Statements, name: str) -> None:
        await note(sql, f"{name} 1")
        await sql.rows("SELECT 1 AS one")
        await note(sql, f"{name} 2")

    for turns in range(30):
        caller = asyncio.create_task(database.atomically(partial(work, name=f"{turns:02}")))
        reader = asyncio.create_task(database.rows("SELECT 1 AS one"))
        for _ in range(turns):
            await asyncio.sleep(0)
        caller.cancel()
        reader.cancel()
        await asyncio.gather(caller, reader, return_exceptions=True)
    await database.settled()
    kept = await noted(database)
    halves = [sorted(key.partition(" ")[0] for key in kept if key.endswith(half)) for half in ("1", "2")]
    assert halves[0] == halves[1]
    assert len(kept) >= 2
    await database.atomically(lambda sql: note(sql, "after"))
    assert "after" in await noted(database)


async def test_closing_waits_for_the_transactions_of_callers_who_are_gone(path: Path) -> None:
    begun = asyncio.Event()

    async def work(sql: Statements) -> None:
        begun.set()
        for number in range(20):
            await note(sql, str(number))

    async with open_database(f"sqlite://{path}") as database:
        caller = asyncio.create_task(database.atomically(work))
        await begun.wait()
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
    async with open_database(f"sqlite://{path}") as database:
        assert len(await noted(database)) == 20


async def test_a_transaction_that_reads_first_is_not_refused_for_what_another_process_writes(
    database: Database, path: Path
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as other:

        async def work(sql: Statements) -> None:
            await sql.rows("SELECT * FROM blob_reservation")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("INSERT INTO blob_reservation VALUES ('other', 0)")
            await note(sql, "own")

        await database.atomically(work)
        other.execute("INSERT INTO blob_reservation VALUES ('other', 0)")
    assert await noted(database) == ["other", "own"]


async def test_a_read_waits_for_no_transaction_and_sees_what_is_committed(database: Database) -> None:
    async def work(sql: Statements) -> None:
        await note(sql, "new")
        assert await noted(database) == []

    await database.atomically(work)
    assert await noted(database) == ["new"]


async def test_fifty_people_asked_for_at_once_are_one_statement(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = sql_store(database)
    people = [await store.profile(f"user{number}") for number in range(50)]
    statements: list[str] = []
    records = Database.records

    async def counted(self: Database, sql: str, *values: object) -> Sequence[Record]:
        statements.append(sql.partition(" FROM ")[2])
        return await records(self, sql, *values)

    monkeypatch.setattr(Database, "records", counted)
    found = await asyncio.gather(*(store.profiles.get_many([user_id]) for user_id in people))
    assert [list(each) for each in found] == [[user_id] for user_id in people]
    assert statements == ["profile WHERE user_id IN ?"]


async def test_whoever_asks_after_an_edit_is_told_of_it_however_many_are_reading(database: Database) -> None:
    store = sql_store(database)
    ann = await store.profile("ann")

    async def read() -> str | None:
        return (await store.profiles.get_many([ann]))[ann].bio

    for bio in map(str, range(5)):
        reading = [asyncio.create_task(read()) for _ in range(20)]
        await store.profiles.edit(ann, editing(bio=bio))
        assert await asyncio.gather(*(read() for _ in range(20))) == [bio] * 20
        await asyncio.gather(*reading)


async def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(Unavailable):
        await database.rows("INSERT INTO blob_reservation VALUES ('a', 0) RETURNING 1 AS inserted")
    assert await noted(database) == []


async def test_a_transaction_waits_for_another_process(database: Database, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(database.atomically(lambda sql: note(sql, "own")))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        other.execute("COMMIT")
        await waiting
    assert await noted(database) == ["own"]


@within_seconds(20)
async def test_a_lock_that_lasts_is_an_engine_that_is_down_and_frees_the_connection(
    database: Database, path: Path
) -> None:
    await get_connection(CONNECTION).execute_query("PRAGMA busy_timeout = 1")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(2):
            with pytest.raises(Unavailable):
                await database.atomically(lambda sql: note(sql, "lost"))
        assert await noted(database) == []
        other.execute("ROLLBACK")
    await database.atomically(lambda sql: note(sql, "kept"))
    assert await noted(database) == ["kept"]


async def test_a_commit_that_fails_is_not_made_up_for_by_the_next_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr("tortoise.backends.sqlite.client.SqliteTransactionWrapper.commit", fail)
        with pytest.raises(Unavailable):
            await database.atomically(lambda sql: note(sql, "lost"))
    await database.atomically(lambda sql: note(sql, "kept"))
    assert await noted(database) == ["kept"]


@pytest.mark.parametrize("service", Service)
async def test_a_driver_error_names_the_service_that_is_down(database: Database, service: Service) -> None:
    speaking = database.speaking_for(service)
    for attempt in (
        speaking.rows("SELECT * FROM no_such_table"),
        speaking.row("SELECT * FROM no_such_table"),
        speaking.atomically(lambda sql: sql.rows("SELECT * FROM no_such_table")),
        speaking.delete_in_steps("no_such_table", "id", "1 = 1"),
    ):
        with pytest.raises(Unavailable) as refusal:
            await attempt
        assert refusal.value.service is service
        assert refusal.value.__cause__ is not None


async def test_a_file_that_is_no_database_is_an_engine_that_is_down(tmp_path: Path) -> None:
    path = tmp_path / "pet.sqlite3"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(Unavailable):
        await apply_migrations(f"sqlite://{path}")
    with pytest.raises(Unavailable):
        await open_and_leave(f"sqlite://{path}")


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
async def test_any_number_of_rows_is_deleted_in_steps(
    database: Database, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr("pet.storage.sql.database.STEP", 2)
    for number in range(count):
        await database.atomically(partial(note, key=str(number)))
    await database.atomically(lambda sql: sql.insert("blob_reservation", {"blob_key": "kept", "reserved_ms": 9}))
    await database.delete_in_steps("blob_reservation", "blob_key", "reserved_ms < ?", 9)
    assert await noted(database) == ["kept"]


@pytest.mark.parametrize(("values", "text"), [([], "NULL"), ([1], "?"), ([1, 2, 3], "?, ?, ?")])
def test_a_list_of_values_has_a_placeholder_each(values: list[object], text: str) -> None:
    assert placeholders(values) == text
