"""`Activities` in SQL: the feed is merged when it is read, from those whose news is the newest (see `news.py`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pet.domain.errors import Service
from pet.domain.events import Event, TrackUploaded
from pet.domain.feed import Action, Activity
from pet.domain.follows import FollowState
from pet.domain.ids import EventId, FileId, ObjectId, UserId
from pet.domain.paging import Page, Position
from pet.domain.times import from_milliseconds, to_milliseconds
from pet.domain.viewers import Viewer
from pet.domain.visibility import may_see_whole_feed
from pet.storage.sql.database import Database, Row
from pet.storage.sql.lists import pages_of_each

FIRST_LOOK, NEXT_LOOKS = 22, 100
"""Authors whose activities are looked at together. The first look is enough for a first page: what is newest comes from
those whose news is the newest, and each of them has at least one activity on it, unless it was deleted."""

_FOLLOWING = FollowState.FOLLOWING.value
_OF_USER = "follower_id = ? AND state = ?"
_AUTHORS = f"SELECT following_id, newest_ms, object_id FROM follow WHERE {_OF_USER}"
_BY_NEWS = "ORDER BY newest_ms DESC, object_id DESC"
_IS_PUBLIC = "(SELECT NOT is_private FROM profile WHERE profile.user_id = follow.following_id)"
_STANDING = "(SELECT state FROM follow AS mine WHERE mine.follower_id = ? AND mine.following_id = follow.following_id)"
_NEWEST_FIRST = "ORDER BY created_ms DESC, object_id DESC"

_Visible = tuple[str, list[object]]
"""What an author must meet for a viewer to see them, as a condition, with its values."""


class SqlActivities:
    """Reads the table `activity`."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.SOCIAL)

    async def feed(
        self, user_id: UserId, *, seen_by: Viewer | None, after: Position | None, limit: int
    ) -> Page[Activity]:
        """See `Activities.feed`."""
        visible = _visible_to(seen_by, user_id)
        rising, authors = await self._first_authors(user_id, visible)
        best = await self._newest([*rising, *authors], after, limit + 1, [])
        looked = FIRST_LOOK
        while len(authors) == looked and not (len(best) > limit and best[-1]["created_ms"] > authors[-1]["newest_ms"]):
            looked = NEXT_LOOKS
            authors = await self._next_authors(user_id, visible, authors[-1])
            best = await self._newest(authors, after, limit + 1, best)
        return Page.cut([_from_row(row) for row in best], limit)

    async def find(self, object_id: ObjectId) -> Activity | None:
        """See `Activities.find`."""
        row = await self._db.row("SELECT * FROM activity WHERE object_id = ?", object_id)
        return _from_row(row) if row else None

    async def of_actor(self, user_id: UserId, *, after: Position | None, limit: int) -> Page[Activity]:
        """See `Activities.of_actor`."""
        [rows] = await pages_of_each(
            self._db,
            "SELECT * FROM activity WHERE actor_id = ?",
            [(user_id,)],
            key=("created_ms", "object_id"),
            after=after,
            limit=limit,
        )
        return Page.cut([_from_row(row) for row in rows], limit)

    async def of_events(self, events: Sequence[Event]) -> Mapping[EventId, Activity]:
        """See `Activities.of_events`."""
        if not events:
            return {}
        track = "SELECT * FROM activity WHERE track_id = ?"
        update = "SELECT * FROM activity WHERE actor_id = ? AND created_ms = ? AND action = ?"
        parts, values = list[str](), list[object]()
        for number, event in enumerate(events):
            is_track = isinstance(event, TrackUploaded)
            parts.append(f"SELECT {number} AS part, list.* FROM ({track if is_track else update}) AS list")
            values += [event.file_id] if isinstance(event, TrackUploaded) else _update_of(event)
        rows = await self._db.rows(" UNION ALL ".join(parts), *values)
        return {events[row["part"]].event_id: _from_row(row) for row in rows}

    async def _first_authors(self, user_id: UserId, visible: _Visible) -> tuple[list[Row], list[Row]]:
        """Return those whom a user follows and of whose news the follow may not know yet, seldom any; and the first
        others, by the time that their news is not newer than, descending.
        """
        condition, values = visible
        of_user = [user_id, _FOLLOWING, *values]
        first = f"{_AUTHORS}{condition} {_BY_NEWS} LIMIT ?"
        # One look into an index per rising author: a join may read all follows of the user instead.
        known = f"SELECT object_id FROM follow WHERE {_OF_USER} AND following_id = rising.actor_id{condition}"
        each = f"SELECT actor_id AS following_id, CAST(NULL AS BIGINT) AS newest_ms, ({known}) AS object_id FROM rising"
        rising = f"SELECT * FROM ({each}) AS list WHERE object_id IS NOT NULL"
        rows = await self._db.rows(
            f"SELECT * FROM ({first}) AS list UNION ALL {rising}", *of_user, FIRST_LOOK, *of_user
        )
        authors = [row for row in rows if row["newest_ms"] is not None]
        authors.sort(key=lambda row: (row["newest_ms"], row["object_id"]), reverse=True)
        return [row for row in rows if row["newest_ms"] is None], authors

    async def _next_authors(self, user_id: UserId, visible: _Visible, last: Row) -> list[Row]:
        condition, values = visible
        select = f"{_AUTHORS} AND (newest_ms, object_id) < (?, ?){condition} {_BY_NEWS} LIMIT ?"
        position = (last["newest_ms"], last["object_id"])
        return await self._db.rows(select, user_id, _FOLLOWING, *position, *values, NEXT_LOOKS)

    async def _newest(
        self, authors: Sequence[Row], after: Position | None, wanted: int, known: Sequence[Row]
    ) -> list[Row]:
        """Return the newest of what is known and of what some authors did, in one round trip for 100 of them."""
        ids = list(dict.fromkeys(author["following_id"] for author in authors))
        best = list(known)
        for start in range(0, len(ids), NEXT_LOOKS):
            best = await self._merged(ids[start : start + NEXT_LOOKS], after, wanted, best)
        return best

    async def _merged(self, ids: Sequence[str], after: Position | None, wanted: int, known: list[Row]) -> list[Row]:
        older = " AND (created_ms, object_id) < (?, ?)" if after else ""
        position = (to_milliseconds(after.at), after.id) if after else ()
        # Each author's part is a range of one index, cut at the number wanted.
        part = f"SELECT * FROM (SELECT * FROM activity WHERE actor_id = ?{older} {_NEWEST_FIRST} LIMIT ?) AS part"
        parts = " UNION ALL ".join([part] * len(ids))
        values = [value for actor_id in ids for value in (actor_id, *position, wanted)]
        found = await self._db.rows(f"SELECT * FROM ({parts}) AS parts {_NEWEST_FIRST} LIMIT ?", *values, wanted)
        both = {row["object_id"]: row for row in (*known, *found)}
        return sorted(both.values(), key=lambda row: (row["created_ms"], row["object_id"]), reverse=True)[:wanted]


