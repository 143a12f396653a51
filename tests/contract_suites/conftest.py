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
from pymongo.errors import DuplicateKeyError
from tests.contract_suites.scene import Clock, Store
from tortoise.exceptions import IntegrityError

from pet.storage.mongo.connection import open_database as open_mongo
from pet.storage.mongo.database import Database as MongoDatabase
from pet.storage.mongo.delivery import MongoOutbox
from pet.storage.mongo.delivery import store_events as store_mongo_events
from pet.storage.mongo.documents import DOCUMENTS
from pet.storage.mongo.effects import MongoProjections
from pet.storage.mongo.feed import MongoActivities
from pet.storage.mongo.files import MongoFiles
from pet.storage.mongo.follows import MongoFollows
from pet.storage.mongo.plays import MongoPlays
from pet.storage.mongo.profiles import MongoProfiles
from pet.storage.sql.accounts import SqlAccounts
from pet.storage.sql.database import Database, apply_migrations, open_database
from pet.storage.sql.delivery import SqlOutbox, store_events
from pet.storage.sql.effects import SqlProjections
from pet.storage.sql.feed import SqlActivities
from pet.storage.sql.files import SqlFiles
from pet.storage.sql.follows import SqlFollows
from pet.storage.sql.plays import SqlPlays
from pet.storage.sql.profiles import SqlProfiles
from pet.storage.sql.sessions import SqlSessions

OpenStore = Callable[[Path, pytest.FixtureRequest], AbstractAsyncContextManager[Store]]

POSTGRES_URL = os.environ.get("PET_TEST_POSTGRES_URL", "")


@asynccontextmanager
async def sqlite(template: Path, _request: pytest.FixtureRequest | None = None) -> AsyncIterator[Store]:
    """Open a store on an empty SQLite file beside its template."""
    path = template.with_name("store.sqlite3")
    for leftover in template.parent.glob(f"{path.name}*"):
        leftover.unlink()
    shutil.copy(template, path)
    async with open_database(f"sqlite://{path}") as database:
        yield sql_store(database)


@asynccontextmanager
async def postgres(_template: Path, _request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """Open a store on the PostgreSQL database, emptied."""
    async with open_database(POSTGRES_URL) as database:
        names = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'tortoise_migrations'"
        tables = ", ".join(row["tablename"] for row in await database.rows(names))
        await database.rows(f"TRUNCATE {tables}")
        yield sql_store(database)


@asynccontextmanager
async def mongo(template: Path, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """Open a store on an emptied MongoDB, with accounts and sessions in SQLite beside it."""
    url = f"{request.getfixturevalue('mongo_url')}/contract"
    async with sqlite(template, request) as accounts, open_mongo(url, timeout_seconds=10) as database:
        for document in DOCUMENTS:
            await document.get_pymongo_collection().delete_many({})
        yield mongo_store(database, accounts)


def mongo_store(database: MongoDatabase, accounts: Store) -> Store:
    """Return the MongoDB adapters over one database, and of another store the accounts with their outbox."""
    clock = accounts.clock
    outbox = MongoOutbox(database, clock)
    return Store(
        accounts=accounts.accounts,
        sessions=accounts.sessions,
        profiles=MongoProfiles(database),
        files=MongoFiles(database),
        follows=MongoFollows(database),
        activities=MongoActivities(database),
        plays=MongoPlays(database),
        outbox=outbox,
        outboxes=(outbox, accounts.outbox),
        store_events=lambda events: database.atomically(lambda mongo: store_mongo_events(mongo, events)),
        projections=MongoProjections(database, clock),
        refusal=DuplicateKeyError,
        clock=clock,
    )


def sql_store(database: Database) -> Store:
    """Return the SQL adapters over one database."""
    clock = Clock()
    outbox = SqlOutbox(database, clock)
    return Store(
        accounts=SqlAccounts(database),
        sessions=SqlSessions(database),
        profiles=SqlProfiles(database),
        files=SqlFiles(database),
        follows=SqlFollows(database),
        activities=SqlActivities(database),
        plays=SqlPlays(database),
        outbox=outbox,
        outboxes=(outbox,),
        store_events=lambda events: database.atomically(lambda sql: store_events(sql, events)),
        projections=SqlProjections(database, clock),
        refusal=IntegrityError,
        clock=clock,
    )


ENGINES: dict[str, OpenStore] = {"sqlite": sqlite, "mongo": mongo}
if POSTGRES_URL:
    ENGINES["postgres"] = postgres


@pytest.fixture(scope="session")
def migrated_engines() -> None:
    """Bring the tables of the engines that are servers to the newest version, once."""
    if POSTGRES_URL:
        asyncio.run(apply_migrations(POSTGRES_URL))


@pytest.fixture(params=ENGINES)
async def store(
    request: pytest.FixtureRequest, migrated_database: Path, migrated_engines: None
) -> AsyncIterator[Store]:
    """Every repository of one engine, empty."""
    async with ENGINES[request.param](migrated_database, request) as opened:
        yield opened
