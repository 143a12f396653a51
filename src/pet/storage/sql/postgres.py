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
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from asyncpg.exceptions import InterfaceError, PostgresError
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.backends.base.client import TransactionalDBClient
from tortoise.connection import get_connections

IDLE_SECONDS = 300
"""After this time a connection that nobody needed is closed."""

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


class _Connection(asyncpg.Connection):
    """A connection that has nothing to reset when the next call gets it, which saves a round trip each time.

    No statement changes a setting of the session, listens, or takes a lock beyond its transaction; and no connection
    is given back with an open one.
    """

    __slots__ = ()

    def get_reset_query(self) -> str:
        return ""


class PostgresClient(AsyncpgDBClient):
    """A pool of connections to one database, opened when they are needed."""

    def __init__(self, target: PostgresDatabase, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._target = target
        self._deadline = None if target.limits.is_patient else target.limits.call_seconds

    async def create_connection(self, with_db: bool) -> None:
        """Make the pool; the first call opens the first connection."""
        del with_db
        await self._make_pool()

    async def _make_pool(self) -> asyncpg.Pool:
        limits = self._target.limits
        self._pool = await asyncpg.create_pool(
            self._target.url,
            min_size=0,
            max_size=limits.connections,
            max_inactive_connection_lifetime=IDLE_SECONDS,
            connection_class=_Connection,
            timeout=limits.call_seconds,
            command_timeout=self._deadline,  # also bounds how long a connection takes to close
            server_settings=limits.server_settings,
        )
        await self._post_connect()
        return self._pool

    def acquire_connection(self) -> Any:
        """Lend a connection for one call, as a context; it goes back only when it is known to be well.

        Raises:
            TimeoutError: the call, with the wait for a connection, took too long.
        """
        return self._lent()

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[asyncpg.Connection]:
        pool = self._pool or await self._make_pool()
        async with asyncio.timeout(self._deadline) as deadline:
            connection = await pool.acquire()
            try:
                yield connection
            except BaseException as error:
                _cut_when_in_doubt(connection, error)
                if deadline.expired() or isinstance(error, TimeoutError):
                    # The others are as old, and may lead to the same dead end: each would cost someone a deadline.
                    await pool.expire_connections()
                raise
            finally:
                await pool.release(connection)

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
        pool, self._pool = self._pool, None
        if pool:
            with suppress(TimeoutError):  # the pool has cut its connections then
                async with asyncio.timeout(self._target.limits.call_seconds):
                    await pool.close()


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
