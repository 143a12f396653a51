"""One open SQL database: connections, transactions, portable statements, and driver errors in the domain's words."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from typing import Any, Protocol, TypeVar, cast

from asyncpg.exceptions import (
    InterfaceError,
    InvalidCachedStatementError,
    OutdatedSchemaCacheError,
    PostgresError,
    TransactionRollbackError,
)
from tortoise import Tortoise
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.config import AppConfig, ConnectionConfig, TortoiseConfig
from tortoise.connection import get_connection
from tortoise.exceptions import DBConnectionError, IntegrityError, OperationalError, TransactionManagementError
from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.schema_editor import AsyncpgSchemaEditor
from tortoise.transactions import in_transaction

from pet.domain.errors import Service, Unavailable
from pet.domain.texts import storable_text
from pet.storage.detached import whole
from pet.storage.opening import CannotOpen
from pet.storage.space import unavailable
from pet.storage.sql.dialects import as_json, for_postgres, for_sqlite
from pet.storage.sql.postgres import PostgresDatabase, PostgresLimits, why_it_cannot_be_opened

T = TypeVar("T")
Row = dict[str, Any]

CONNECTION = "default"
ATTEMPTS = 5
"""How often a transaction is tried that PostgreSQL breaks off to end a deadlock: each time, another of them gets by."""

_TRY_AGAIN = (TransactionRollbackError, InvalidCachedStatementError, OutdatedSchemaCacheError)
"""The last two follow a migration: asyncpg has forgotten then what it knew of the tables before."""

SETTLING_SECONDS = 5.0
STEP = 500
"""Rows of one step where there may be any number: some milliseconds of work, far from the limits on parameters."""

MIGRATION_LOCK = 7_369_001
"""The key of PostgreSQL's advisory lock that lets one process migrate at a time; any number that is ours alone."""

_DOWN = (
    OperationalError,
    DBConnectionError,
    TransactionManagementError,
    OSError,
    TimeoutError,
    PostgresError,
    InterfaceError,
    sqlite3.Error,
)


Record = Sequence[Any]
"""The values of a row, in the order of the statement's columns."""


class Reader(Protocol):
    """What both clients have beside what Tortoise asks of them: a way for reads past its one.

    A statement is by itself, and sees what was committed before the call.
    """

    async def read_rows(self, sql: str, values: Sequence[object]) -> list[Row]:
        """Return all rows of one statement."""

    async def read_records(self, sql: str, values: Sequence[object]) -> Sequence[Record]:
        """Return the values of all rows of one statement."""


class Statements:
    """Runs statements on one client: a connection of its own each time, or the transaction's."""

    def __init__(self, client: BaseDBAsyncClient) -> None:
        self._client = client
        self._is_postgres = client.capabilities.dialect == "postgres"

    @property
    def for_update(self) -> str:
        """What ends a SELECT that locks its rows: SQLite locks the whole database instead."""
        return " FOR UPDATE" if self._is_postgres else ""

    async def freeze(self) -> None:
        """Let all statements of this transaction see the same moment: the first thing in it. SQLite does so anyway.

        What somebody else changes meanwhile breaks the transaction off when it changes that too, and it runs again.
        """
        if self._is_postgres:
            await self.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    @property
    def for_update_of_free(self) -> str:
        """What ends a SELECT that locks its rows, and leaves out those that someone else has locked."""
        return " FOR UPDATE SKIP LOCKED" if self._is_postgres else ""

    async def lock(self, table: str, key: str, *values: str) -> None:
        """Lock rows until the transaction ends, in the order of their keys, so that nobody waits in a circle.

        SQLite has locked the whole database when the transaction began.
        """
        for some in in_steps(sorted(values)) if self._is_postgres else ():
            locked = f"SELECT 1 AS locked FROM {table} WHERE {key} IN ({placeholders(some)}) ORDER BY {key} FOR UPDATE"
            await self.rows(locked, *some)

    async def rows(self, sql: str, *values: object) -> list[Row]:
        """Return all rows of a statement, which is written as for `Database.rows`."""
        return await self._client.execute_query_dict(*self._own(sql, values))

    async def row(self, sql: str, *values: object) -> Row | None:
        """Return the first row, or None."""
        return next(iter(await self.rows(sql, *values)), None)

    async def run(self, sql: str, *values: object) -> int:
        """Run a statement that changes rows; return how many it changed."""
        count, _ = await self._client.execute_query(*self._own(sql, values))
        return count

    async def insert(self, table: str, record: Row) -> None:
        """Insert one record.

        Raises:
            IntegrityError: a unique index refuses it.
        """
        await self.run(_insert(table, record), *record.values())

    async def insert_new(self, table: str, record: Row) -> bool:
        """Insert one record unless a unique index refuses it; tell whether it was inserted."""
        inserted = f"{_insert(table, record)} ON CONFLICT DO NOTHING RETURNING 1 AS inserted"
        return await self.row(inserted, *record.values()) is not None

    def _own(self, sql: str, values: Sequence[object]) -> tuple[str, list[object]]:
        storable = map(_storable, values)
        if self._is_postgres:
            return for_postgres(sql), [*storable]
        return for_sqlite(sql), [*map(as_json, storable)]


