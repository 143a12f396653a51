"""The feed: what those whom one follows have done, newest first. `live_feed.py` tells it as it happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from pet.domain.events import Event
from pet.domain.ids import EventId, FileId, ObjectId, UserId
from pet.domain.paging import Page, Position
from pet.domain.viewers import Viewer
from pet.domain.visibility import Visibility

MERGE_WINDOW = timedelta(hours=1)
"""Profile updates of one person that follow each other within this time are one activity."""


class Action(StrEnum):
    """What someone did."""

    TRACK_PUBLISHED = "track_published"
    PROFILE_UPDATED = "profile_updated"


@dataclass(frozen=True, slots=True)
class Activity:
    """Something that someone did; `track_id` belongs to `track_published` alone."""

    object_id: ObjectId
    actor_id: UserId
    action: Action
    track_id: FileId | None
    created_at: datetime


class Activities(Protocol):
    """Keeps activities; they are written by `Projections`."""

    async def feed(
        self, user_id: UserId, *, seen_by: Viewer | None, after: Position | None, limit: int
    ) -> Page[Activity]:
        """Return what those whom a user follows did, as far as the viewer may see it, newest first.

        Equal times by id, descending. Whoever `visibility.may_see_whole_feed` sees it whole; others what those did who
        are seen by `visibility.may_see_all`.
        """

    async def find(self, object_id: ObjectId) -> Activity | None:
        """Return one activity, or None."""

    async def of_actor(self, user_id: UserId, *, after: Position | None, limit: int) -> Page[Activity]:
        """Return what someone did, newest first; equal times by id, descending."""

    async def of_events(self, events: Sequence[Event]) -> Mapping[EventId, Activity]:
        """Return the activities that up to 100 events have caused, as they are now; absent is what is not there, or was
        merged into a later one."""


class FeedService:
    """Reads the feed."""

    def __init__(self, activities: Activities, visibility: Visibility) -> None:
        self._activities = activities
        self._visibility = visibility

    async def page(
        self, user_id: UserId, *, seen_by: Viewer | None, after: Position | None, limit: int
    ) -> Page[Activity]:
        """Return a user's feed, as far as the viewer may see it.

        Whom a private profile follows is not shown to others.
        """
        if not await self._visibility.may_see(seen_by, user_id):
            return Page(items=[], has_next=False)
        return await self._activities.feed(user_id, seen_by=seen_by, after=after, limit=limit)

    async def find(self, viewer: Viewer | None, object_id: ObjectId) -> Activity | None:
        """Return an activity that the viewer may see, or None."""
        activity = await self._activities.find(object_id)
        if activity is None or not await self._visibility.may_see(viewer, activity.actor_id):
            return None
        return activity
