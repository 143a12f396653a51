"""`Activities` in MongoDB: the feed is merged when it is read, from those whose news is the newest (see `news.py`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from beanie import Document

from pet.domain.errors import Service
from pet.domain.events import Event, TrackUploaded
from pet.domain.feed import Action, Activity
from pet.domain.follows import FollowState
from pet.domain.ids import EventId, FileId, ObjectId, UserId
from pet.domain.paging import Page, Position
from pet.domain.times import from_milliseconds, to_milliseconds
from pet.domain.viewers import Viewer
from pet.domain.visibility import may_see_whole_feed
from pet.storage.mongo.database import Database
from pet.storage.mongo.documents import ActivityDocument, FollowDocument, ProfileDocument, RisingDocument
from pet.storage.mongo.lists import NEWEST_FIRST, older_than, up_to
from pet.storage.mongo.news import FOLLOWING
from pet.storage.mongo.operations import Filter, Operations, Row

FIRST_LOOK, NEXT_LOOKS = 22, 100
"""Authors whose activities are looked at together. The first look is enough for a first page: what is newest comes from
those whose news is the newest, and each of them has at least one activity on it, unless it was deleted. MongoDB merges
the activities of 200 authors at most in the order of their index; of more it would sort them all."""

_BY_NEWS = {"newest_ms": -1, "_id": -1}


class MongoActivities:
    """Reads the collection `activities`."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.SOCIAL)

    async def feed(
        self, user_id: UserId, *, seen_by: Viewer | None, after: Position | None, limit: int
    ) -> Page[Activity]:
        """See `Activities.feed`."""
        visible = _visible_to(seen_by, user_id)

        async def work(mongo: Operations) -> list[Row]:
            rising = await _rising_authors(mongo, user_id, visible)
            authors = await _authors(mongo, user_id, visible, FIRST_LOOK)
            best = await _newest(mongo, [*rising, *authors], after, limit + 1, [])
            looked = FIRST_LOOK
            while len(authors) == looked and not _is_settled(best, limit, authors[-1]):
                looked = NEXT_LOOKS
                authors = await _authors(mongo, user_id, visible, looked, authors[-1])
                best = await _newest(mongo, authors, after, limit + 1, best)
            return best

        return Page.cut([_from_row(row) for row in await self._db.snapshot(work)], limit)

    async def find(self, object_id: ObjectId) -> Activity | None:
        """See `Activities.find`."""
        row = await self._db.run(lambda mongo: mongo.row(ActivityDocument, {"_id": object_id}))
        return _from_row(row) if row else None

    async def of_actor(self, user_id: UserId, *, after: Position | None, limit: int) -> Page[Activity]:
        """See `Activities.of_actor`."""
        author = [{"following_id": user_id}]
        rows = await self._db.run(lambda mongo: _newest(mongo, author, after, limit + 1, []))
        return Page.cut([_from_row(row) for row in rows], limit)

    async def of_events(self, events: Sequence[Event]) -> Mapping[EventId, Activity]:
        """See `Activities.of_events`."""
        if not events:
            return {}
        where: Row = {"$or": [_caused_by(event) for event in events]}
        rows = await self._db.run(lambda mongo: mongo.rows(ActivityDocument, where))
        found = {frozenset(_cause_of(row).items()): _from_row(row) for row in rows}
        keys = {event.event_id: frozenset(_caused_by(event).items()) for event in events}
        return {event_id: found[key] for event_id, key in keys.items() if key in found}


async def _rising_authors(mongo: Operations, user_id: UserId, visible: Sequence[Filter]) -> list[Row]:
    """Return those whom a user follows and of whose news the follow may not know yet; seldom any."""
    rising = [row["_id"] for row in await mongo.rows(RisingDocument, {}, fields={"_id": 1})]
    if not rising:
        return []
    known = {"follower_id": user_id, "following_id": {"$in": rising}, "state": FOLLOWING}
    return await mongo.aggregate(FollowDocument, [{"$match": known}, *visible])


