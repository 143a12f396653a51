"""Connections to PostgreSQL on a stack: what was given back last is lent next, its statements prepared already.

asyncpg's own pool costs more than the reads that go through it: it wraps every connection anew each time it is lent,
and asks each that comes back whether anything has to be reset. Nothing has: no statement of ours changes a setting of
the session, listens, or takes a lock beyond its transaction, and no connection is given back with an open one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import Context

import asyncpg
from asyncpg.exceptions import InterfaceError, InvalidCachedStatementError, OutdatedSchemaCacheError, PostgresError
from asyncpg.prepared_stmt import PreparedStatement

IDLE_SECONDS = 300
"""After this time a connection that nobody needed is closed."""

CLOSING_SECONDS = 2.0
"""How long the server may take to say goodbye; then the connection is cut."""

PREPARED = 200
"""Statements that a connection keeps prepared at most; PET has about half as many, and lists of values make more."""

Connect = Callable[[], Awaitable[asyncpg.Connection]]


class Lendable:
    """An open connection, with the statements that are prepared on it."""

    __slots__ = ("_statements", "connection", "generation", "idle_since")

    def __init__(self, connection: asyncpg.Connection, generation: int) -> None:
        self.connection = connection
        self.generation = generation
        self.idle_since = 0.0
        self._statements: dict[str, PreparedStatement] = {}

    async def fetch(self, sql: str, values: Sequence[object]) -> list[asyncpg.Record]:
        """Return the rows of a statement that is no part of a transaction, in one round trip once it is prepared.

        A migration of another process makes prepared statements useless; those are prepared anew.
        """
        records: list[asyncpg.Record]
        try:
            records = await (await self._prepared(sql)).fetch(*values)
        except (InvalidCachedStatementError, OutdatedSchemaCacheError):
            self._statements.clear()
            records = await (await self._prepared(sql)).fetch(*values)
        return records

    async def _prepared(self, sql: str) -> PreparedStatement:
        """Return a statement, as the one that was needed last: what was not needed for longest makes room first."""
        statement = self._statements.pop(sql, None)
        if statement is None:
            if len(self._statements) >= PREPARED:
                del self._statements[next(iter(self._statements))]  # asyncpg closes it while it prepares the new one
            statement = await self.connection.prepare(sql)
        self._statements[sql] = statement
        return statement


class ConnectionStack:
    """Up to so many connections, lent one caller at a time; who waits longest is served first.

    A connection that comes back while somebody waits is handed over directly. Left to whoever comes first, it would go
    to a newcomer as often as not, and some would wait for ever under load.

    Args:
        connect: opens a connection; has a deadline of its own.
        size: how many connections are open at most.
    """

    def __init__(self, connect: Connect, *, size: int) -> None:
        self._connect = connect
        self._size = size
        self._idle: list[Lendable] = []
        self._lent: set[Lendable] = set()
        self._taken = 0
        self._waiting: deque[asyncio.Future[Lendable | None]] = deque()
        self._closing: set[asyncio.Task[None]] = set()
        self._generation = 0
        self._sweep: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._all_back = asyncio.Event()

    async def take(self) -> Lendable:
        """Return a connection of one's own until it is given back.

        Raises:
            InterfaceError: the stack is closed.
        """
        if self._is_closed:
            raise _closed()
        while self._idle:
            lendable = self._idle.pop()
            if not lendable.connection.is_closed():
                self._taken += 1
                self._lent.add(lendable)
                return lendable
        if self._taken < self._size:
            self._taken += 1
            return await self._open()
        return await self._wait()

    def give_back(self, lendable: Lendable) -> None:
        """Give a connection back; one that was cut, or is older than `renew`, goes."""
        self._lent.discard(lendable)
        if self._is_closed or lendable.generation != self._generation or lendable.connection.is_closed():
            self._retire(lendable)
            self._vacate()
        else:
            self._pass_on(lendable)

    def renew(self) -> None:
        """Let go of all connections: those that are lent as soon as they come back."""
        self._generation += 1
        for lendable in self._idle:
            self._retire(lendable)
        self._idle.clear()

    async def close(self, *, within: float) -> None:
        """Close the idle connections, and the others when they come back; after some seconds all are cut."""
        self._is_closed = True
        if self._sweep:
            self._sweep.cancel()
        self.renew()
        while waiter := self._longest_waiting():
            waiter.set_exception(_closed())
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                if self._taken:
                    await self._all_back.wait()
                await asyncio.gather(*self._closing)
        for lendable in self._lent:
            lendable.connection.terminate()

    async def _wait(self) -> Lendable:
        waiter: asyncio.Future[Lendable | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            lendable = await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._give_up(waiter.result())
            raise
        if lendable is None:
            return await self._open()
        self._lent.add(lendable)
        return lendable

    def _give_up(self, handed: Lendable | None) -> None:
        """Hand on what was handed over to somebody who has just gone."""
        if handed is None:
            self._vacate()
        else:
            self.give_back(handed)

    async def _open(self) -> Lendable:
        try:
            lendable = Lendable(await self._connect(), self._generation)
        except BaseException:
            self._vacate()
            raise
        self._lent.add(lendable)
        return lendable

    def _pass_on(self, lendable: Lendable) -> None:
        if waiter := self._longest_waiting():
            waiter.set_result(lendable)
            return
        self._taken -= 1
        loop = asyncio.get_running_loop()
        lendable.idle_since = loop.time()
        self._idle.append(lendable)
        if self._sweep is None:
            self._sweep = loop.call_later(IDLE_SECONDS, self._sweep_idle)

    def _vacate(self) -> None:
        """Let the longest waiting caller open a connection in the place of one that has gone."""
        if waiter := self._longest_waiting():
            waiter.set_result(None)
            return
        self._taken -= 1
        if self._taken == 0:
            self._all_back.set()

    def _longest_waiting(self) -> asyncio.Future[Lendable | None] | None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                return waiter
        return None

    def _sweep_idle(self) -> None:
        """Retire what was idle for long; it lies at the bottom."""
        loop = asyncio.get_running_loop()
        while self._idle and loop.time() - self._idle[0].idle_since >= IDLE_SECONDS:
            self._retire(self._idle.pop(0))
        self._sweep = None
        if self._idle:
            self._sweep = loop.call_at(self._idle[0].idle_since + IDLE_SECONDS, self._sweep_idle)

    def _retire(self, lendable: Lendable) -> None:
        """Close a connection in the background; a server that does not answer is left alone."""
        if lendable.connection.is_closed():
            return
        task = asyncio.create_task(_close(lendable.connection), context=Context())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _close(connection: asyncpg.Connection) -> None:
    with suppress(OSError, TimeoutError, PostgresError, InterfaceError):
        await connection.close(timeout=CLOSING_SECONDS)


def _closed() -> InterfaceError:
    return InterfaceError("the connections are closed")
