"""Tortoise's SQLite client, made safe for several processes on one file and for transactions that fail to begin or end.

Tortoise finds it by the name of this module, as the `engine` of a connection.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Any

from tortoise.backends.base.client import NestedTransactionContext, TransactionalDBClient, TransactionContext
from tortoise.backends.sqlite.client import SqliteClient, SqliteTransactionContext, SqliteTransactionWrapper
from tortoise.connection import get_connections
from tortoise.exceptions import DBConnectionError

from pet.storage.sql.dialects import as_json, for_sqlite
from pet.storage.sql.sqlite_reader import Found, SqliteReader


class ImmediateSqliteClient(SqliteClient):
    """One connection whose transactions take the write lock when they begin, and one that reads.

    A transaction that first reads and then writes is refused at once, without waiting, when another process has written
    in between. One that begins with the lock waits for its turn instead.
    """

    def __init__(self, file_path: str, **kwargs: Any) -> None:
        super().__init__(file_path, **kwargs)
        self._reader: SqliteReader | None = None

    async def create_connection(self, with_db: bool) -> None:
        """Connect; a file that cannot be opened is found out first.

        aiosqlite would leave a thread behind then, which complains when the event loop has ended before it.
        """
        if not self._connection:
            await asyncio.to_thread(_require_openable, self.filename)
        await super().create_connection(with_db)

    async def read_rows(self, sql: str, values: Sequence[object]) -> list[dict[str, Any]]:
        """Return the rows of one statement by itself, which waits for no transaction."""
        names, records = await self._read(sql, values)
        return [dict(zip(names, record, strict=True)) for record in records]

    async def read_records(self, sql: str, values: Sequence[object]) -> Sequence[Sequence[Any]]:
        """Return the values of the rows of one statement, like `read_rows`."""
        return (await self._read(sql, values)).records

    async def _read(self, sql: str, values: Sequence[object]) -> Found:
        if self._reader is None:
            self._reader = SqliteReader(self.filename, busy_timeout_ms=self.pragmas["busy_timeout"])
        own = for_sqlite(sql)
        self.log.debug("%s: %s", own, values)
        return await self._reader.read(own, [as_json(value) for value in values])

    async def close(self) -> None:
        """Close both connections."""
        reader, self._reader = self._reader, None
        if reader:
            await reader.close()
        await super().close()

    def _in_transaction(self) -> TransactionContext:
        return _Context(_Transaction(self), self._lock)


def _require_openable(filename: str) -> None:
    try:
        sqlite3.connect(filename).close()
    except sqlite3.Error as error:
        raise DBConnectionError(str(error)) from error


class _Transaction(SqliteTransactionWrapper):
    def _in_transaction(self) -> TransactionContext:
        return NestedTransactionContext(_Transaction(self))

    async def begin(self) -> None:
        await self._connection.execute_fetchall("BEGIN IMMEDIATE")

    async def commit(self) -> None:
        try:
            await super().commit()
        except sqlite3.Error:
            # Left open, it would be committed along with the next transaction, after it was reported as failed.
            await self._connection.rollback()
            raise

    async def execute_script(self, query: str) -> None:
        # sqlite3 commits before it runs a script: a migration's statements must not end their own transaction.
        for statement in query.split(";"):
            if statement.strip():
                await self.execute_query(statement)


class _Context(SqliteTransactionContext):
    def __init__(self, connection: _Transaction, lock: asyncio.Lock) -> None:
        super().__init__(connection, lock)
        self._lock = lock

    async def __aenter__(self) -> TransactionalDBClient:
        await self._lock.acquire()
        try:
            await self.ensure_connection()
            await self.connection.begin()
        except BaseException:
            # A transaction that could not begin must not keep the connection from everyone else.
            self._lock.release()
            raise
        self.token = get_connections().set(self.connection_name, self.connection)
        transaction: TransactionalDBClient = self.connection
        return transaction


client_class: type[Any] = ImmediateSqliteClient