async def _authors(
    mongo: Operations, user_id: UserId, visible: Sequence[Filter], limit: int, last: Row | None = None
) -> list[Row]:
    """Return those whom a user follows, by the time that their news is not newer than, descending."""
    of_user: Row = {"follower_id": user_id, "state": FOLLOWING}
    if last:
        at = last["newest_ms"]
        of_user |= {"newest_ms": up_to(at), "$or": [{"newest_ms": {"$lt": at}}, {"_id": {"$lt": last["_id"]}}]}
    pipeline = [{"$match": of_user}, {"$sort": _BY_NEWS}, *visible, {"$limit": limit}]
    return await mongo.aggregate(FollowDocument, pipeline, batch=limit)


def _is_settled(best: Sequence[Row], limit: int, last_author: Row) -> bool:
    """Tell whether a page is full of what is newer than all that further authors may have done."""
    return len(best) > limit and bool(best[-1]["created_ms"] > last_author["newest_ms"])


async def _newest(
    mongo: Operations, authors: Sequence[Row], after: Position | None, wanted: int, known: Sequence[Row]
) -> list[Row]:
    """Return the newest of what is known and of what some authors did, in one round trip for 100 of them."""
    ids = list(dict.fromkeys(author["following_id"] for author in authors))
    best = {row["_id"]: row for row in known}
    for start in range(0, len(ids), NEXT_LOOKS):
        where = {"actor_id": {"$in": ids[start : start + NEXT_LOOKS]}, **older_than(after)}
        rows = await mongo.rows(ActivityDocument, where, sort=NEWEST_FIRST, limit=wanted)
        best |= {row["_id"]: row for row in rows}
    return sorted(best.values(), key=lambda row: (row["created_ms"], row["_id"]), reverse=True)[:wanted]


def _visible_to(viewer: Viewer | None, user_id: UserId) -> Sequence[Filter]:
    """Return the stages that leave, of the follows of a user, those whose authors a viewer may see.

    They are `may_see_all` in the words of MongoDB.
    """
    if may_see_whole_feed(viewer, user_id):
        return []
    public = _joined(ProfileDocument, "_id", {"preferences.private_profile": False}, "public")
    if viewer is None:
        return [public, {"$match": {"public": {"$ne": []}}}]
    standing = _joined(FollowDocument, "following_id", {"follower_id": viewer.user_id}, "standing")
    is_seen = [
        {"public": {"$ne": []}, "standing.state": {"$ne": FollowState.BLOCKED.value}},
        {"standing.state": FOLLOWING},
        {"following_id": viewer.user_id},
    ]
    return [public, standing, {"$match": {"$or": is_seen}}]


def _joined(of: type[Document], field: str, where: Filter, name: str) -> Filter:
    """Return the stage that looks an author up, by an index."""
    pipeline = [{"$match": where}, {"$limit": 1}, {"$project": {"_id": 1, "state": 1}}]
    collection = of.get_collection_name()
    return {
        "$lookup": {
            "from": collection,
            "localField": "following_id",
            "foreignField": field,
            "pipeline": pipeline,
            "as": name,
        }
    }


def _caused_by(event: Event) -> Row:
    """Return what the activity that an event has caused is found by, in an index."""
    if isinstance(event, TrackUploaded):
        return {"track_id": event.file_id}
    moment = to_milliseconds(event.occurred_at)
    return {"actor_id": event.user_id, "created_ms": moment, "action": Action.PROFILE_UPDATED.value}


def _cause_of(row: Row) -> Row:
    """Return what an activity is found by when its event is known."""
    if row["track_id"]:
        return {"track_id": row["track_id"]}
    return {name: row[name] for name in ("actor_id", "created_ms", "action")}


def _from_row(row: Row) -> Activity:
    return Activity(
        object_id=ObjectId(row["_id"]),
        actor_id=UserId(row["actor_id"]),
        action=Action(row["action"]),
        track_id=FileId(row["track_id"]) if row["track_id"] else None,
        created_at=from_milliseconds(row["created_ms"]),
    )
