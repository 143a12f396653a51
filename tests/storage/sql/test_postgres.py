"""PostgreSQL alone: migrations by many processes, what an operator is told, deadlines on both sides, TLS, sockets."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from tests.contract_suites.conftest import sql_store
from tests.contract_suites.scene import editing, everything_at_once
from tests.contract_suites.test_races import pause_after
from tests.engines.postgres import HOST, PostgresServer
from tests.engines.tls import tls_front
from tests.faults.link import Fault, faulty_link

from pet.domain.errors import Unavailable
from pet.storage.opening import CannotOpen
from pet.storage.sql.database import Database, Statements, apply_migrations, is_migrated, open_database
from pet.storage.sql.postgres import PostgresLimits

MIGRATE = "import asyncio, sys; from pet.storage.sql.database import *; asyncio.run(apply_migrations(sys.argv[1]))"
SHORT = PostgresLimits(call_seconds=0.5)


@pytest.fixture
async def empty_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The URL of a database without tables."""
    async with postgres_server.database("template1") as name:
        yield postgres_server.url(name)


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """A migrated database, open."""
    async with open_database(postgres_url, SHORT) as opened:
        yield opened


async def schema(url: str) -> list[tuple[object, ...]]:
    """Return the columns, indexes and migrations of a database."""
    connection = await asyncpg.connect(url)
    try:
        columns = await connection.fetch(
            "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
            " WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
        )
        indexes = await connection.fetch("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")
        return [
            tuple(row) for row in [*columns, *indexes, *await connection.fetch("SELECT name FROM tortoise_migrations")]
        ]
    finally:
        await connection.close()


async def opened(url: str, limits: PostgresLimits | None = None) -> str:
    """Open a database and close it; return what an operator is told when that fails."""
    try:
        async with open_database(url, limits or SHORT) as database:
            await database.rows("SELECT 1")
    except CannotOpen as error:
        return str(error)
    return "opened"


async def test_many_processes_migrate_an_empty_database_once(empty_url: str, postgres_url: str) -> None:
    assert await is_migrated(empty_url) is False
    command = [sys.executable, "-c", MIGRATE, empty_url]
    processes = [await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE) for _ in range(4)]
    outcomes = [((await process.communicate())[1], process.returncode) for process in processes]
    assert outcomes == [(b"", 0)] * 4
    assert await is_migrated(empty_url) is True
    assert await schema(empty_url) == await schema(postgres_url)


