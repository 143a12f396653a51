"""One open MongoDB database: operations with a deadline, transactions, and driver errors in the domain's words."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pymongo
from beanie import Document
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import ConnectionFailure, DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from pet.domain.errors import Service, Unavailable
from pet.storage.detached import whole
from pet.storage.mongo.documents import AppliedEventDocument
from pet.storage.mongo.operations import Collections, Filter, Operations, Row

T = TypeVar("T")

DURABLE = WriteConcern("majority", j=True)
"""Acknowledged means on the disks of most members: neither a crash nor a new primary takes it back."""

COMMITTED = ReadConcern("majority")
"""Nobody is told what a new primary could take back; what was acknowledged as durable is among it."""

SNAPSHOT = ReadConcern("snapshot")

STEP = 200
"""Documents of one step where there may be any number: a short transaction seldom meets another."""

PAUSE_SECONDS = 0.5
"""How long calls are refused at once after the engine answered nobody: a request waits for it once, not once a call."""

BACKOFF_SECONDS = 0.02
"""The longest wait before a transaction is tried again that gave way to another process."""

SETTLING_SECONDS = 5.0
LIFETIME_SECONDS = 60.0
"""How long MongoDB keeps a transaction that nobody ends."""

UNDO_PAUSE_SECONDS = 0.2

MAX_TIME_EXPIRED = 50


Work = Callable[[Operations], Awaitable[T]]


@dataclass
class _State:
    """What all services share of one open database."""

    client: AsyncMongoClient[Row]
    collections: Collections
    timeout_seconds: float
    running: set[asyncio.Task[Any]] = field(default_factory=set)
    undoing: set[asyncio.Task[None]] = field(default_factory=set)
    lane: asyncio.Lock = field(default_factory=asyncio.Lock)
    answered_at: float = 0.0
    refused_until: float = 0.0
    refusal: Exception | None = None


class Database:
    """An open database, speaking for one service of the legacy document when it has to say that it is down.

    Every call ends within the engine timeout, a transaction with all its attempts too.
    """

    def __init__(self, state: _State, service: Service = Service.USER) -> None:
        self._state = state
        self._service = service

    @classmethod
    def over(cls, client: AsyncMongoClient[Row], collections: Collections, *, timeout_seconds: float) -> Database:
        """Return a database over an open client."""
        return cls(_State(client, collections, timeout_seconds))

    def speaking_for(self, service: Service) -> Database:
        """Return the same database for another service's adapters."""
        return Database(self._state, service)

    async def run(self, work: Work[T]) -> T:
        """Run one operation by itself.

        Raises:
            Unavailable: the engine cannot be reached, or took too long.
            DuplicateKeyError: a unique index refused a document.
        """
        with self._translated(), pymongo.timeout(self._state.timeout_seconds):
            return await work(Operations(self._state.collections))

    async def snapshot(self, work: Work[T]) -> T:
        """Run several reads that all see the same moment."""
        with self._translated(), pymongo.timeout(self._state.timeout_seconds):
            async with self._state.client.start_session(snapshot=True) as session:
                return await work(Operations(self._state.collections, session))

    async def atomically(self, work: Work[T]) -> T:
        """Run operations in one transaction, and undo them all when the work raises.

        The work may run again, from its start, when it gave way to another transaction. The transaction is a task of
        its own: a caller that is cancelled leaves it to end whole.

        Raises:
            Unavailable: the engine cannot be reached, or took too long.
            DuplicateKeyError: a unique index refused a document.
        """
        with self._translated():
            return await whole(self._transaction(work), self._state.running)

    async def delete_in_steps(self, of: type[Document], where: Filter) -> None:
        """Delete what meets a condition, in steps of bounded size, so that nobody waits long for them."""
        while True:
            some = await self.run(lambda mongo: mongo.rows(of, where, fields={"_id": 1}, limit=STEP))
            if some:
                chosen = {"_id": {"$in": [row["_id"] for row in some]}, **where}
                await self.run(lambda mongo, chosen=chosen: mongo.delete(of, chosen))  # type: ignore[misc]
            if len(some) < STEP:
                return

    async def answers(self) -> bool:
        """Tell whether the primary answers."""
        try:
            await self.run(lambda mongo: mongo.row(AppliedEventDocument, {}, fields={"_id": 1}))
        except Unavailable:
            return False
        return True

    async def settled(self) -> None:
        """Wait until the transactions have ended whose callers are gone, but not long for an engine that is stuck."""
        if self._state.running:
            await asyncio.wait(self._state.running, timeout=SETTLING_SECONDS)
        for task in self._state.undoing:
            task.cancel()
        if self._state.undoing:
            await asyncio.wait(self._state.undoing, timeout=SETTLING_SECONDS)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        state, started = self._state, time.monotonic()
        if started < state.refused_until:
            raise Unavailable(self._service) from state.refusal
        try:
            yield
        except DuplicateKeyError:
            raise
        except (PyMongoError, TimeoutError) as error:
            _require_wanted(error)
            now = time.monotonic()
            waited = now - started >= state.timeout_seconds
            if waited and state.answered_at < started and isinstance(error, ConnectionFailure):
                state.refused_until, state.refusal = now + PAUSE_SECONDS, error
            raise Unavailable(self._service) from error
        state.answered_at = time.monotonic()

    async def _transaction(self, work: Work[T]) -> T:
        ends_at = time.monotonic() + self._state.timeout_seconds
        session = self._state.client.start_session()
        with pymongo.timeout(self._state.timeout_seconds):
            try:
                result = await self._attempts(session, work, ends_at)
            except (ConnectionFailure, TimeoutError):
                self._undo(session)
                raise
            except BaseException:
                await session.end_session()
                raise
            await session.end_session()
            return result

    async def _attempts(self, session: AsyncClientSession, work: Work[T], ends_at: float) -> T:
        """Try at once; whoever has to give way tries again one at a time, lest many hinder each other again and again.

        Those of other processes still may, hence the pauses.
        """
        try:
            return await _attempt(session, self._state.collections, work)
        except PyMongoError as error:
            # An upsert that met another one for the same key finds the document when it is tried again; a key that is
            # taken for good is refused again.
            if not error.has_error_label("TransientTransactionError") and not isinstance(error, DuplicateKeyError):
                raise
        async with asyncio.timeout(ends_at - time.monotonic()):
            await self._state.lane.acquire()
        try:
            while True:
                try:
                    return await _attempt(session, self._state.collections, work)
                except PyMongoError as error:
                    if not error.has_error_label("TransientTransactionError") or time.monotonic() >= ends_at:
                        raise
                await asyncio.sleep(random.random() * BACKOFF_SECONDS)  # noqa: S311 - no secret
        finally:
            self._state.lane.release()

    def _undo(self, session: AsyncClientSession) -> None:
        """Let the engine forget a transaction that could not be ended, as soon as it can be told.

        It would keep what it has changed from everyone else for a minute.
        """

        async def kill() -> None:
            ends_at = time.monotonic() + LIFETIME_SECONDS
            while time.monotonic() < ends_at:
                try:
                    with pymongo.timeout(self._state.timeout_seconds):
                        await self._state.client.admin.command({"killSessions": [session.session_id]})
                    break
                except PyMongoError as error:
                    _require_wanted(error)
                await asyncio.sleep(UNDO_PAUSE_SECONDS)
            await session.end_session()

        task = asyncio.create_task(kill(), context=Context())  # this one's deadline is over
        self._state.undoing.add(task)
        task.add_done_callback(self._state.undoing.discard)


async def _attempt(session: AsyncClientSession, collections: Collections, work: Work[T]) -> T:
    await session.start_transaction(SNAPSHOT, DURABLE, ReadPreference.PRIMARY)
    try:
        result = await work(Operations(collections, session))
    except BaseException:
        with suppress(PyMongoError):
            await session.abort_transaction()
        raise
    await _commit(session)
    return result


async def _commit(session: AsyncClientSession) -> None:
    """Commit; where the answer was lost, ask again until it comes or time is up: the engine commits but once."""
    while True:
        try:
            await session.commit_transaction()
        except PyMongoError as error:
            if not error.has_error_label("UnknownTransactionCommitResult") or _is_out_of_time(error):
                raise
        else:
            return


def _require_wanted(error: Exception) -> None:
    """Go on being cancelled: the driver turns a cancellation that meets it while it connects into an error of its own.

    Raises:
        CancelledError: nobody waits for the call any more.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError from error


def _is_out_of_time(error: PyMongoError) -> bool:
    return error.timeout or getattr(error, "code", None) == MAX_TIME_EXPIRED
