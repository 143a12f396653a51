"""The set-ups on which the whole service is tested: which engines it stands on, empty at the start of each test."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from pet.settings import Settings
from tests.engines.mongo import leftovers_of_the_driver_collected
from tests.engines.postgres import TEMPLATE, PostgresServer
from tests.engines.s3 import Bucket, client_of

Prepare = Callable[[Path], dict[str, Any]]
"""Makes empty engines for the service that keeps its data in a folder, and returns the settings that name them."""

CLEARING_MS = 15_000
"""Far more than it takes to empty a database of a test."""

_mongo_databases = ["whole"]
"""Those of this test session; the last one is in use."""

EMBEDDED = "embedded"
MANY = "many"
POSTGRES = "postgres"
on_embedded = pytest.mark.parametrize("prepare", [EMBEDDED], indirect=True)
"""For a test that breaks an engine in a way of its own, or looks into it."""


def prepare_on(name: str, request: pytest.FixtureRequest) -> Prepare:
    """Return what prepares the set-up of a name; the engines that it needs are started when they do not run yet."""
    return EVERY_SET_UP[name](request)


def _embedded(request: pytest.FixtureRequest) -> Prepare:
    """Stand on a SQLite file and a folder in the data directory: the defaults."""
    migrated_database: Path = request.getfixturevalue("migrated_database")

    def prepare(data_dir: Path) -> dict[str, Any]:
        shutil.copy(migrated_database, data_dir / "pet.sqlite3")
        return {}

    return prepare


def _postgres(request: pytest.FixtureRequest) -> Prepare:
    """Stand on PostgreSQL alone, which keeps the documents too, and a folder."""
    new_database = _databases(request)
    return lambda _: {"database_url": new_database()}


def _many(request: pytest.FixtureRequest) -> Prepare:
    """Stand on servers, as many machines would: PostgreSQL, MongoDB, Redis and an S3-compatible store."""
    new_database = _databases(request)
    mongo_url: str = request.getfixturevalue("mongo_url")
    redis_url: str = request.getfixturevalue("redis_url")
    bucket: Bucket = request.getfixturevalue("s3_bucket")

    def collect_leftovers() -> None:
        with leftovers_of_the_driver_collected():
            pass

    request.addfinalizer(collect_leftovers)

    def prepare(data_dir: Path) -> dict[str, Any]:
        del data_dir
        return {
            "database_url": new_database(),
            # Directly: behind a link that may fail, the driver would go round it, to where the replica set says it is.
            "documents_url": f"{mongo_url}/{_empty_mongo_database(mongo_url)}?directConnection=true",
            "redis_url": redis_url,
            "media_url": bucket.url,
            "secret_key": secrets.token_urlsafe(32),
        }

    return prepare


def _empty_mongo_database(url: str) -> str:
    """Empty the database of the test before, and return its name: its indexes take longer to make than most tests.

    Where that cannot be done in time, because of what a killed process has left open, another database takes its place.
    """
    with MongoClient[dict[str, Any]](url, directConnection=True, timeoutMS=CLEARING_MS) as mongo:
        database = mongo[_mongo_databases[-1]]
        try:
            for name in database.list_collection_names():
                database[name].delete_many({})
        except PyMongoError:
            _mongo_databases.append(f"whole_{len(_mongo_databases)}")
    return _mongo_databases[-1]


def _databases(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Return what makes a migrated PostgreSQL database that is dropped with the test, and gives its URL."""
    postgres: PostgresServer = request.getfixturevalue("postgres_server")

    def new_database() -> str:
        database = f"pet_{secrets.token_hex(8)}"
        _run(postgres.execute(f"CREATE DATABASE {database} TEMPLATE {TEMPLATE} STRATEGY file_copy"))
        request.addfinalizer(lambda: _run(postgres.execute(f"DROP DATABASE {database} WITH (FORCE)")))
        return postgres.url(database)

    return new_database


SET_UPS: dict[str, Callable[[pytest.FixtureRequest], Prepare]] = {EMBEDDED: _embedded, MANY: _many}
EVERY_SET_UP = SET_UPS | {POSTGRES: _postgres}
"""Also what differs from the others by its documents alone: for tests that compare everything with everything."""


def kept_objects(settings: Settings) -> list[PurePosixPath]:
    """Return the key of every object of audio and images, temporary ones included, sorted.

    Dotfiles in a folder are the service's own marks.
    """
    if settings.media_folder is None:
        name = settings.media_url.removeprefix("s3://").partition("/")[0]
        keys = Bucket(name, client_of("s3", os.environ["AWS_ENDPOINT_URL"]), Path()).keys()
        return sorted(PurePosixPath(key) for key in keys)
    folder = settings.media_folder
    found = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return sorted(PurePosixPath(path) for path in found)


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Do asynchronous work to its end, also where a loop runs already: in a thread with a loop of its own."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()
