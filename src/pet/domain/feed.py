"""The feed: what those whom one follows have done, newest first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from pet.domain.broadcast import Broadcast
from pet.domain.events import Event, TrackUploaded, UserUpdated
from pet.domain.follows import FollowService, FollowState
from pet.domain.ids import FileId, ObjectId, UserId
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

        Equal times by id, descending.
        """

    async def find(self, object_id: ObjectId) -> Activity | None:
        """Return one activity, or None."""

    async def of_event(self, event: Event) -> Activity | None:
        """Return the activity that an event has caused, as it is now, or None."""


class FeedService:
    """Reads the feed, and listens to it."""

    def __init__(
        self, activities: Activities, follows: FollowService, visibility: Visibility, broadcast: Broadcast[Event]
    ) -> None:
        self._activities = activities
        self._follows = follows
        self._visibility = visibility
        self._broadcast = broadcast

    async def page(
        self, user_id: UserId, *, seen_by: Viewer | None, after: Position | None, limit: int
    ) -> Page[Activity]:
        """Return a user's feed, as far as the viewer may see it.

        Whom a private profile follows is not shown to others.
        """
        is_own = seen_by is not None and seen_by.user_id == user_id
        if not is_own and not await self._visibility.may_see(seen_by, user_id):
            return Page(items=[], has_next=False)
        return await self._activities.feed(user_id, seen_by=seen_by, after=after, limit=limit)

    async def find(self, viewer: Viewer | None, object_id: ObjectId) -> Activity | None:
        """Return an activity that the viewer may see, or None."""
        activity = await self._activities.find(object_id)
        if activity is None or not await self._visibility.may_see(viewer, activity.actor_id):
            return None
        return activity

    async def live(self, viewer: Viewer) -> AsyncIterator[Activity]:
        """Yield what those whom the viewer follows do from now on, as it happens.

        Raises:
            SlowSubscriber: the listener fell too far behind.
        """
        async with self._broadcast.subscribe() as events:
            async for event in events:
                if not isinstance(event, TrackUploaded | UserUpdated):
                    continue
                states = await self._follows.states(viewer.user_id, [event.user_id])
                activity = await self._activities.of_event(event)
                if activity and states.get(event.user_id) is FollowState.FOLLOWING:
                    yield activity
