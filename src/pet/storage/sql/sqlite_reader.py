"""Reads a SQLite file past its writer: in a thread of its own, over a connection of its own.

In WAL mode a reader waits for nobody who writes, and sees what was committed when its statement began. It stays off the
event loop all the same, because a disk may be slow. To hand a read to a thread and back costs more than to read one
row, so that what is asked for in one turn of the loop goes over at once, and its answers come back at once.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any

STATEMENTS = 500
"""Kept prepared: lists of values make one for each of their lengths."""

HOLD_BACK_SECONDS = 0.001
"""For how long answers wait for those of the same batch: a long read must not hold up the short ones before it."""

Row = dict[str, Any]


@dataclass(slots=True)
class _Asked:
    sql: str
    values: Sequence[object]
    answer: asyncio.Future[list[Row]]


_Answered = tuple[asyncio.Future[list[Row]], list[Row] | Exception]


class SqliteReader:
    """One thread with one connection, which cannot write; used from the event loop in which it was made.

    Args:
        path: the file, in WAL mode already.
        busy_timeout_ms: how long a read waits while another process recovers the log after a crash.
    """

    def __init__(self, path: str, *, busy_timeout_ms: int) -> None:
        self._path = path
        self._busy_timeout_ms = busy_timeout_ms
        self._loop = asyncio.get_running_loop()
        self._asked: list[_Asked] = []
        self._is_reading = False
        self._is_closed = False
        self._batches: SimpleQueue[list[_Asked] | None] = SimpleQueue()
        self._connection: sqlite3.Connection | None = None
        self._thread = Thread(target=self._work, name="pet-sqlite-reader", daemon=True)
        self._thread.start()

    async def read(self, sql: str, values: Sequence[object]) -> list[Row]:
        """Return the rows of one statement.

        Raises:
            sqlite3.Error: the file cannot be read, or the statement is wrong or writes.
        """
        if self._is_closed:
            raise sqlite3.ProgrammingError("the reader is closed")
        answer: asyncio.Future[list[Row]] = self._loop.create_future()
        self._asked.append(_Asked(sql, values, answer))
        if not self._is_reading:
            self._is_reading = True
            self._loop.call_soon(self._hand_over)
        return await answer

    async def close(self) -> None:
        """Answer what has been asked for, and end the thread."""
        self._is_closed = True
        self._hand_over()
        self._batches.put(None)
        await asyncio.to_thread(self._thread.join)

    def _hand_over(self) -> None:
        batch, self._asked = self._asked, []
        self._batches.put(batch)

    def _take_back(self, answered: Sequence[_Answered], *, is_last: bool) -> None:
        for answer, rows in answered:
            if answer.done():  # nobody waits any more
                continue
            if isinstance(rows, Exception):
                answer.set_exception(rows)
            else:
                answer.set_result(rows)
        if is_last:
            self._is_reading = bool(self._asked)
            if self._is_reading:
                self._hand_over()

    def _work(self) -> None:
        """Read one batch after the other, in the thread."""
        while (batch := self._batches.get()) is not None:
            answered: list[_Answered] = []
            since = time.monotonic()
            for asked in batch:
                answered.append((asked.answer, self._outcome(asked)))
                if time.monotonic() - since > HOLD_BACK_SECONDS:
                    self._loop.call_soon_threadsafe(partial(self._take_back, answered, is_last=False))
                    answered, since = [], time.monotonic()
            self._loop.call_soon_threadsafe(partial(self._take_back, answered, is_last=True))
        if self._connection:
            self._connection.close()

    def _outcome(self, asked: _Asked) -> list[Row] | Exception:
        try:
            cursor = self._open().execute(asked.sql, asked.values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]
        except Exception as error:  # noqa: BLE001 - whoever asked raises it
            return error

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = sqlite3.connect(
                self._path,
                timeout=self._busy_timeout_ms / 1000,
                isolation_level=None,
                cached_statements=STATEMENTS,
                check_same_thread=False,
            )
            self._connection.execute("PRAGMA query_only = ON")
        return self._connection
