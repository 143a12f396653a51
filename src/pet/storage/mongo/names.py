"""Names: by which beginnings people are found, and how many by each.

A profile holds every beginning of every word of its name. The index of them goes on by age, so each beginning has its
list in it, newest first: a page of those who are found by a letter costs what a page by a rare name costs. How many
there are is counted when a name changes, and never when a client asks. A name has about twenty beginnings.

A count is cut into parts, of which each person belongs to one: those who register at the same time seldom change the
same part, which would make one of them give way. Counts are changed last in a transaction, in one order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from zlib import crc32

from pet.domain.texts import beginnings, search_words
from pet.storage.mongo.database import Database
from pet.storage.mongo.documents import PeopleCountDocument, ProfileDocument
from pet.storage.mongo.operations import Operations

PARTS = 16
EVERYONE = ""
"""The beginning that all names have: it has a count, but no list, because the profiles themselves are that list."""

NAMED_AT_ONCE = 50
"""Profiles of one transaction of `name_everyone`: about a thousand counts, which must fit into the engine timeout."""


def beginnings_of(username: str, display_name: str | None) -> list[str]:
    """Return the beginnings by which someone is found, sorted."""
    return sorted(beginnings(search_words(username, display_name)))


async def count_in(mongo: Operations, user_id: str, found_by: Collection[str]) -> None:
    """Count a new profile."""
    await _count(mongo, dict.fromkeys(_keys(user_id, [EVERYONE, *found_by]), 1))


async def count_out(mongo: Operations, user_id: str, found_by: Collection[str]) -> None:
    """Count a profile no more that is gone."""
    await _count(mongo, dict.fromkeys(_keys(user_id, [EVERYONE, *found_by]), -1))


async def recount(mongo: Operations, user_id: str, *, before: Collection[str], after: Collection[str]) -> None:
    """Count a profile by other beginnings than before."""
    gone, come = ({*some}.difference(others) for some, others in ((before, after), (after, before)))
    await _count(mongo, dict.fromkeys(_keys(user_id, gone), -1) | dict.fromkeys(_keys(user_id, come), 1))


async def people_found_by(mongo: Operations, beginning: str) -> int:
    """Return how many people a beginning finds."""
    parts = {"_id": {"$in": [_key(part, beginning) for part in range(PARTS)]}}
    return sum(row["people"] for row in await mongo.rows(PeopleCountDocument, parts))


async def name_everyone(database: Database) -> None:
    """Let all profiles be found and counted that an earlier version has made.

    It may be cut off at any moment and goes on the next time, and several processes may do it at once: a profile gets
    its beginnings, and is counted, in one transaction.

    Raises:
        Unavailable: the engine cannot be reached, or took too long.
    """
    while await database.atomically(_name_some):
        pass


async def _name_some(mongo: Operations) -> bool:
    """Name and count some profiles; tell whether there were any."""
    nameless = {"beginnings": None}  # in the index of beginnings, what has none stands under null
    fields = {"username": 1, "display_name": 1}
    rows = await mongo.rows(ProfileDocument, nameless, fields=fields, limit=NAMED_AT_ONCE)
    found_by = {row["_id"]: beginnings_of(row["username"], row["display_name"]) for row in rows}
    if not found_by:
        return False
    changes = {user_id: {"$set": {"beginnings": each}, "$unset": {"words": ""}} for user_id, each in found_by.items()}
    await mongo.change_each(ProfileDocument, changes)
    await _count(mongo, Counter(key for user_id, each in found_by.items() for key in _keys(user_id, [EVERYONE, *each])))
    return True


async def _count(mongo: Operations, changes: Mapping[str, int]) -> None:
    """Change counts, and forget those of which nobody is left: they tell of somebody's name."""
    if not changes:
        return
    steps = {key: {"$inc": {"people": changes[key]}} for key in sorted(changes)}
    await mongo.change_each(PeopleCountDocument, steps, upsert=True)
    if fewer := sorted(key for key, change in changes.items() if change < 0):
        await mongo.delete(PeopleCountDocument, {"_id": {"$in": fewer}, "people": 0})


def _keys(user_id: str, found_by: Collection[str]) -> list[str]:
    part = crc32(user_id.encode()) % PARTS
    return [_key(part, beginning) for beginning in found_by]


def _key(part: int, beginning: str) -> str:
    return f"{part} {beginning}"