Work = Callable[[Statements], Awaitable[T]]


class Database:
    """An open database, speaking for one service of the legacy document when it has to say that it is down."""

    def __init__(
        self,
        service: Service = Service.USER,
        *,
        reader: Reader | None = None,
        running: set[asyncio.Task[Any]] | None = None,
    ) -> None:
        self._service = service
        self._reader = reader or cast("Reader", get_connection(CONNECTION))
        self._running: set[asyncio.Task[Any]] = set() if running is None else running

    def speaking_for(self, service: Service) -> Database:
        """Return the same database for another service's adapters."""
        return Database(service, reader=self._reader, running=self._running)

    async def rows(self, sql: str, *values: object) -> list[Row]:
        """Return all rows of a statement by itself, in no transaction.

        `?` stands for a value in either dialect, and `IN ?` for membership in a list.

        Raises:
            Unavailable: the engine cannot be reached.
        """
        try:
            return await self._reader.read_rows(sql, [_storable(value) for value in values])
        except _DOWN as error:
            raise unavailable(self._service, error) from error

    async def row(self, sql: str, *values: object) -> Row | None:
        """Return the first row, or None."""
        return next(iter(await self.rows(sql, *values)), None)

    async def records(self, sql: str, *values: object) -> Sequence[Record]:
        """Return all rows of a statement like `rows`, as sequences without names: for many rows of few columns.

        Raises:
            Unavailable: the engine cannot be reached.
        """
        try:
            return await self._reader.read_records(sql, [_storable(value) for value in values])
        except _DOWN as error:
            raise unavailable(self._service, error) from error

    async def atomically(self, work: Work[T]) -> T:
        """Run statements in one transaction, and undo them all when the work raises.

        The work may run again, from its start, when the engine broke the transaction off because others were at odds
        with it. The transaction is a task of its own: a caller that is cancelled leaves it to end whole, so that no
        half-open transaction blocks the connection.

        Raises:
            Unavailable: the engine cannot be reached, or broke off.
            IntegrityError: a unique index refused a row.
        """
        with self._translated():
            return await whole(_transaction(work), self._running)

    async def delete_in_steps(self, table: str, key: str, condition: str, *values: object) -> None:
        """Delete what meets a condition, in transactions of bounded size, so that nobody waits long for them.

        Args:
            key: the table's primary key.
        """

        async def work(sql: Statements) -> int:
            some = f"SELECT {key} AS found FROM {table} WHERE {condition} LIMIT {STEP}"
            found = [row["found"] for row in await sql.rows(some, *values)]
            await sql.run(f"DELETE FROM {table} WHERE {key} IN ({placeholders(found)})", *found)
            return len(found)  # not how many were deleted: where another process deletes too, more may be left

        while await self.atomically(work) == STEP:
            pass

    async def settled(self) -> None:
        """Wait until the transactions have ended whose callers are gone, but not long for an engine that is stuck."""
        if self._running:
            await asyncio.wait(self._running, timeout=SETTLING_SECONDS)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except _DOWN as error:
            raise unavailable(self._service, error) from error


async def _transaction(work: Work[T]) -> T:
    for _ in range(ATTEMPTS - 1):
        with suppress(*_TRY_AGAIN):
            return await _attempt(work)
    return await _attempt(work)


async def _attempt(work: Work[T]) -> T:
    async with in_transaction(CONNECTION) as client:
        return await work(Statements(client))


def placeholders(values: Sequence[object]) -> str:
    """Return `?, ?, ?` for an IN list; an empty list becomes NULL, which nothing equals."""
    return ", ".join("?" * len(values)) or "NULL"


def _storable(value: object) -> object:
    """Replace what PostgreSQL takes in no text, and would break off for: what is stored or sought is free of it anyway.

    An id of a request may still hold it, and is then nobody's.
    """
    if isinstance(value, str):
        return storable_text(value)
    return [storable_text(each) for each in value] if isinstance(value, list) else value


