"""Names in MongoDB: the profiles of an earlier version are found and counted once it has been opened."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from pymongo import MongoClient

from pet.domain.ids import UserId, new_object_id, new_uuid7
from pet.storage.mongo import names
from pet.storage.mongo.connection import open_database
from pet.storage.mongo.database import Database
from pet.storage.mongo.documents import PeopleCountDocument, ProfileDocument
from pet.storage.mongo.operations import Operations, Row
from pet.storage.mongo.profiles import MongoProfiles
from pet.storage.opening import CannotOpen

PEOPLE = 7
COUNTS = {"": PEOPLE, "u": PEOPLE, "user3": 1, "zo": PEOPLE, "zoo": 0}


@pytest.fixture
def url(mongo_url: str) -> Iterator[str]:
    """A database with profiles that hold the words of their names, as they once did, and no beginnings."""
    url = f"{mongo_url}/names_{new_object_id()}"
    with MongoClient[Row](url) as client:
        database = client.get_default_database()
        database.profiles.insert_many(_profile_of_words(number) for number in range(PEOPLE))
        yield url
        client.drop_database(database.name)


def _profile_of_words(number: int) -> Row:
    name = f"user{number}"
    nothing = dict.fromkeys(("bio", "location", "avatar_file_id", "cover_file_id"))
    return {
        "_id": new_uuid7(),
        "object_id": new_object_id(),
        "username": name,
        "username_key": name,
        "role": "musician",
        "display_name": "Zoë",
        "genres": [],
        "instruments": [],
        "social_links": {"youtube": None, "vk": None, "telegram": None},
        "preferences": {"email_notifications": True, "show_online_status": True, "private_profile": False},
        "stats": {"tracks": 0, "followers": 0, "following": 0, "plays": 0},
        "words": [name, "zoe"],
        "created_ms": number,
        "updated_ms": number,
        "locks": 0,
        **nothing,
    }


async def counted(database: Database) -> dict[str, int]:
    profiles = MongoProfiles(database)
    return {beginning: await profiles.count(search=beginning) for beginning in COUNTS}


async def found(database: Database, search: str) -> list[str]:
    page = await MongoProfiles(database).plain_page(after=None, limit=PEOPLE, search=search)
    return [profile.username for profile in page.items]


async def test_profiles_of_an_earlier_version_are_found_and_counted_once(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "NAMED_AT_ONCE", 2)
    for _ in range(2):
        async with open_database(url, timeout_seconds=10) as database:
            assert await counted(database) == COUNTS
            assert await found(database, "zo") == [f"user{number}" for number in reversed(range(PEOPLE))]


async def test_several_that_count_at_the_same_time_count_everyone_once(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "NAMED_AT_ONCE", 2)
    async with open_database(url, timeout_seconds=10) as database:
        forget = {"$unset": {"beginnings": ""}}
        await database.run(lambda mongo: mongo.update_all(ProfileDocument, {}, forget))
        await database.run(lambda mongo: mongo.delete(PeopleCountDocument, {}))
        await asyncio.gather(*(names.name_everyone(database) for _ in range(3)))
        assert await counted(database) == COUNTS


async def test_what_was_cut_off_goes_on_at_the_next_start(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "NAMED_AT_ONCE", 3)
    count = names._count
    calls = []

    async def cut_off(mongo: Operations, changes: dict[str, int]) -> None:
        calls.append(changes)
        if len(calls) == 2:
            raise TimeoutError
        await count(mongo, changes)

    with monkeypatch.context() as cut:
        cut.setattr(names, "_count", cut_off)
        with pytest.raises(CannotOpen, match="the next start goes on"):
            async with open_database(url, timeout_seconds=10):
                pass
    with MongoClient[Row](url) as client:
        assert client.get_default_database().profiles.count_documents({"beginnings": None}) == PEOPLE - 3
    async with open_database(url, timeout_seconds=10) as database:
        assert await counted(database) == COUNTS


async def test_nobody_is_left_in_the_counts_of_a_name_that_is_given_up(mongo_url: str) -> None:
    url = f"{mongo_url}/names_{new_object_id()}"
    user_id = UserId(new_uuid7())
    async with open_database(url, timeout_seconds=10) as database:
        await database.atomically(lambda mongo: names.count_in(mongo, user_id, ["a", "an"]))
        await database.atomically(lambda mongo: names.recount(mongo, user_id, before=["a", "an"], after=["a", "b"]))
        await database.atomically(lambda mongo: names.count_out(mongo, user_id, ["a", "b"]))
    with MongoClient[Row](url) as client:
        assert list(client.get_default_database().people_counts.find()) == []
        client.drop_database(client.get_default_database().name)
