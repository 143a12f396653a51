"""The names by which people are found: what is kept of them, and of nobody longer than the person is there."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.contract_suites.conftest import sql_store
from tests.contract_suites.scene import Store, editing

from pet.domain.times import to_milliseconds
from pet.storage.sql.database import Database, open_database
from pet.storage.sql.names import name_everyone

Kept = tuple[list[tuple[str, int, str]], dict[str, int]]


@pytest.fixture
async def database(tmp_path: Path, migrated_database: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite://{shutil.copy(migrated_database, tmp_path / 'pet.sqlite3')}") as opened:
        yield opened


@pytest.fixture
def store(database: Database) -> Store:
    return sql_store(database)


async def kept(database: Database) -> Kept:
    """Return who is found by which beginning, and how many by each."""
    names = await database.rows("SELECT * FROM profile_name ORDER BY beginning, user_id")
    counts = await database.rows("SELECT beginning, people FROM people_count")
    added_up = Counter[str]()
    for row in counts:
        added_up[row["beginning"].decode()] += row["people"]
    return [(row["beginning"].decode(), row["created_ms"], row["user_id"]) for row in names], dict(added_up)


async def test_every_beginning_of_every_word_finds_and_counts(database: Database, store: Store) -> None:
    ann = await store.profile("ann")
    await store.profiles.edit(ann, editing(display_name="Ana"))
    at = to_milliseconds((await store.shown(ann)).created_at)
    beginnings = ["a", "an", "ana", "ann"]
    assert await kept(database) == ([(each, at, ann) for each in beginnings], {"": 1, **dict.fromkeys(beginnings, 1)})


async def test_nothing_is_kept_of_the_name_of_someone_who_is_gone(database: Database, store: Store) -> None:
    await store.profile("bob")
    before = await kept(database)
    await store.profiles.edit(ann := await store.profile("ann"), editing(display_name="Ann Lee"))
    await store.projections.purge(ann)
    assert await kept(database) == before


async def test_the_migration_finds_those_who_are_there(database: Database, store: Store) -> None:
    await store.profile("bob")
    await store.profiles.edit(await store.profile("ann"), editing(display_name="Ann Lee"))
    before = await kept(database)
    for table in ("profile_name", "people_count"):
        await database.delete_in_steps(table, "id", "id > 0")
    await database.atomically(name_everyone)
    assert await kept(database) == before
