"""The engines over which the contracts of the repositories run: another engine is one more entry of `ENGINES`."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from pymongo.errors import DuplicateKeyError
from tests.contract_suites.scene import Clock, Store
from tests.engines.postgres import TEMPLATE, PostgresServer
from tortoise.exceptions import IntegrityError

from pet.storage.mongo.audit import MongoAudits
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
from pet.storage.mongo.waveforms import MongoWaveforms
from pet.storage.sql.accounts import SqlAccounts
from pet.storage.sql.audit import SqlAudits
from pet.storage.sql.database import Database, open_database
from pet.storage.sql.delivery import SqlOutbox, store_events
from pet.storage.sql.effects import SqlProjections
from pet.storage.sql.exports import SqlExports
from pet.storage.sql.familiar_networks import SqlFamiliarNetworks
from pet.storage.sql.feed import SqlActivities
from pet.storage.sql.files import SqlFiles
from pet.storage.sql.follows import SqlFollows
from pet.storage.sql.plays import SqlPlays
from pet.storage.sql.profiles import SqlProfiles
from pet.storage.sql.sessions import SqlSessions
from pet.storage.sql.waveforms import SqlWaveforms

OpenStore = Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Store]]
"""Takes what it needs from fixtures, so that only engines start which a test asks for."""


def sqlite(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Store]:
    """Open a store on an SQLite file of its own."""
    return sqlite_copy(request.getfixturevalue("migrated_database"), request.getfixturevalue("tmp_path"))


def sqlite_copy(template: Path, folder: Path) -> AbstractAsyncContextManager[Store]:
    """Open a store on a copy of an empty SQLite file."""
    return sql_store_at(f"sqlite://{shutil.copy(template, folder)}")


def postgres(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Store]:
    """Open a store on an empty PostgreSQL database: one for all tests, as emptying is faster than copying."""
    return sql_store_at(request.getfixturevalue("contracts_postgres_url"), is_shared=True)


@asynccontextmanager
async def sql_store_at(url: str, *, is_shared: bool = False) -> AsyncIterator[Store]:
    """Open a store on a migrated SQL database, without what an earlier test has left there."""
    async with open_database(url) as database:
        for table in await tables(database) if is_shared else ():
            await database.rows(f"DELETE FROM {table}")  # noqa: S608 - a table's name
        yield sql_store(database)


async def tables(database: Database) -> list[str]:
    """Return the names of PostgreSQL's tables, but for that of the migrations."""
    rows = await database.rows("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    return [row["tablename"] for row in rows if row["tablename"] != "tortoise_migrations"]


def mongo(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Store]:
    """Open a store on an emptied MongoDB, with accounts and sessions in an SQLite file beside it."""
    return mongo_store_at(f"{request.getfixturevalue('mongo_url')}/contracts", sqlite(request))


@asynccontextmanager
async def mongo_store_at(url: str, beside: AbstractAsyncContextManager[Store]) -> AsyncIterator[Store]:
    """Open a store on a MongoDB database, without what an earlier test has left there."""
    async with beside as accounts, open_mongo(url, timeout_seconds=10) as database:
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
        exports=accounts.exports,
        networks=accounts.networks,
        profiles=MongoProfiles(database),
        files=MongoFiles(database),
        follows=MongoFollows(database),
        activities=MongoActivities(database),
        plays=MongoPlays(database),
        waveforms=MongoWaveforms(database),
        outbox=outbox,
        outboxes=(outbox, accounts.outbox),
        store_events=lambda events: database.atomically(lambda mongo: store_mongo_events(mongo, events)),
        projections=MongoProjections(database, clock),
        audits=MongoAudits(database),
        refusal=(DuplicateKeyError, IntegrityError),
        clock=clock,
    )


def sql_store(database: Database) -> Store:
    """Return the SQL adapters over one database."""
    clock = Clock()
    outbox = SqlOutbox(database, clock)
    return Store(
        accounts=SqlAccounts(database),
        sessions=SqlSessions(database),
        exports=SqlExports(database),
        networks=SqlFamiliarNetworks(database),
        profiles=SqlProfiles(database),
        files=SqlFiles(database),
        follows=SqlFollows(database),
        activities=SqlActivities(database),
        plays=SqlPlays(database),
        waveforms=SqlWaveforms(database),
        outbox=outbox,
        outboxes=(outbox,),
        store_events=lambda events: database.atomically(lambda sql: store_events(sql, events)),
        projections=SqlProjections(database, clock),
        audits=SqlAudits(database),
        refusal=(IntegrityError,),
        clock=clock,
    )


ENGINES: dict[str, OpenStore] = {"sqlite": sqlite, "postgres": postgres, "mongo": mongo}


@pytest.fixture(scope="session")
def contracts_postgres_url(postgres_server: PostgresServer) -> str:
    """The URL of the PostgreSQL database that the contracts share."""
    asyncio.run(postgres_server.execute(f"CREATE DATABASE pet_contracts TEMPLATE {TEMPLATE}"))
    return postgres_server.url("pet_contracts")


@pytest.fixture
def few_followers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let more than two followers be too many to tell at once, and tell two at a time."""
    for engine in ("sql", "mongo"):
        monkeypatch.setattr(f"pet.storage.{engine}.news.TOLD_AT_ONCE", 2)
        monkeypatch.setattr(f"pet.storage.{engine}.news.STEP", 2)


@pytest.fixture(params=ENGINES)
def opening_store(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Store]:
    """A store that is not open yet; engines start here, outside the event loop."""
    return ENGINES[request.param](request)


@pytest.fixture
async def store(opening_store: AbstractAsyncContextManager[Store]) -> AsyncIterator[Store]:
    """Every repository of one engine, empty."""
    async with opening_store as opened:
        yield opened
