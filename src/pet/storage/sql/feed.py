"""`Activities` in SQL: the feed is merged when it is read, from the activities of those whom one follows."""

from __future__ import annotations

from pet.domain.errors import Service
from pet.domain.events import Event, TrackUploaded
from pet.domain.feed import Action, Activity
from pet.domain.follows import FollowState
from pet.domain.ids import FileId, ObjectId, UserId
from pet.domain.paging import Page, Position
from pet.domain.times import from_milliseconds, to_milliseconds
from pet.domain.viewers import Viewer
from pet.storage.sql.database import Database, Row

_FOLLOWEES = "SELECT following_id FROM follow WHERE follower_id = ? AND state = ?"


class SqlActivities:
    """Reads the table `activity`."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.SOCIAL)

    async def feed(
        self, user_id: UserId, *, seen_by: Viewer | None, after: Position | None, limit: int
    ) -> Page[Activity]:
        """See `Activities.feed`."""
        conditions = [f"actor_id IN ({_FOLLOWEES})"]
        values: list[object] = [user_id, FollowState.FOLLOWING.value]
        if not _sees_everything(seen_by, user_id):
            visible = "SELECT user_id FROM profile WHERE user_id = actor_id AND NOT is_private"
            conditions.append(f"(EXISTS ({visible}) OR actor_id = ? OR actor_id IN ({_FOLLOWEES}))")
            viewer_id = seen_by.user_id if seen_by else ""
            values += [viewer_id, viewer_id, FollowState.FOLLOWING.value]
        if after:
            conditions.append("(created_ms, object_id) < (?, ?)")
            values += [to_milliseconds(after.at), after.id]
        select = (
            f"SELECT * FROM activity WHERE {' AND '.join(conditions)} ORDER BY created_ms DESC, object_id DESC LIMIT ?"
        )
        rows = await self._db.rows(select, *values, limit + 1)
        return Page.cut([_from_row(row) for row in rows], limit)

    async def find(self, object_id: ObjectId) -> Activity | None:
        """See `Activities.find`."""
        row = await self._db.row("SELECT * FROM activity WHERE object_id = ?", object_id)
        return _from_row(row) if row else None

    async def of_event(self, event: Event) -> Activity | None:
        """See `Activities.of_event`."""
        if isinstance(event, TrackUploaded):
            row = await self._db.row("SELECT * FROM activity WHERE track_id = ?", event.file_id)
        else:
            select = "SELECT * FROM activity WHERE actor_id = ? AND created_ms = ? AND action = ?"
            moment = to_milliseconds(event.occurred_at)
            row = await self._db.row(select, event.user_id, moment, Action.PROFILE_UPDATED.value)
        return _from_row(row) if row else None


def _sees_everything(viewer: Viewer | None, user_id: UserId) -> bool:
    """Whoever follows has been let in by everyone whom they follow."""
    return viewer is not None and (viewer.user_id == user_id or viewer.is_admin)


def _from_row(row: Row) -> Activity:
    return Activity(
        object_id=ObjectId(row["object_id"]),
        actor_id=UserId(row["actor_id"]),
        action=Action(row["action"]),
        track_id=FileId(row["track_id"]) if row["track_id"] else None,
        created_at=from_milliseconds(row["created_ms"]),
    )
