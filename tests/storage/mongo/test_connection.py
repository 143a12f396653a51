"""Opening MongoDB: what is made at the start, and what an operator is told when it cannot be used."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from pymongo import ASCENDING, DESCENDING, AsyncMongoClient, MongoClient
from tests.e2e.server import free_port
from tests.engines.mongo import MongoServer, leftovers_of_the_driver_collected, mongo_server
from tests.faults.link import Fault, faulty_link

from pet.domain.ids import new_uuid7
from pet.storage.mongo.connection import open_database
from pet.storage.mongo.documents import DOCUMENTS
from pet.storage.opening import CannotOpen

PASSWORD = "open sesame"
TIMEOUT = 1.0
OPEN = """
import asyncio, sys
from pet.storage.mongo.connection import open_database
async def run():
    async with open_database(sys.argv[1], timeout_seconds=10):
        pass
asyncio.run(run())
"""


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    with leftovers_of_the_driver_collected():
        yield


@pytest.fixture
def name(mongo_url: str) -> Iterator[str]:
    """The name of a database of this test's own."""
    name = f"opening_{new_uuid7().replace('-', '')}"
    yield name
    with MongoClient[Any](mongo_url) as client:
        client.drop_database(name)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """A server that wants a password; one of its users may use the database `pet`, the other may do nothing."""
    folder = tmp_path_factory.mktemp("guarded")
    with mongo_server(folder, sync_on_commit=True) as server, MongoClient[Any](server.url) as client:
        client.pet.command("createUser", "pet", pwd=PASSWORD, roles=["readWrite"])
        client.pet.command("createUser", "guest", pwd=PASSWORD, roles=[])
    with mongo_server(folder, require_auth=True) as server:
        yield server


async def open_and_leave(url: str, *, timeout_seconds: float = 10.0) -> None:
    async with open_database(url, timeout_seconds=timeout_seconds) as database:
        assert await database.answers()


async def refusal(url: str) -> str:
    """Return what an operator is told, without the engine and the setting, which always stand before it."""
    started = time.monotonic()
    with pytest.raises(CannotOpen) as refused:
        await open_and_leave(url, timeout_seconds=TIMEOUT)
    assert time.monotonic() - started < TIMEOUT * 1.25 + 0.5
    start, colon, reason = str(refused.value).partition(": ")
    assert start + colon == "The document store (PET_DOCUMENTS_URL) cannot be used: "
    assert "sesame" not in reason
    return reason


async def indexes(url: str, name: str) -> dict[str, set[str]]:
    """Return the names of the indexes of every collection."""
    async with AsyncMongoClient[Any](url) as client:
        database = client[name]
        return {each: set(await database[each].index_information()) for each in await database.list_collection_names()}


def declared() -> dict[str, set[str]]:
    settings: list[Any] = [vars(document)["Settings"] for document in DOCUMENTS]
    return {each.name: {"_id_", *(index.document["name"] for index in each.indexes)} for each in settings}


async def test_every_declared_index_is_made_and_a_second_start_changes_nothing(mongo_url: str, name: str) -> None:
    for _ in range(2):
        await open_and_leave(f"{mongo_url}/{name}")
        assert await indexes(mongo_url, name) == declared()


def test_several_processes_make_the_indexes_at_once(mongo_url: str, name: str) -> None:
    command = [sys.executable, "-c", OPEN, f"{mongo_url}/{name}"]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    outcomes = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]
    assert outcomes == [("", 0)] * 3
    assert asyncio.run(indexes(mongo_url, name)) == declared()


@pytest.mark.parametrize(
    ("keys", "options"),
    [
        ([("created_ms", ASCENDING)], {"name": "profile_by_age"}),
        ([("created_ms", DESCENDING), ("_id", DESCENDING)], {"name": "profile_by_age"}),
        ([("created_ms", ASCENDING), ("_id", ASCENDING)], {"name": "profile_by_age", "unique": True}),
        ([("created_ms", ASCENDING), ("_id", ASCENDING)], {"name": "of_an_operator"}),
    ],
    ids=["other_fields", "other_order", "unique", "other_name"],
)
async def test_an_index_that_differs_is_told_and_not_dropped(
    mongo_url: str, name: str, keys: list[tuple[str, int]], options: dict[str, Any]
) -> None:
    async with AsyncMongoClient[Any](mongo_url) as client:
        await client[name].profiles.create_index(keys, **options)
        before = await client[name].profiles.index_information()
        reason = await refusal(f"{mongo_url}/{name}")
        assert reason == (
            "the index profile_by_age of the collection profiles is not the one that this version needs. Drop the old"
            " one (in mongosh: db.profiles.getIndexes(), then dropIndex) and start again: it is made anew."
        )
        assert await client[name].profiles.index_information() == before


