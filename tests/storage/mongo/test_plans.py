"""How MongoDB can answer: every command finds its documents by a declared index, and lists come out of it in order.

SecantusDB's `explain` tells of its own planner, which scans where MongoDB would not. So the shape of each command is
held against the declared indexes by MongoDB's rule: fields compared for equality first, then the order, then ranges.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandListener, CommandStartedEvent
from tests.contract_suites.conftest import mongo_store, sqlite_copy
from tests.contract_suites.scene import ANN, Store
from tests.storage.sql.test_plans import CHANGES, IN_ORDER, SORTED, Read

from pet.domain.ids import new_object_id
from pet.domain.times import from_milliseconds
from pet.domain.viewers import Role, Viewer
from pet.storage.mongo.connection import open_database
from pet.storage.mongo.documents import DOCUMENTS, ActivityDocument, FollowDocument, ProfileDocument

IN_SQL = {
    *("account_by_id", "account_by_email", "account_by_name", "session", "sessions", "open_sessions"),
    *("export_of_user", "ended_exports", "forget_account", "claim_export", "end_exports", "end_exports_of_user"),
}
WITH_FOLLOWED = {"plain_person", "plain_person_by_name"}
"""Are read in two commands: the person, then whom they follow."""

READ_WHOLE = {"rising"}
"""Holds those who are telling many followers something at this very moment."""


class Recorder(CommandListener):
    """Keeps the commands that the driver sends."""

    def __init__(self) -> None:
        self.commands: list[Mapping[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        """Keep a command, but for the one that says good-bye."""
        if event.command_name != "endSessions":
            self.commands.append(dict(event.command))

    def succeeded(self, event: object) -> None:
        """Of no interest."""

    def failed(self, event: object) -> None:
        """Of no interest."""


@asynccontextmanager
async def recorded(
    template: Path, folder: Path, mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Store, Recorder]]:
    recorder = Recorder()
    listening = partial(AsyncMongoClient, event_listeners=[recorder])
    monkeypatch.setattr("pet.storage.mongo.connection.AsyncMongoClient", listening)
    async with (
        sqlite_copy(template, folder) as accounts,
        open_database(f"{mongo_url}/plans_{new_object_id()}", timeout_seconds=10) as database,
    ):
        recorder.commands.clear()
        yield mongo_store(database, accounts), recorder


def indexes(collection: str) -> list[list[str]]:
    """Return the fields of every index of a collection."""
    settings: list[Any] = [vars(document)["Settings"] for document in DOCUMENTS]
    [declared] = [each.indexes for each in settings if each.name == collection]
    return [["_id"], *(list(index.document["key"]) for index in declared)]


def searches(command: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, int]]]:
    """Return the collection, the filter and the order of everything that a command looks for."""
    name, collection = next(iter(command.items()))
    match name:
        case "find":
            yield collection, command["filter"], command.get("sort", {})
        case "aggregate":
            pipelines = [(collection, command["pipeline"])]
            pipelines += [
                (stage["$unionWith"]["coll"], stage["$unionWith"]["pipeline"])
                for stage in command["pipeline"]
                if "$unionWith" in stage
            ]
            for join in (stage["$lookup"] for stage in command["pipeline"] if "$lookup" in stage):
                first: Mapping[str, Any] = next(
                    (stage["$match"] for stage in join.get("pipeline", ()) if "$match" in stage), {}
                )
                yield join["from"], {join["foreignField"]: "", **first}, {}
            for owner, stages in pipelines:
                yield owner, stages[0]["$match"], next((each["$sort"] for each in stages if "$sort" in each), {})
        case "findAndModify":
            yield collection, command["query"], {}
        case "update" | "delete":
            for each in command[f"{name}s"]:
                yield collection, each["q"], {}


def is_served(fields: list[str], where: Mapping[str, Any], sort: Mapping[str, int]) -> bool:
    """Tell whether an index bounds a search, and gives its order."""
    tests = {field: set(test) if isinstance(test, Mapping) else {"$eq"} for field, test in where.items()}
    equal = {field for field, operators in tests.items() if operators <= {"$eq", "$in"}}
    ranges = {field for field, operators in tests.items() if operators & {"$lt", "$lte", "$gt", "$gte"}}
    prefix = 0
    while prefix < len(fields) and fields[prefix] in equal:
        prefix += 1
    order = [field for field in sort if field not in equal]
    one_way = len(set(sort.values())) <= 1
    in_order = one_way and fields[prefix : prefix + len(order)] == order
    return in_order and (prefix > 0 or fields[0] in ranges or bool(order))


@pytest.mark.parametrize("name", sorted(IN_ORDER.keys() - IN_SQL))
async def test_a_list_is_a_range_of_an_index_in_its_own_order(
    migrated_database: Path, tmp_path: Path, mongo_url: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async with recorded(migrated_database, tmp_path, mongo_url, monkeypatch) as (store, recorder):
        await IN_ORDER[name](store)
    assert len(recorder.commands) == (2 if name in WITH_FOLLOWED else 1)
    found = [search for command in recorder.commands for search in searches(command)]
    assert found
    for collection, where, sort in found:
        assert any(is_served(fields, where, sort) for fields in indexes(collection)), (where, sort)


@pytest.mark.parametrize("name", sorted({*SORTED, *CHANGES} - IN_SQL))
async def test_a_search_and_a_change_find_their_documents_by_an_index(
    migrated_database: Path, tmp_path: Path, mongo_url: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    calls: dict[str, Read] = {**SORTED, **CHANGES, **IN_ORDER}
    async with recorded(migrated_database, tmp_path, mongo_url, monkeypatch) as (store, recorder):
        await calls[name](store)
    found = [search for command in recorder.commands for search in searches(command)]
    assert found
    for collection, where, _ in found:
        assert collection in READ_WHOLE or any(is_served(fields, where, {}) for fields in indexes(collection)), where


@pytest.mark.parametrize("seen_by", [Viewer(ANN, Role.LISTENER), None], ids=["own", "of_another"])
async def test_a_feed_asks_as_often_for_two_hundred_authors_as_for_two(
    migrated_database: Path, tmp_path: Path, mongo_url: str, monkeypatch: pytest.MonkeyPatch, seen_by: Viewer | None
) -> None:
    counted = []
    async with recorded(migrated_database, tmp_path, mongo_url, monkeypatch) as (store, recorder):
        for number in (2, 200):
            await seed_feed(number)
            recorder.commands.clear()
            page = await store.activities.feed(ANN, seen_by=seen_by, after=None, limit=1)
            counted.append([next(iter(command)) for command in recorder.commands])
            assert [item.created_at for item in page.items] == [from_milliseconds(number)]
    assert counted == [["find", "aggregate", "find"]] * 2


async def seed_feed(number: int) -> None:
    """Let Ann follow a number of authors, each of whom has done one thing."""
    for document in DOCUMENTS:
        await document.get_pymongo_collection().delete_many({})
    authors = [(f"author{each}", each + 1) for each in range(number)]
    profiles = [
        {"_id": author, "object_id": author, "username_key": author, "preferences": {"private_profile": False}}
        for author, _ in authors
    ]
    follows = [
        {"_id": author, "follower_id": ANN, "following_id": author, "state": "following", "newest_ms": at}
        for author, at in authors
    ]
    activities = [
        {"_id": author, "actor_id": author, "action": "profile_updated", "track_id": None, "created_ms": at}
        for author, at in authors
    ]
    await ProfileDocument.get_pymongo_collection().insert_many(profiles)
    await FollowDocument.get_pymongo_collection().insert_many(follows)
    await ActivityDocument.get_pymongo_collection().insert_many(activities)


@pytest.mark.parametrize(
    ("where", "sort", "served"),
    [
        ({"a": 1, "b": {"$in": [1]}}, {"c": -1, "_id": -1}, True),
        ({"a": 1}, {"c": -1}, False),
        ({"a": 1, "b": 1, "c": {"$lt": 1}}, {"c": -1, "_id": 1}, False),
        ({"b": 1}, {}, False),
        ({"a": {"$gte": 1}}, {}, True),
        ({"a": {"$ne": 1}}, {}, False),
        ({}, {}, False),
    ],
)
def test_the_rule_knows_what_an_index_serves(where: dict[str, Any], sort: dict[str, int], *, served: bool) -> None:
    assert is_served(["a", "b", "c", "_id"], where, sort) is served
