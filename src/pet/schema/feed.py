"""The feed: what those whom the viewer follows have done, read in pages or heard as it happens."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from enum import Enum
from time import monotonic
from typing import Annotated

import strawberry

from pet.domain.feed import Action
from pet.domain.feed import Activity as ActivityEntity
from pet.domain.files import MediaFile as FileEntity
from pet.domain.ids import UserId
from pet.domain.listeners import SessionEnded
from pet.domain.live_feed import Ear
from pet.domain.paging import Page, Position
from pet.domain.visibility import ProfileView
from pet.schema.call import Info
from pet.schema.connections import After, Cursor, First, PageInfo, asked, cursors, page_info
from pet.schema.files import Track
from pet.schema.interfaces import Node
from pet.schema.profiles import Profile
from pet.schema.scalars import global_id
from pet.schema.streams import until

FEED = "feed"

FRESH_SECONDS = 0.5
"""For this long a batch is handed out as it was when it was looked at: then who may see it is asked again."""

Resumed = Annotated[
    str | None,
    strawberry.argument(
        description="The `cursor` of the last activity heard: what was delivered since comes first. Without it: from"
        " now on."
    ),
]


@strawberry.enum(name="ActivityAction", description="What someone did.")
class ActionName(Enum):
    """Actions, spelt as the legacy routes spell them."""

    track_published = strawberry.enum_value("track_published", description="Published a track.")
    profile_updated = strawberry.enum_value(
        "profile_updated", description="Changed what others read of the profile; changes within an hour are one."
    )


@strawberry.interface(description="Something that someone did.")
class Activity(Node):
    """An activity with everything that is needed to show it, already loaded."""

    entity: strawberry.Private[ActivityEntity]
    view: strawberry.Private[ProfileView]
    going_on: strawberry.Private[Callable[[], str] | None] = None
    """Gives the cursor of what a subscription hands out; it is asked before the subscription goes on."""

    def global_id(self) -> strawberry.ID:
        """Return the global id."""
        return global_id("Activity", self.entity.object_id)

    @strawberry.field(description="What was done.")
    def action(self) -> ActionName:
        return ActionName(self.entity.action.value)

    @strawberry.field(description="When it was done.")
    def created_at(self) -> datetime:
        return self.entity.created_at

    @strawberry.field(description="Who did it.")
    def actor(self) -> Profile:
        return Profile(view=self.view)

    @strawberry.field(
        description="Where `feedActivity(after:)` goes on after this. Null but in what `feedActivity` hands out."
    )
    def cursor(self) -> str | None:
        return self.going_on() if self.going_on else None


@strawberry.type(description="Someone published a track.")
class TrackPublished(Activity):
    """Someone published a track."""

    file: strawberry.Private[FileEntity]

    @strawberry.field(description="The track; a deleted track leaves every feed.")
    def track(self) -> Track:
        return Track(entity=self.file, view=self.view)


@strawberry.type(description="Someone changed what others read of their profile.")
class ProfileUpdated(Activity):
    """Someone changed their profile."""


@strawberry.type(description="An activity in the feed.")
class ActivityEdge:
    """An activity in the feed."""

    cursor: Cursor = strawberry.field(graphql_type=str, description="The place in the feed.")
    node: Activity = strawberry.field(description="The activity.")


@strawberry.type(description="A page of the feed.")
class ActivityConnection:
    """A page of the feed."""

    edges: list[ActivityEdge] = strawberry.field(description="The activities of this page.")
    page_info: PageInfo = strawberry.field(description="Where the page lies.")


async def feed(info: Info, first: First = None, after: After = None) -> ActivityConnection:
    """Return the viewer's feed, newest first."""
    limit, position = asked(FEED, first, after)
    viewer = info.context.required_viewer
    page = await feed_page(info, viewer.user_id, after=position, limit=limit)
    shown = await activities(info, page.items)
    edges = [
        ActivityEdge(cursor=cursor, node=activity)
        for cursor, activity in zip(cursors(FEED, page, position_of_activity), shown, strict=True)
        if activity
    ]
    return ActivityConnection(edges=edges, page_info=page_info([edge.cursor for edge in edges], page, after=position))


async def feed_activity(info: Info, after: Resumed = None) -> AsyncGenerator[Activity, None]:
    """Yield what those whom the viewer follows do from now on, or since a cursor, until the session ends."""
    viewer, services = info.context.required_viewer, info.context.services
    async with services.listeners.admit(viewer) as ended:
        ear = services.live_feed.listen(viewer, after)
        async with aclosing(until(ended, _heard(info, ear))) as heard:
            async for activity in heard:
                yield activity
        if ended.is_set():
            raise SessionEnded


async def _heard(info: Info, ear: Ear) -> AsyncGenerator[Activity, None]:
    """Yield what an ear hears, and never what the viewer ceased to see while the client was slow to take it."""
    async with aclosing(ear.news()) as batches:
        async for batch in batches:
            rest = batch
            while rest:
                info.context.forget_loaded()
                shown = await activities(info, [news.activity for news in rest])
                looked_at, handed_out = monotonic(), 0
                for news, activity in zip(rest, shown, strict=True):
                    if handed_out and monotonic() - looked_at > FRESH_SECONDS:
                        break
                    handed_out += 1
                    if activity:
                        ear.hand_out(news)
                        activity.going_on = ear.cursor
                        yield activity
                rest = await ear.still_to_tell(rest[handed_out:])


async def feed_page(info: Info, user_id: UserId, *, after: Position | None, limit: int) -> Page[ActivityEntity]:
    """Return a page of someone's feed as far as the viewer may see it."""
    return await info.context.services.feed.page(user_id, seen_by=info.context.viewer, after=after, limit=limit)


async def activities(info: Info, entities: Sequence[ActivityEntity]) -> list[Activity | None]:
    """Load what is needed to show activities, in their order; None for what is just being deleted or hidden."""
    loaders = info.context.loaders
    views = await loaders.profile.load_many([entity.actor_id for entity in entities])
    track_ids = [entity.track_id for entity in entities if entity.track_id]
    tracks = dict(zip(track_ids, await loaders.file.load_many(track_ids), strict=True))
    return [
        _shown(entity, view, tracks.get(entity.track_id) if entity.track_id else None)
        for entity, view in zip(entities, views, strict=True)
    ]


def position_of_activity(activity: ActivityEntity) -> Position:
    """Return where an activity stands in feeds."""
    return Position(at=activity.created_at, id=activity.object_id)


def _shown(entity: ActivityEntity, view: ProfileView | None, file: FileEntity | None) -> Activity | None:
    if view is None or not view.is_full:
        return None
    if entity.action is Action.PROFILE_UPDATED:
        return ProfileUpdated(entity=entity, view=view)
    return TrackPublished(entity=entity, view=view, file=file) if file else None
