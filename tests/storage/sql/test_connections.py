"""The stack of connections: who gets which, in which order, and what becomes of those that are in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest
from asyncpg.exceptions import InterfaceError

from pet.domain.errors import Unavailable
from pet.storage.sql import connections
from pet.storage.sql.connections import ConnectionStack, Lendable
from pet.storage.sql.database import open_database
from pet.storage.sql.postgres import PostgresLimits

SHORT = PostgresLimits(call_seconds=0.5)
PID = "SELECT pg_backend_pid() AS pid"


@asynccontextmanager
async def stack_of(url: str, size: int) -> AsyncIterator[ConnectionStack]:
    """Give a stack on a database, and close it."""

    async def connect() -> asyncpg.Connection:
        connection: asyncpg.Connection = await asyncpg.connect(url)
        return connection

    stack = ConnectionStack(connect, size=size)
    yield stack
    await stack.close(within=1)


async def pid_of(lendable: Lendable) -> int:
    """Tell a connection from the others."""
    [row] = await lendable.fetch(PID, ())
    return int(row["pid"])


async def test_the_connection_that_was_used_last_is_used_next(postgres_url: str) -> None:
    async with stack_of(postgres_url, 3) as stack:
        lent = [await stack.take() for _ in range(3)]
        for lendable in lent:
            stack.give_back(lendable)
        assert [await stack.take() for _ in range(3)] == lent[::-1]
        for lendable in lent:
            stack.give_back(lendable)


async def test_who_waits_longest_is_served_first_and_no_newcomer_before(postgres_url: str) -> None:
    async with stack_of(postgres_url, 1) as stack:
        served = []

        async def serve(name: str) -> None:
            lendable = await stack.take()
            served.append(name)
            await asyncio.sleep(0)
            stack.give_back(lendable)

        lendable = await stack.take()
        waiting = [asyncio.create_task(serve(name)) for name in ("first", "second")]
        await asyncio.sleep(0)
        stack.give_back(lendable)
        await asyncio.gather(serve("newcomer"), *waiting)
        assert served == ["first", "second", "newcomer"]


async def test_what_is_handed_to_someone_who_has_just_gone_is_handed_on(postgres_url: str) -> None:
    async with stack_of(postgres_url, 1) as stack:
        lendable = await stack.take()
        gone, next_one = asyncio.create_task(stack.take()), asyncio.create_task(stack.take())
        await asyncio.sleep(0)
        stack.give_back(lendable)
        gone.cancel()
        assert await next_one is lendable
        assert gone.cancelled()
        stack.give_back(lendable)


async def test_the_place_of_a_connection_that_was_cut_is_the_next_one_s(postgres_url: str) -> None:
    async with stack_of(postgres_url, 1) as stack:
        lendable = await stack.take()
        waiting = asyncio.create_task(stack.take())
        await asyncio.sleep(0)
        lendable.connection.terminate()
        stack.give_back(lendable)
        another = await waiting
        assert another is not lendable
        assert await pid_of(another)
        stack.give_back(another)


async def test_a_connection_that_cannot_be_opened_takes_no_place(postgres_url: str) -> None:
    async def refuse() -> asyncpg.Connection:
        raise OSError("refused")

    stack = ConnectionStack(refuse, size=1)
    outcomes = await asyncio.gather(*(stack.take() for _ in range(3)), return_exceptions=True)
    assert [repr(outcome) for outcome in outcomes] == ["OSError('refused')"] * 3
    await stack.close(within=1)


async def test_idle_connections_are_closed_after_a_while_from_the_bottom(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.2)
    async with stack_of(postgres_url, 2) as stack:
        lower, upper = await stack.take(), await stack.take()
        stack.give_back(lower)
        stack.give_back(upper)
        for _ in range(5):
            await asyncio.sleep(0.08)
            stack.give_back(await stack.take())
        assert (lower.connection.is_closed(), upper.connection.is_closed()) == (True, False)
        await asyncio.sleep(0.5)
        assert upper.connection.is_closed()


async def test_a_closed_stack_lends_nothing_and_ends_those_who_wait(postgres_url: str) -> None:
    async with stack_of(postgres_url, 1) as stack:
        lendable = await stack.take()
        waiting = asyncio.create_task(stack.take())
        await asyncio.sleep(0)
        await stack.close(within=0.05)
        for attempt in (waiting, stack.take()):
            with pytest.raises(InterfaceError):
                await attempt
        assert lendable.connection.is_closed()
        stack.give_back(lendable)


async def test_statements_are_prepared_once_and_the_oldest_make_room(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PREPARED", 2)
    prepared = "SELECT statement FROM pg_prepared_statements ORDER BY prepare_time"
    async with stack_of(postgres_url, 1) as stack:
        lendable = await stack.take()
        for sql in ("SELECT 1", "SELECT 2", "SELECT 1", "SELECT 3", prepared):
            rows = await lendable.fetch(sql, ())
        assert [row["statement"] for row in rows] == ["SELECT 3", prepared]
        stack.give_back(lendable)


async def test_a_read_goes_on_after_the_columns_of_its_table_changed(postgres_url: str) -> None:
    async with open_database(postgres_url, replace(SHORT, connections=1)) as database:
        select = "SELECT * FROM blob_reservation"
        await database.atomically(lambda sql: sql.insert("blob_reservation", {"blob_key": "a", "reserved_ms": 0}))
        assert await database.rows(select) == [{"blob_key": "a", "reserved_ms": 0}]
        newer = await asyncpg.connect(postgres_url)
        await newer.execute("ALTER TABLE blob_reservation ADD COLUMN mood text")
        await newer.close()
        assert await database.rows(select) == [{"blob_key": "a", "reserved_ms": 0, "mood": None}]


async def test_a_read_that_is_cancelled_leaves_no_answer_to_the_next(postgres_url: str) -> None:
    async with open_database(postgres_url, replace(SHORT, connections=1)) as database:
        for pause in (0, 0.01, 0.05):
            reading = asyncio.create_task(database.rows("SELECT pg_sleep(0.2), 'old' AS answer"))
            await asyncio.sleep(pause)
            reading.cancel()
            assert await database.rows("SELECT 'new' AS answer") == [{"answer": "new"}]


async def test_a_backend_that_was_ended_is_replaced(postgres_url: str) -> None:
    async with open_database(postgres_url, replace(SHORT, connections=1)) as database:
        before = (await database.rows(PID))[0]["pid"]
        direct = await asyncpg.connect(postgres_url)
        await direct.execute("SELECT pg_terminate_backend($1)", before)
        await direct.close()
        await asyncio.sleep(0.05)
        after = (await database.rows(PID))[0]["pid"]
        assert after != before
        with pytest.raises(Unavailable):
            await database.rows("SELECT pg_terminate_backend(pg_backend_pid())")
        assert await database.rows("SELECT 1 AS one") == [{"one": 1}]


async def test_reads_and_transactions_share_one_limit(postgres_url: str) -> None:
    async with open_database(postgres_url, replace(SHORT, connections=3)) as database:
        reads = (database.rows("SELECT pg_sleep(0.05)") for _ in range(5))
        changes = (database.atomically(lambda sql: sql.rows("SELECT pg_sleep(0.05)")) for _ in range(5))
        most = database.rows("SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'pet'")
        await asyncio.gather(*reads, *changes)
        assert (await most)[0]["n"] == 3
