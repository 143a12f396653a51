"""A look at the plan of every statement, at the moment when it runs and where it runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import pytest

from pet.storage.sql.database import Database, Record, Row, Statements
from tests.storage.sql.test_plans import full_scans

_PLANNED = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)")


@dataclass(frozen=True, slots=True)
class Look:
    """What one statement of a request costs: how many rows it touches (PostgreSQL alone counts them), and its plan."""

    request: str
    statement: str
    touched: int
    plan: str

    def __str__(self) -> str:
        return f"{self.request}: {self.touched} rows touched by {self.statement[:300]}\n{self.plan}"


@dataclass
class Eyes:
    """All looks so far; `request` is what is asked for now, None while nobody looks."""

    request: str | None = None
    looks: list[Look] = field(default_factory=list)

    async def look(self, sql: Statements, statement: str, values: Sequence[object]) -> None:
        """Look at a statement that is about to run."""
        if self.request is None or _are_closed.get() or not _PLANNED.match(statement):
            return
        with _closed():
            touched, plan = await _looked(sql, statement, values)
        self.looks.append(Look(self.request, statement, touched, plan))

    async def look_apart(self, database: Database, statement: str, values: Sequence[object]) -> None:
        """Look at a statement that is about to run in no transaction."""

        async def work(sql: Statements) -> None:
            await self.look(sql, statement, values)

        await database.atomically(work)


_are_closed = ContextVar("_are_closed", default=False)
"""In the task that looks, or has looked: no statement is looked at twice."""


@contextmanager
def _closed() -> Iterator[None]:
    token = _are_closed.set(True)
    try:
        yield
    finally:
        _are_closed.reset(token)


def open_eyes(monkeypatch: pytest.MonkeyPatch) -> Eyes:
    """Look at every statement of the SQL database from now on."""
    eyes = Eyes()
    rows, run, alone, records = Statements.rows, Statements.run, Database.rows, Database.records

    async def seen_rows(self: Statements, sql: str, *values: object) -> list[Row]:
        await eyes.look(self, sql, values)
        return await rows(self, sql, *values)

    async def seen_run(self: Statements, sql: str, *values: object) -> int:
        await eyes.look(self, sql, values)
        return await run(self, sql, *values)

    async def seen_alone(self: Database, sql: str, *values: object) -> list[Row]:
        await eyes.look_apart(self, sql, values)
        with _closed():
            return await alone(self, sql, *values)

    async def seen_records(self: Database, sql: str, *values: object) -> Sequence[Record]:
        await eyes.look_apart(self, sql, values)
        with _closed():
            return await records(self, sql, *values)

    monkeypatch.setattr(Statements, "rows", seen_rows)
    monkeypatch.setattr(Statements, "run", seen_run)
    monkeypatch.setattr(Database, "rows", seen_alone)
    monkeypatch.setattr(Database, "records", seen_records)
    return eyes


async def _looked(sql: Statements, statement: str, values: Sequence[object]) -> tuple[int, str]:
    """Return how many rows a statement touches, 0 where nobody counts, and its plan."""
    if not sql.for_update:
        found = await sql.rows(f"EXPLAIN QUERY PLAN {statement}", *values)
        return 0, "\n".join(str(row["detail"]) for row in found)
    await sql.run("SAVEPOINT look")
    try:
        [row] = await sql.rows(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values)
    finally:
        await sql.run("ROLLBACK TO SAVEPOINT look")
    [explained] = json.loads(row["QUERY PLAN"])
    steps = list(_steps(explained["Plan"]))
    return sum(map(_touched, steps)), "\n".join(map(_told, steps))


def _steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _steps(part)


def _touched(step: dict[str, Any]) -> int:
    """Return how many rows a step reads from a table or an index, those included that it then leaves out."""
    if "Scan" not in step["Node Type"] or "Relation Name" not in step:
        return 0
    removed = step.get("Rows Removed by Filter", 0) + step.get("Rows Removed by Index Recheck", 0)
    touched: float = (step["Actual Rows"] + removed) * step["Actual Loops"]
    return round(touched)


def _told(step: dict[str, Any]) -> str:
    names = (step["Node Type"], step.get("Relation Name", ""), step.get("Index Name", ""))
    return " ".join(filter(None, names)) + f": {_touched(step)} touched"


def reads_a_whole_table(look: Look) -> bool:
    """Tell whether SQLite reads a table or an index from one end to the other."""
    return full_scans(look.plan) != []