def in_steps(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut any number of values into what one statement takes."""
    return (values[start : start + STEP] for start in range(0, len(values), STEP))


def _insert(table: str, record: Row) -> str:
    return f'INSERT INTO "{table}" ({", ".join(record)}) VALUES ({placeholders(list(record))})'


def configuration(url: str, limits: PostgresLimits | None = None) -> TortoiseConfig:
    """Return Tortoise's configuration for a database URL: `sqlite:///path` or `postgres://...`."""
    app = AppConfig(
        models=["pet.storage.sql.tables"], migrations="pet.storage.sql.migrations", default_connection=CONNECTION
    )
    return TortoiseConfig(connections={CONNECTION: _connection(url, limits or PostgresLimits())}, apps={"pet": app})


def _connection(url: str, limits: PostgresLimits) -> ConnectionConfig:
    if not url.startswith("sqlite://"):
        target = PostgresDatabase(url, limits)
        return ConnectionConfig(engine="pet.storage.sql.postgres", credentials={"target": target})
    # The path is taken as it is: as a part of a URL, a `%` or a `?` in it would name another file.
    # Acknowledged means durable: FULL makes SQLite flush its log at every commit.
    credentials = {"file_path": url.removeprefix("sqlite://"), "busy_timeout": 5000, "synchronous": "FULL"}
    return ConnectionConfig(engine="pet.storage.sql.sqlite", credentials=credentials)


DESIGN = configuration("sqlite:///:memory:")
"""What `make migration` compares the tables with: the migrations so far, no database needed."""


@asynccontextmanager
async def open_database(url: str, limits: PostgresLimits | None = None) -> AsyncIterator[Database]:
    """Open a database until the context is left. One process has one at a time.

    Raises:
        CannotOpen: PostgreSQL cannot be reached, or refuses.
        Unavailable: the SQLite file cannot be used.
    """
    await Tortoise.init(config=configuration(url, limits), _enable_global_fallback=True)
    database = Database()
    try:
        # Connect now: Tortoise keeps its lock for ever when the first caller is cancelled while it still connects.
        with _told_to_operators(url):
            await get_connection(CONNECTION).execute_query("SELECT 1")
        yield database
    finally:
        await database.settled()
        await Tortoise.close_connections()


async def apply_migrations(url: str, limits: PostgresLimits | None = None) -> None:
    """Bring the tables of a database to the newest version; it must not be open in this process.

    All that is missing is applied in one transaction, with the note that it is: a crash leaves nothing half-done. Of
    several processes one applies, and the others find it done.

    Raises:
        CannotOpen: PostgreSQL cannot be reached, or refuses.
        Unavailable: the SQLite file cannot be used.
    """
    patient = replace(limits or PostgresLimits(), is_patient=True)
    async with _only_for_migrations(url, patient) as apps, in_transaction(CONNECTION) as client:
        executor = MigrationExecutor(client, apps)
        if client.capabilities.dialect == "postgres":
            await client.execute_query(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
            # The executor reads its own table before it makes it, and PostgreSQL breaks a transaction off for that.
            await executor.recorder.ensure_schema(AsyncpgSchemaEditor(client, atomic=False))
        await executor.migrate()


async def is_migrated(url: str, limits: PostgresLimits | None = None) -> bool:
    """Tell whether the tables of a database are of this version; it must not be open in this process.

    Raises:
        CannotOpen: PostgreSQL cannot be reached, or refuses.
        Unavailable: the SQLite file cannot be used.
    """
    async with _only_for_migrations(url, limits or PostgresLimits()) as apps:
        await get_connection(CONNECTION).execute_query("SELECT 1")  # the executor takes a dead server for an empty one
        return not await MigrationExecutor(get_connection(CONNECTION), apps).plan()


@asynccontextmanager
async def _only_for_migrations(url: str, limits: PostgresLimits) -> AsyncIterator[dict[str, Any]]:
    config = configuration(url, limits)
    await Tortoise.init(config=config, init_connections=False)
    try:
        with _told_to_operators(url):
            yield config.to_dict()["apps"]
    finally:
        await Tortoise.close_connections()


@contextmanager
def _told_to_operators(url: str) -> Iterator[None]:
    try:
        yield
    except _DOWN as error:
        if url.startswith("sqlite://"):
            raise Unavailable(Service.USER) from error
        raise CannotOpen("database", "PET_DATABASE_URL", why_it_cannot_be_opened(error)) from error
