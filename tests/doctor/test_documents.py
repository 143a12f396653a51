"""`pet doctor` where MongoDB keeps the documents."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.asynchronous.database import AsyncDatabase

from pet.domain.ids import new_uuid7
from pet.storage.mongo.connection import open_database
from tests.doctor.test_command import lines
from tests.e2e.server import free_port
from tests.engines.mongo import leftovers_of_the_driver_collected, mongo_server
from tests.test_cli import SECRET, pet


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    with leftovers_of_the_driver_collected():
        yield


@pytest.fixture
def url(mongo_url: str) -> Iterator[str]:
    """The URL of a database that does not exist yet."""
    name = f"doctor_{new_uuid7().replace('-', '')}"
    yield f"{mongo_url}/{name}"
    with MongoClient[Any](mongo_url) as client:
        client.drop_database(name)


async def start(url: str) -> None:
    """Open a database as a start does."""
    async with open_database(url, timeout_seconds=5):
        pass


def collections(url: str) -> list[str]:
    with MongoClient[Any](url) as client:
        return client.get_default_database().list_collection_names()


def test_before_the_first_start_the_indexes_are_still_to_be_made(tmp_path: Path, url: str) -> None:
    result = pet("doctor", data_dir=tmp_path, documents_url=url)
    assert (result.exit_code, lines(result.stdout)["documents"]) == (0, "ok")
    assert "The next start makes" in result.stdout
    assert "follow_by_news" in result.stdout
    assert collections(url) == []


def test_a_database_that_serves_is_found_well(tmp_path: Path, url: str) -> None:
    asyncio.run(start(url))
    result = pet("doctor", data_dir=tmp_path, documents_url=url)
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "Nothing to mend.")
    for sentence in (
        "answers, in the replica set secantus.",
        "Every index is as this version declares it.",
        "Its clock agrees with this machine's.",
    ):
        assert sentence in " ".join(result.stdout.split())


def test_an_index_that_differs_fails_with_what_to_do(tmp_path: Path, url: str) -> None:
    with MongoClient[Any](url) as client:
        client.get_default_database().follows.create_index([("follower_id", 1)], name="follow_by_news")
    result = pet("doctor", data_dir=tmp_path, documents_url=url)
    assert (result.exit_code, lines(result.stdout)["documents"]) == (1, "failure")
    assert "the index follow_by_news of the collection follows is not the one" in " ".join(result.stdout.split())


def test_a_port_where_nothing_listens_fails_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    url = f"mongodb://pet:{SECRET}@127.0.0.1:{free_port()}/pet"
    result = pet("doctor", data_dir=tmp_path, documents_url=url, engine_timeout="0.5")
    found = lines(result.stdout)
    assert (result.exit_code, found["documents"], found["database"], found["media"]) == (1, "failure", "ok", "ok")
    assert "nothing listens" in result.stdout
    assert SECRET not in result.output


def test_a_server_without_a_replica_set_fails(tmp_path: Path) -> None:
    with mongo_server(replica_set_name=None) as server:
        result = pet("doctor", data_dir=tmp_path, documents_url=server.database("pet"))
    assert (result.exit_code, lines(result.stdout)["documents"]) == (1, "failure")
    assert "--replSet" in result.stdout


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"version": "5.0.31"}, "It is older than version 6: upgrade it."),
        ({"localTime": datetime.now() - timedelta(days=2)}, "let NTP set both."),  # noqa: DTZ005 - as the driver has it
    ],
    ids=["old version", "wrong clock"],
)
def test_what_will_bite_one_day_is_a_warning(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, told: dict[str, Any], sentence: str
) -> None:
    command = AsyncDatabase.command

    async def changed(self: AsyncDatabase[Any], name: Any, *given: Any, **options: Any) -> Any:
        return {**await command(self, name, *given, **options), **told}

    monkeypatch.setattr(AsyncDatabase, "command", changed)
    result = pet("doctor", data_dir=tmp_path, documents_url=url)
    assert (result.exit_code, lines(result.stdout)["documents"]) == (0, "warning")
    assert sentence in " ".join(result.stdout.split())
