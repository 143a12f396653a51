"""`Activities` in MongoDB: the feed is merged when it is read, from the activities of those whom one follows."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import merge
from itertools import islice

from pet.domain.errors import Service
from pet.domain.events import Event, TrackUploaded
from pet.domain.feed import Action, Activity
from pet.domain.follows import FollowState
from pet.domain.ids import FileId, ObjectId, UserId
from pet.domain.paging import Page, Position
from pet.domain.times import from_milliseconds, to_milliseconds
from pet.domain.viewers import Viewer
from pet.storage.mongo.database import Database, Operations, Row
from pet.storage.mongo.documents import ActivityDocument, FollowDocument, ProfileDocument
from pet.storage.mongo.lists import pages_of_each

GROUP = 100
"""Followees whose activities MongoDB merges in the index's order: with more than 200 values it would sort them all."""

GROUPS = 50
"""Groups that are read in one round trip."""


class MongoActivities:
    """Reads the collection `activities`."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.SOCIAL)

    async def feed(
        self, user_id: UserId, *, seen_by: Viewer | None, after: Position | None, limit: int
    ) -> Page[Activity]:
        """See `Activities.feed`."""

        async def work(mongo: Operations) -> list[Row]:
            actors = await _followees(mongo, user_id)
            if not _sees_everything(seen_by, user_id):
                hidden = await _hidden(mongo, actors, seen_by)
                actors = [actor for actor in actors if actor not in hidden]
            return await _newest(mongo, actors, after, limit)

        return Page.cut([_from_row(row) for row in await self._db.snapshot(work)], limit)

    async def find(self, object_id: ObjectId) -> Activity | None:
        """See `Activities.find`."""
        row = await self._db.run(lambda mongo: mongo.row(ActivityDocument, {"_id": object_id}))
        return _from_row(row) if row else None

    async def of_event(self, event: Event) -> Activity | None:
        """See `Activities.of_event`."""
        where: Row = {"track_id": event.file_id} if isinstance(event, TrackUploaded) else _update_of(event)
        row = await self._db.run(lambda mongo: mongo.row(ActivityDocument, where))
        return _from_row(row) if row else None


async def _followees(mongo: Operations, user_id: str, among: Sequence[str] | None = None) -> list[str]:
    where: Row = {"follower_id": user_id, "state": FollowState.FOLLOWING.value}
    if among is not None:
        where["following_id"] = {"$in": among}
    rows = await mongo.rows(FollowDocument, where, fields={"_id": 0, "following_id": 1})
    return [row["following_id"] for row in rows]


async def _hidden(mongo: Operations, actors: Sequence[str], viewer: Viewer | None) -> set[str]:
    """Return those whose activities the viewer may not see: private ones, and those who are gone."""
    where = {"_id": {"$in": actors}, "preferences.private_profile": False}
    public = {row["_id"] for row in await mongo.rows(ProfileDocument, where, fields={"_id": 1})}
    others = [actor for actor in actors if actor not in public]
    let_in = {viewer.user_id, *await _followees(mongo, viewer.user_id, others)} if viewer and others else set()
    return set(others) - let_in


async def _newest(mongo: Operations, actors: Sequence[str], after: Position | None, limit: int) -> list[Row]:
    """Return the newest `limit + 1` activities of any number of people."""
    groups = [{"actor_id": {"$in": actors[start : start + GROUP]}} for start in range(0, len(actors), GROUP)]
    newest: list[Row] = []
    for start in range(0, len(groups), GROUPS):
        found = await pages_of_each(mongo, ActivityDocument, groups[start : start + GROUPS], after=after, limit=limit)
        merged = merge(newest, *found, key=lambda row: (row["created_ms"], row["_id"]), reverse=True)
        newest = list(islice(merged, limit + 1))
    return newest


def _update_of(event: Event) -> Row:
    moment = to_milliseconds(event.occurred_at)
    return {"actor_id": event.user_id, "created_ms": moment, "action": Action.PROFILE_UPDATED.value}


def _sees_everything(viewer: Viewer | None, user_id: UserId) -> bool:
    """Whoever follows has been let in by everyone whom they follow."""
    return viewer is not None and (viewer.user_id == user_id or viewer.is_admin)


def _from_row(row: Row) -> Activity:
    return Activity(
        object_id=ObjectId(row["_id"]),
        actor_id=UserId(row["actor_id"]),
        action=Action(row["action"]),
        track_id=FileId(row["track_id"]) if row["track_id"] else None,
        created_at=from_milliseconds(row["created_ms"]),
    )