async def test_an_index_of_an_operator_s_own_is_left_alone(mongo_url: str, name: str) -> None:
    async with AsyncMongoClient[Any](mongo_url) as client:
        await client[name].profiles.create_index([("location", ASCENDING)], name="by_place")
    await open_and_leave(f"{mongo_url}/{name}")
    assert (await indexes(mongo_url, name))["profiles"] == declared()["profiles"] | {"by_place"}


async def test_doubles_that_a_unique_index_forbids_are_told(mongo_url: str, name: str) -> None:
    async with AsyncMongoClient[Any](mongo_url) as client:
        await client[name].profiles.insert_many([{"username_key": "ann"}, {"username_key": "ann"}])
    assert await refusal(f"{mongo_url}/{name}") == (
        "the collection profiles holds doubles, which a unique index forbids."
    )


async def test_a_server_without_a_replica_set_is_told_how_to_become_one() -> None:
    sentence = (
        "the server is not a member of a replica set, which transactions need. Start mongod with --replSet rs0,"
        " run rs.initiate() once in mongosh, and give the URL replicaSet=rs0."
    )
    with mongo_server(replica_set_name=None) as server:
        assert await refusal(f"{server.url}/pet") == sentence
        assert await refusal(f"{server.url}/pet?replicaSet=rs0") == sentence


async def test_a_replica_set_of_another_name_is_told(mongo_url: str) -> None:
    assert await refusal(f"{mongo_url}/pet?replicaSet=rs0") == (
        "the server belongs to the replica set secantus. Write replicaSet=secantus."
    )


async def test_the_replica_set_s_own_name_is_accepted(mongo_url: str, name: str) -> None:
    await open_and_leave(f"{mongo_url}/{name}?replicaSet=secantus&maxPoolSize=3")


async def test_where_nothing_listens() -> None:
    place = f"127.0.0.1:{free_port()}"
    sentence = f"nothing listens at {place}. Check host and port, and that MongoDB runs there."
    assert await refusal(f"mongodb://pet:{quote(PASSWORD)}@{place}/pet?replicaSet=rs0") == sentence


async def test_a_host_that_nobody_knows() -> None:
    assert await refusal(f"mongodb://pet:{quote(PASSWORD)}@nowhere.invalid/pet") == (
        "no such host is known at nowhere.invalid. Check host and port, and that MongoDB runs there."
    )


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.RESET])
async def test_a_server_that_does_not_answer(mongo_url: str, fault: Fault) -> None:
    async with faulty_link("127.0.0.1", int(mongo_url.rpartition(":")[2])) as link:
        await link.fail(fault)
        assert await refusal(f"mongodb://127.0.0.1:{link.port}/pet") == (
            f"no server answers at 127.0.0.1:{link.port}. Check host and port, and that MongoDB runs there."
        )


@pytest.mark.parametrize(
    "url", [f"mongodb://pet:{PASSWORD}@[h/pet", f"mongodb://pet:{PASSWORD}@h:port/pet", "mongodb://p:open@sesame@h/pet"]
)
async def test_a_url_that_the_driver_does_not_take(url: str) -> None:
    assert await refusal(url) == (
        "the URL is not one that MongoDB's driver takes. Write"
        " mongodb://user:password@host:port/database?replicaSet=name, with @ : / ? # of the password percent-encoded."
    )


async def test_a_user_with_the_role_read_write_is_enough(guarded: MongoServer) -> None:
    await open_and_leave(f"mongodb://pet:{quote(PASSWORD)}@127.0.0.1:{guarded.port}/pet?replicaSet=secantus")


@pytest.mark.parametrize("user", ["pet:open%20door", f"nobody:{quote(PASSWORD)}"])
async def test_a_wrong_user_or_password_is_refused(guarded: MongoServer, user: str) -> None:
    assert await refusal(f"mongodb://{user}@127.0.0.1:{guarded.port}/pet") == (
        "the server refuses the user or the password. Check both, and authSource where the user belongs to another"
        " database."
    )


@pytest.mark.parametrize("user", ["", f"guest:{quote(PASSWORD)}@"], ids=["nobody", "guest"])
async def test_a_user_who_may_do_nothing_is_told_what_is_needed(guarded: MongoServer, user: str) -> None:
    assert await refusal(f"mongodb://{user}127.0.0.1:{guarded.port}/pet") == (
        "the user may not use this database, or none is given. Name one in the URL that has the role readWrite on it."
    )
