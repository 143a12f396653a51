"""The engines over which the contracts of the repositories run: another engine is one more entry of `ENGINES`.

PET_TEST_POSTGRES_URL names a PostgreSQL database that may be emptied; without it that engine is not among them.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from tests.contract_suites.scene import Clock, Store
from tortoise.exceptions import IntegrityError

from pet.storage.sql.accounts import SqlAccounts
from pet.storage.sql.audit import SqlAudits
from pet.storage.sql.database import Database, apply_migrations, open_database
from pet.storage.sql.delivery import SqlOutbox
from pet.storage.sql.effects import SqlProjections
from pet.storage.sql.feed import SqlActivities
from pet.storage.sql.files import SqlFiles
from pet.storage.sql.follows import SqlFollows
from pet.storage.sql.plays import SqlPlays
from pet.storage.sql.profiles import SqlProfiles
from pet.storage.sql.sessions import SqlSessions

OpenStore = Callable[[Path], AbstractAsyncContextManager[Store]]

POSTGRES_URL = os.environ.get("PET_TEST_POSTGRES_URL", "")


@asynccontextmanager
async def sqlite(template: Path) -> AsyncIterator[Store]:
    """Open a store on an empty SQLite file beside its template."""
    path = template.with_name("store.sqlite3")
    for leftover in template.parent.glob(f"{path.name}*"):
        leftover.unlink()
    shutil.copy(template, path)
    async with open_database(f"sqlite://{path}") as database:
        yield sql_store(database)


@asynccontextmanager
async def postgres(_template: Path) -> AsyncIterator[Store]:
    """Open a store on the PostgreSQL database, emptied."""
    async with open_database(POSTGRES_URL) as database:
        names = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'tortoise_migrations'"
        tables = ", ".join(row["tablename"] for row in await database.rows(names))
        await database.rows(f"TRUNCATE {tables}")
        yield sql_store(database)


def sql_store(database: Database) -> Store:
    """Return the SQL adapters over one database."""
    clock = Clock()
    return Store(
        accounts=SqlAccounts(database),
        sessions=SqlSessions(database),
        profiles=SqlProfiles(database),
        files=SqlFiles(database),
        follows=SqlFollows(database),
        activities=SqlActivities(database),
        plays=SqlPlays(database),
        outbox=SqlOutbox(database, clock),
        projections=SqlProjections(database, clock),
        audits=SqlAudits(database),
        refusal=IntegrityError,
        clock=clock,
    )


ENGINES: dict[str, OpenStore] = {"sqlite": sqlite} | ({"postgres": postgres} if POSTGRES_URL else {})


@pytest.fixture(scope="session")
def migrated_engines() -> None:
    """Bring the tables of the engines that are servers to the newest version, once."""
    if POSTGRES_URL:
        asyncio.run(apply_migrations(POSTGRES_URL))


@pytest.fixture
def few_followers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let more than two followers be too many to tell at once, and tell two at a time."""
    monkeypatch.setattr("pet.storage.sql.news.TOLD_AT_ONCE", 2)
    monkeypatch.setattr("pet.storage.sql.news.STEP", 2)


@pytest.fixture(params=ENGINES)
async def store(
    request: pytest.FixtureRequest, migrated_database: Path, migrated_engines: None
) -> AsyncIterator[Store]:
    """Every repository of one engine, empty."""
    async with ENGINES[request.param](migrated_database) as opened:
        yield opened