def _update_of(event: Event) -> list[object]:
    return [event.user_id, to_milliseconds(event.occurred_at), Action.PROFILE_UPDATED.value]


def _visible_to(viewer: Viewer | None, user_id: UserId) -> _Visible:
    """Return what the authors in a user's feed must meet for a viewer to see them, with its values.

    It is `may_see_all` in the words of SQL. Each condition is one look into an index: for an EXISTS or an IN PostgreSQL
    may prefer to read the whole table once.
    """
    if may_see_whole_feed(viewer, user_id):
        return "", []
    if viewer is None:
        return f" AND {_IS_PUBLIC}", []
    not_kept_out = f"coalesce({_STANDING}, '') <> ?"
    condition = f" AND (({_IS_PUBLIC} AND {not_kept_out}) OR following_id = ? OR {_STANDING} = ?)"
    return condition, [viewer.user_id, FollowState.BLOCKED.value, viewer.user_id, viewer.user_id, _FOLLOWING]


def _from_row(row: Row) -> Activity:
    return Activity(
        object_id=ObjectId(row["object_id"]),
        actor_id=UserId(row["actor_id"]),
        action=Action(row["action"]),
        track_id=FileId(row["track_id"]) if row["track_id"] else None,
        created_at=from_milliseconds(row["created_ms"]),
    )