async def test_a_migration_that_breaks_off_leaves_nothing_and_can_be_repeated(
    empty_url: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_off(*_: object) -> None:
        raise OSError("out of space")

    with monkeypatch.context() as patch:
        patch.setattr("tortoise.migrations.recorder.MigrationRecorder.record_applied", break_off)
        with pytest.raises(CannotOpen, match="Out of space"):
            await apply_migrations(empty_url)
    connection = await asyncpg.connect(empty_url)
    assert await connection.fetch("SELECT * FROM pg_tables WHERE schemaname = 'public'") == []
    await connection.close()
    await apply_migrations(empty_url)
    assert await schema(empty_url) == await schema(postgres_url)


async def test_a_migration_may_take_longer_than_a_call(postgres_server: PostgresServer, empty_url: str) -> None:
    name = empty_url.rpartition("/")[2].partition("?")[0]
    await postgres_server.execute(f"ALTER DATABASE {name} SET statement_timeout = '100ms'")
    blocker = await asyncpg.connect(empty_url)
    async with blocker.transaction():
        await blocker.execute("SELECT pg_advisory_xact_lock(7369001)")
        migrating = asyncio.create_task(apply_migrations(empty_url, replace(SHORT, call_seconds=0.2)))
        await asyncio.sleep(0.6)
        assert not migrating.done()
    await migrating
    await blocker.close()
    assert await is_migrated(empty_url) is True


async def test_tables_that_a_newer_version_added_to_serve_this_one_while_it_runs(
    postgres_url: str, database: Database
) -> None:
    store = sql_store(database)
    ann = await store.profile("ann")
    await store.profiles.edit(ann, editing(bio="before"))
    newer = await asyncpg.connect(postgres_url)
    for change in (
        "ALTER TABLE profile ADD COLUMN mood text",
        "ALTER TABLE outbox ADD COLUMN mood text",
        "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('pet', '9999_add_mood', now())",
    ):
        await newer.execute(change)
    await newer.close()
    await store.profiles.edit(ann, editing(bio="after"))
    assert (await store.shown(ann)).bio == "after"
    assert len(await store.pending()) == 2


async def test_a_process_starts_on_tables_of_a_newer_version(postgres_url: str) -> None:
    newer = await asyncpg.connect(postgres_url)
    await newer.execute("INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('pet', '9999_new', now())")
    await newer.close()
    assert await is_migrated(postgres_url) is True


TOLD = "The database (PET_DATABASE_URL) cannot be used: "


async def test_an_operator_is_told_what_is_wrong(postgres_server: PostgresServer, postgres_url: str) -> None:
    await postgres_server.execute("CREATE ROLE guest LOGIN PASSWORD 'p@ss:word/?#%'")
    name = postgres_url.rpartition("/")[2].partition("?")[0]
    place = f"{HOST}:{postgres_server.port}/{name}?sslmode=disable"
    advice = "Check the user and the password; in a URL, @ : / ? # and % are percent-encoded."
    try:
        assert await opened(f"postgres://guest:p%40ss%3Aword%2F%3F%23%25@{place}") == "opened"
        assert await opened(f"postgres://guest:hush@{place}") == (
            f'{TOLD}Password authentication failed for user "guest". {advice}'
        )
        assert await opened(f"postgres://nobody:hush@{place}") == (
            f'{TOLD}Password authentication failed for user "nobody". {advice}'
        )
        with pytest.raises(CannotOpen) as refusal:
            await apply_migrations(f"postgres://guest:p%40ss%3Aword%2F%3F%23%25@{place}")
        assert str(refusal.value) == (
            f"{TOLD}Permission denied for schema public. The user must own the database, or be granted this."
        )
    finally:
        await postgres_server.execute("DROP ROLE guest")
    assert await opened(postgres_server.url("nowhere")) == (
        f'{TOLD}Database "nowhere" does not exist. Make it with createdb, or name another one at the end of the URL.'
    )
    assert await opened(f"postgres://postgres@{HOST}:1/pet") == (
        f"{TOLD}Connect call failed ('{HOST}', 1). "
        "Check that PostgreSQL runs, and the host, the port and sslmode in the URL."
    )
    assert await opened("postgres://postgres@no-such-host.invalid/pet") == (
        f"{TOLD}Name or service not known. Check the host in the URL."
    )
    assert await opened(f"{postgres_url}&no_such_setting=1") == (
        f'{TOLD}Unrecognized configuration parameter "no_such_setting". Check the URL, and the log of PostgreSQL.'
    )
    assert await opened(postgres_url.replace("disable", "require")) == (
        f'{TOLD}PostgreSQL server at "{HOST}:{postgres_server.port}" rejected SSL upgrade. '
        "Check that PostgreSQL runs, and the host, the port and sslmode in the URL."
    )


@pytest.mark.parametrize("start", [opened, is_migrated, apply_migrations])
async def test_a_server_that_does_not_answer_is_told_in_time(postgres_server: PostgresServer, start: object) -> None:
    async with faulty_link(HOST, postgres_server.port) as link, asyncio.timeout(2):
        await link.fail(Fault.HANG)
        url = postgres_server.url("postgres", port=link.port)
        told = f"{TOLD}PostgreSQL did not answer in time. Check the host and the port, and PET_ENGINE_TIMEOUT."
        if start is opened:
            assert await opened(url) == told
        else:
            with pytest.raises(CannotOpen) as refusal:
                await start(url, SHORT)  # type: ignore[operator]
            assert str(refusal.value) == told


async def test_the_server_has_deadlines_of_its_own(database: Database) -> None:
    names = ("application_name", "statement_timeout", "idle_in_transaction_session_timeout")
    shown = [await database.row(f"SELECT current_setting('{name}') AS value") for name in names]
    assert [row["value"] for row in shown if row] == ["pet", "450ms", "500ms"]


async def test_a_statement_that_takes_too_long_ends_on_the_server_too(database: Database, postgres_url: str) -> None:
    with pytest.raises(Unavailable):
        await database.rows("SELECT pg_sleep(10)")
    watcher = await asyncpg.connect(postgres_url)
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(10)' AND state = 'active'"
    assert await watcher.fetchval(running) == 0
    await watcher.close()


async def test_a_transaction_has_one_deadline_for_all_its_statements(database: Database) -> None:
    async def work(sql: Statements) -> None:
        for _ in range(10):
            await sql.insert("blob_reservation", {"blob_key": "lost", "reserved_ms": 0})
            await sql.run("DELETE FROM blob_reservation")
            await sql.rows("SELECT pg_sleep(0.2)")

    async with asyncio.timeout(0.8):
        with pytest.raises(Unavailable):
            await database.atomically(work)
    assert await database.rows("SELECT * FROM blob_reservation") == []


async def test_callers_wait_for_a_connection_no_longer_than_the_deadline(postgres_url: str) -> None:
    async with open_database(postgres_url, replace(SHORT, connections=1)) as database:
        holder = asyncio.create_task(database.rows("SELECT pg_sleep(0.4)"))
        await asyncio.sleep(0.05)
        assert await database.rows("SELECT 1 AS one") == [{"one": 1}]
        await holder
        holder = asyncio.create_task(database.rows("SELECT pg_sleep(0.3)"))
        late = [asyncio.create_task(database.rows("SELECT pg_sleep(0.4)")) for _ in range(2)]
        outcomes = await asyncio.gather(holder, *late, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [list, Unavailable, Unavailable]
        assert await database.rows("SELECT 1 AS one") == [{"one": 1}]


async def test_a_connection_with_an_open_transaction_is_not_given_to_the_next(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise OSError("the rollback was not sent")

    async def work(sql: Statements) -> None:
        await sql.insert("blob_reservation", {"blob_key": "lost", "reserved_ms": 0})
        raise KeyError("no")

    async with open_database(postgres_url, replace(SHORT, connections=1)) as database:
        with monkeypatch.context() as patch:
            patch.setattr("tortoise.backends.asyncpg.client.TransactionWrapper.rollback", fail)
            with pytest.raises(Unavailable):
                await database.atomically(work)
        assert await database.rows("SELECT * FROM blob_reservation") == []
        await database.atomically(lambda sql: sql.insert("blob_reservation", {"blob_key": "kept", "reserved_ms": 0}))
    async with open_database(postgres_url) as database:
        assert await database.rows("SELECT blob_key FROM blob_reservation") == [{"blob_key": "kept"}]


async def test_nobody_waits_in_a_circle(
    postgres_server: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause_after(monkeypatch, seconds=0.002)
    async with open_database(postgres_url) as database:
        await everything_at_once(sql_store(database))
    watcher = await asyncpg.connect(postgres_url)
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert await watcher.fetchval(deadlocks) == 0
    await watcher.close()


async def test_those_who_wait_for_each_other_are_both_served(postgres_server: PostgresServer) -> None:
    async with postgres_server.database() as name:
        await postgres_server.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '20ms'")
        async with open_database(postgres_server.url(name)) as database:
            await _lock_crosswise(database)


async def _lock_crosswise(database: Database) -> None:
    attempts: list[str] = []
    both_have_begun = asyncio.Event()

    async def work(sql: Statements, keys: str) -> None:
        for key in keys:
            await sql.run("UPDATE blob_reservation SET reserved_ms = reserved_ms + 1 WHERE blob_key = ?", key)
            attempts.append(keys)
            if len(attempts) == 2:
                both_have_begun.set()
            await both_have_begun.wait()

    async def keep(sql: Statements) -> None:
        for key in "ab":
            await sql.insert("blob_reservation", {"blob_key": key, "reserved_ms": 0})

    await database.atomically(keep)
    await asyncio.gather(*(database.atomically(partial(work, keys=keys)) for keys in ("ab", "ba")))
    assert await database.rows("SELECT sum(reserved_ms)::int AS n FROM blob_reservation") == [{"n": 4}]
    assert len(attempts) > 4


async def test_steps_of_deleting_end_when_all_is_gone_though_another_process_deletes_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pet.storage.sql.database.STEP", 2)

    for number in range(9):
        record = {"blob_key": f"{number}", "reserved_ms": 0}
        await database.atomically(partial(Statements.insert, table="blob_reservation", record=record))
    pause_after(monkeypatch, seconds=0.01)

    async def delete() -> list[dict[str, object]]:
        await database.delete_in_steps("blob_reservation", "blob_key", "reserved_ms = ?", 0)
        return await database.rows("SELECT * FROM blob_reservation")

    assert await asyncio.gather(*(delete() for _ in range(3))) == [[]] * 3


async def test_a_socket_of_the_machine_is_reached_by_its_folder(postgres_server: PostgresServer) -> None:
    async with postgres_server.database() as name:
        port, folder = postgres_server.port, postgres_server.folder
        assert await opened(f"postgres://postgres@/{name}?host={folder}&port={port}") == "opened"
        assert await opened(f"postgres:///{name}?host={folder}&port={port}&user=postgres") == "opened"


async def test_tls_proves_the_server_where_it_is_asked_to(
    postgres_server: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    name = postgres_url.rpartition("/")[2].partition("?")[0]
    other = tmp_path / "other"
    other.mkdir()
    async with tls_front(HOST, postgres_server.port, tmp_path) as front, tls_front(HOST, 1, other):
        place = f"postgres://postgres@{HOST}:{front.port}/{name}"
        own, foreign = tmp_path / "server.crt", other / "server.crt"
        assert await opened(f"{place}?sslmode=verify-full&sslrootcert={own}") == "opened"
        assert await opened(f"{place}?sslmode=require") == "opened"
        assert front.handshakes == 2
        told = await opened(f"{place}?sslmode=verify-full&sslrootcert={foreign}")
        assert told.startswith(f"{TOLD}Certificate verify failed: self-signed certificate")
        assert told.endswith("Check sslmode and sslrootcert in the URL.")
        assert (await opened(f"{place}?sslmode=verify-full&sslrootcert={tmp_path}/none.crt")).startswith(TOLD)
