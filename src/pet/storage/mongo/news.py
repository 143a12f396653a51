"""News: what someone did, and how the follows of it come to know (`storage/sql/news.py` tells why).

A follow knows a time that no activity of the followed one is newer than. Whoever begins to follow and whoever publishes
both change the author's profile, so that one of them gives way, and then sees what the other has done.
"""

from __future__ import annotations

from pet.domain.feed import Action
from pet.domain.follows import FollowState
from pet.domain.ids import new_object_id
from pet.storage.mongo.database import STEP
from pet.storage.mongo.documents import LOCK, ActivityDocument, FollowDocument, ProfileDocument, RisingDocument
from pet.storage.mongo.lists import NEWEST_FIRST, OLDEST_FIRST, newer_than
from pet.storage.mongo.operations import Operations, Row

TOLD_AT_ONCE = 500
"""Followers who are told in the transaction of the activity itself: some milliseconds."""

FOLLOWING = FollowState.FOLLOWING.value


async def announce(mongo: Operations, actor_id: str, action: Action, track_id: str | None, at_ms: int) -> None:
    """Store an activity and let the follows of its actor know."""
    record = {
        "_id": new_object_id(),
        "actor_id": actor_id,
        "action": action.value,
        "track_id": track_id,
        "created_ms": at_ms,
    }
    actor = await mongo.replace(ProfileDocument, {"_id": actor_id}, LOCK)
    await mongo.insert(ActivityDocument, record)
    if actor is not None and actor["stats"]["followers"] <= TOLD_AT_ONCE:
        of_actor = {"following_id": actor_id, "state": FOLLOWING, "newest_ms": {"$lt": at_ms}}
        await mongo.update_all(FollowDocument, of_actor, {"$set": {"newest_ms": at_ms}})
        return
    rise = {"$max": {"newest_ms": at_ms}, "$set": {"after_ms": -1, "after_id": ""}}
    await mongo.replace(RisingDocument, {"_id": actor_id}, rise, upsert=True)


async def newest_of(mongo: Operations, actor_id: str) -> int:
    """Return when someone's newest activity was, 0 without any; their profile must be locked."""
    fields = {"_id": 0, "created_ms": 1}
    rows = await mongo.rows(ActivityDocument, {"actor_id": actor_id}, fields=fields, sort=NEWEST_FIRST, limit=1)
    return int(rows[0]["created_ms"]) if rows else 0


async def spread_some(mongo: Operations) -> bool:
    """Tell some more follows of one rising author; False when nobody is rising."""
    found = await mongo.rows(RisingDocument, {}, sort={"_id": 1}, limit=1)
    if not found:
        return False
    [rising] = found
    where = {"following_id": rising["_id"], "state": FOLLOWING, **newer_than(rising["after_ms"], rising["after_id"])}
    rows = await mongo.rows(FollowDocument, where, fields={"created_ms": 1}, sort=OLDEST_FIRST, limit=STEP)
    if rows:
        await _tell(mongo, rising, rows)
    else:
        await mongo.delete(RisingDocument, {"_id": rising["_id"]})
    return True


async def _tell(mongo: Operations, rising: Row, follows: list[Row]) -> None:
    chosen = {"_id": {"$in": [row["_id"] for row in follows]}, "newest_ms": {"$lt": rising["newest_ms"]}}
    await mongo.update_all(FollowDocument, chosen, {"$set": {"newest_ms": rising["newest_ms"]}})
    done = {"after_ms": follows[-1]["created_ms"], "after_id": follows[-1]["_id"]}
    await mongo.update(RisingDocument, {"_id": rising["_id"]}, {"$set": done})
