"""Keyset lists: one page, of one owner or of many at once, in one round trip that only touches what it returns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from beanie import Document

from pet.domain.paging import Position
from pet.domain.times import to_milliseconds
from pet.storage.mongo.operations import Filter, Operations, Row

NEWEST_FIRST = {"created_ms": -1, "_id": -1}
OLDEST_FIRST = {"created_ms": 1, "_id": 1}


def up_to(at_ms: int) -> dict[str, int]:
    """Return the condition that a time is not after another; times are whole milliseconds.

    `$lte` says the same, but SecantusDB, which stands for MongoDB in tests, finds nothing of that very millisecond by
    an index that goes on after the time.
    """
    return {"$lt": at_ms + 1}


def older_than(position: Position | None) -> dict[str, Any]:
    """Return the condition that a position of a list stands for.

    The time alone bounds the range of the index; where times are equal the id decides.
    """
    if position is None:
        return {}
    at = to_milliseconds(position.at)
    return {"created_ms": up_to(at), "$or": [{"created_ms": {"$lt": at}}, {"_id": {"$lt": position.id}}]}


def newer_than(at_ms: int, last_id: str) -> dict[str, Any]:
    """Return the condition that something comes after a place in a list that is oldest first."""
    return {"created_ms": {"$gte": at_ms}, "$or": [{"created_ms": {"$gt": at_ms}}, {"_id": {"$gt": last_id}}]}


async def pages_of_each(
    mongo: Operations, of: type[Document], owners: Sequence[Filter], *, after: Position | None, limit: int
) -> Sequence[Sequence[Row]]:
    """Return up to `limit + 1` rows of each owner's list, newest first, in the owners' order.

    Every owner's part is a range of one index, cut at the limit: a group would read the owners' whole lists.

    Args:
        owners: the condition of each owner's list, at most 100 (a pipeline has at most 1,000 stages).
    """
    if not owners:
        return []
    lists = [{**owner, **older_than(after)} for owner in owners]
    if len(lists) == 1:
        return [await mongo.rows(of, lists[0], sort=NEWEST_FIRST, limit=limit + 1)]
    found: Mapping[int, list[Row]] = defaultdict(list)
    for row in await mongo.aggregate(of, _union(of, lists, limit), batch=len(lists) * (limit + 1)):
        found[row.pop("part")].append(row)
    return [
        sorted(found[number], key=lambda row: (row["created_ms"], row["_id"]), reverse=True)
        for number in range(len(lists))
    ]


def _union(of: type[Document], lists: Sequence[Filter], limit: int) -> list[Filter]:
    parts: list[list[Filter]] = [
        [{"$match": one}, {"$sort": NEWEST_FIRST}, {"$limit": limit + 1}, {"$set": {"part": number}}]
        for number, one in enumerate(lists)
    ]
    collection = of.get_collection_name()
    return [*parts[0], *({"$unionWith": {"coll": collection, "pipeline": part}} for part in parts[1:])]
