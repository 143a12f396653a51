"""Tortoise's PostgreSQL client, with a deadline for every call, and connections that are thrown away when in doubt.

Tortoise finds it by the name of this module, as the `engine` of a connection.

asyncpg ends a call that is late or cancelled by asking the server over a new connection to break it off, and waits for
that: a server that does not answer holds up whoever waits, and the pool. Here such a connection is cut at once. What
the server still does for it ends by the server's own deadlines, which every connection brings along.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import asyncpg
from asyncpg.exceptions import InterfaceError, PostgresError
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.backends.base.client import TransactionalDBClient
from tortoise.connection import get_connections

from pet.storage.sql.connections import ConnectionStack, Lendable

STATEMENT_SHARE = 0.9
"""The server breaks a statement off when this part of the deadline has gone: its answer, unlike silence, leaves the
connection in use."""


@dataclass(frozen=True, slots=True)
class PostgresLimits:
    """What one process may take of a server.

    Args:
        call_seconds: how long connecting, a statement or a whole transaction may take, with the wait for a connection.
        statement_seconds: after how long the server breaks a statement off by itself; None leaves it some time to
            answer within `call_seconds`.
        connections: how many are open at most.
        is_patient: only connecting has a deadline: a migration may take its time.
    """

    call_seconds: float = 2.0
    statement_seconds: float | None = None
    connections: int = 10
    is_patient: bool = False

    @property
    def server_settings(self) -> dict[str, str]:
        """What every connection asks of the server: work whose client is gone ends there too."""
        statement_seconds = self.statement_seconds or STATEMENT_SHARE * self.call_seconds
        deadlines = (0.0, 0.0) if self.is_patient else (statement_seconds, self.call_seconds)  # 0 is none
        return {
            "application_name": "pet",
            "statement_timeout": f"{round(1000 * deadlines[0])}ms",
            "idle_in_transaction_session_timeout": f"{round(1000 * deadlines[1])}ms",
        }


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """A database by its URL, which stays out of every log."""

    url: str = field(repr=False)
    limits: PostgresLimits


class PostgresClient(AsyncpgDBClient):
    """Connections to one database, opened when they are needed, for reads by themselves and for transactions."""

    def __init__(self, target: PostgresDatabase, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._target = target
        self._deadline = None if target.limits.is_patient else target.limits.call_seconds
        self._stack: ConnectionStack | None = None

    async def create_connection(self, with_db: bool) -> None:
        """Prepare to connect; the first call opens the first connection."""
        del with_db
        self._ready()

    def _ready(self) -> ConnectionStack:
        if self._stack is None:
            self._stack = ConnectionStack(self._connect, size=self._target.limits.connections)
        return self._stack

    async def _connect(self) -> asyncpg.Connection:
        limits = self._target.limits
        connection: asyncpg.Connection = await asyncpg.connect(
            self._target.url, timeout=limits.call_seconds, server_settings=limits.server_settings
        )
        return connection

    async def read(self, sql: str, values: Sequence[object]) -> list[dict[str, Any]]:
        """Return the rows of one statement by itself, prepared: one round trip.

        Raises:
            TimeoutError: the call, with the wait for a connection, took too long.
        """
        self.log.debug("%s: %s", sql, values)
        async with asyncio.timeout(self._deadline) as deadline, _Loan(self._ready(), deadline) as lent:
            return [dict(record) for record in await lent.fetch(numbered(sql), values)]

    def acquire_connection(self) -> Any:
        """Lend a connection for one call, as a context.

        Raises:
            TimeoutError: the call, with the wait for a connection, took too long.
        """
        return self._lent()

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[asyncpg.Connection]:
        async with asyncio.timeout(self._deadline) as deadline, _Loan(self._ready(), deadline) as lent:
            yield lent.connection

    def _in_transaction(self) -> Any:
        return self._transaction()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[TransactionalDBClient]:
        async with self._lent() as connection:
            transaction = TransactionWrapper(self)
            transaction._connection = connection  # noqa: SLF001 - as Tortoise's own context does
            token = get_connections().set(self.connection_name, transaction)
            try:
                await transaction.begin()
                try:
                    yield transaction
                except Exception:
                    with suppress(InterfaceError):  # the connection is lost, and its transaction with it
                        await transaction.rollback()
                    raise
                await transaction.commit()
            finally:
                get_connections().reset(token)

    async def _close(self) -> None:
        stack, self._stack = self._stack, None
        if stack:
            await stack.close(within=self._target.limits.call_seconds)


class _Loan:
    """A connection for one call, as a context; it goes back only when it is known to be well.

    A class and not a generator: every read goes through it.
    """

    __slots__ = ("_deadline", "_lent", "_stack")

    def __init__(self, stack: ConnectionStack, deadline: asyncio.Timeout) -> None:
        self._stack = stack
        self._deadline = deadline

    async def __aenter__(self) -> Lendable:
        self._lent = await self._stack.take()
        return self._lent

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            _cut_when_in_doubt(self._lent.connection, error)
            if self._deadline.expired() or isinstance(error, TimeoutError):
                # The others are as old, and may lead to the same dead end: each would cost someone a deadline.
                self._stack.renew()
        self._stack.give_back(self._lent)


@lru_cache(maxsize=1000)
def numbered(sql: str) -> str:
    """Return a statement with PostgreSQL's `$1`, `$2` in the place of each `?`."""
    parts = sql.split("?")
    return parts[0] + "".join(f"${number}{part}" for number, part in enumerate(parts[1:], 1))


def _cut_when_in_doubt(connection: asyncpg.Connection, error: BaseException) -> None:
    """Cut a connection on which an answer may still be under way, or a transaction still open."""
    is_interrupted = isinstance(error, TimeoutError) or not isinstance(error, Exception)
    with suppress(InterfaceError):  # it was lost, and has left the pool by itself
        if is_interrupted or connection.is_in_transaction():
            connection.terminate()


_ADVICE: tuple[tuple[type[BaseException], str], ...] = (
    (
        asyncpg.InvalidAuthorizationSpecificationError,
        "Check the user and the password; in a URL, @ : / ? # and % are percent-encoded.",
    ),
    (asyncpg.InvalidCatalogNameError, "Make it with createdb, or name another one at the end of the URL."),
    (asyncpg.InsufficientPrivilegeError, "The user must own the database, or be granted this."),
    (TimeoutError, "Check the host and the port, and PET_ENGINE_TIMEOUT."),
    (ssl.SSLError, "Check sslmode and sslrootcert in the URL."),
    (socket.gaierror, "Check the host in the URL."),
    (OSError, "Check that PostgreSQL runs, and the host, the port and sslmode in the URL."),
    (Exception, "Check the URL, and the log of PostgreSQL."),
)


def why_it_cannot_be_opened(error: BaseException) -> str:
    """Return what is wrong and what to do, for an operator whose database cannot be opened."""
    if isinstance(error.__cause__, PostgresError):  # Tortoise wraps some of them
        error = error.__cause__
    advice = next(advice for kind, advice in _ADVICE if isinstance(error, kind))
    text = re.sub(r"^\[[^\]]*\] ", "", str(error).partition("\n")[0]).rstrip(".")  # without `[Errno 111]`
    what = text[:1].upper() + text[1:] or "PostgreSQL did not answer in time"
    return f"{what}. {advice}"


client_class: type[Any] = PostgresClient
