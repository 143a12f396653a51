"""Following, unfollowing, and the requests that private profiles answer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from pet.domain.errors import Invalid
from pet.domain.follows import Follow as FollowEntity
from pet.domain.follows import FollowList, FollowState
from pet.domain.ids import UserId, parse_uuid
from pet.domain.visibility import may_see_follow
from pet.schema.call import Info
from pet.schema.connections import After, Cursor, First, PageInfo, asked, cursors, page_info
from pet.schema.errors import Payload
from pet.schema.profile_parts import FollowStateName
from pet.schema.profiles import Profile, changed_profile, people_of, position_of_follow

_ID = "The `userId` of the REST routes."
UserIdArgument = Annotated[strawberry.ID, strawberry.argument(description=_ID)]


@strawberry.type(description="A follow, or a request to follow.")
class Follow:
    """A follow, or a request to follow."""

    entity: strawberry.Private[FollowEntity]

    @strawberry.field(description="Who follows.")
    def follower_id(self) -> strawberry.ID:
        return strawberry.ID(self.entity.follower_id)

    @strawberry.field(description="Who is followed.")
    def following_id(self) -> strawberry.ID:
        return strawberry.ID(self.entity.following_id)

    @strawberry.field(description="PENDING until the owner of a private profile accepts, else FOLLOWING.")
    def state(self) -> FollowStateName:
        return FollowStateName.of(self.entity.state)

    @strawberry.field(description="When the follow was made or asked for.")
    def created_at(self) -> datetime:
        return self.entity.created_at


@strawberry.type(description="A request to follow that waits for an answer.")
class FollowRequestEdge:
    """A request to follow that waits for an answer."""

    cursor: Cursor = strawberry.field(graphql_type=str, description="The place in the list.")
    created_at: datetime = strawberry.field(description="When it was asked.")
    node: Profile = strawberry.field(description="The person on the other side: who asks, or who was asked.")


@strawberry.type(description="A page of requests to follow.")
class FollowRequestConnection:
    """A page of requests to follow."""

    edges: list[FollowRequestEdge] = strawberry.field(description="The requests of this page.")
    page_info: PageInfo = strawberry.field(description="Where the page lies.")


@strawberry.type(description="The follow, or the mistakes.")
class FollowPayload(Payload):
    """The result of `follow`."""

    follow: Follow | None = strawberry.field(default=None, description="The follow; the first one, if it was there.")
    profile: Profile | None = strawberry.field(default=None, description="The followed person, with the new counters.")


@strawberry.type(description="The person no longer followed, or the mistakes.")
class UnfollowPayload(Payload):
    """The result of `unfollow`."""

    profile: Profile | None = strawberry.field(default=None, description="The person, with the new counters.")


@strawberry.type(description="The accepted follow, or the mistakes.")
class AcceptFollowPayload(Payload):
    """The result of `acceptFollow`."""

    follow: Follow | None = strawberry.field(default=None, description="The follow, now FOLLOWING.")


@strawberry.type(description="Whether the request is gone, or the mistakes.")
class DeclineFollowPayload(Payload):
    """The result of `declineFollow`."""

    success: bool = strawberry.field(default=False, description="Whether the request is gone.")


async def follow(info: Info, user_id: UserIdArgument) -> FollowPayload:
    """Follow someone, or ask to; doing so again gives the first follow."""
    followed = required_user_id(user_id)
    entity = await info.context.services.follows.follow(info.context.required_viewer, followed)
    return FollowPayload(follow=Follow(entity=entity), profile=await changed_profile(info, followed))


async def unfollow(info: Info, user_id: UserIdArgument) -> UnfollowPayload:
    """Follow someone no longer, or withdraw the request; doing so again changes nothing."""
    followed = required_user_id(user_id)
    viewer = info.context.required_viewer
    await info.context.services.follows.unfollow(viewer, followed)
    return UnfollowPayload(profile=await changed_profile(info, followed))


async def accept_follow(info: Info, follower_id: UserIdArgument) -> AcceptFollowPayload:
    """Let someone in who asked to follow the viewer."""
    viewer = info.context.required_viewer
    entity = await info.context.services.follows.accept(viewer, required_user_id(follower_id, field="followerId"))
    return AcceptFollowPayload(follow=Follow(entity=entity))


async def decline_follow(info: Info, follower_id: UserIdArgument) -> DeclineFollowPayload:
    """Refuse someone who asked to follow the viewer."""
    viewer = info.context.required_viewer
    await info.context.services.follows.decline(viewer, required_user_id(follower_id, field="followerId"))
    return DeclineFollowPayload(success=True)


async def is_following(info: Info, follower_id: UserIdArgument, following_id: UserIdArgument) -> bool:
    """Tell whether one follows the other: one of their two lists must be open to the viewer."""
    follower, followed = parse_uuid(follower_id), parse_uuid(following_id)
    if follower is None or followed is None:
        return False
    views = await info.context.loaders.profile.load_many([UserId(follower), UserId(followed)])
    if not may_see_follow(*views):
        return False
    states = await info.context.services.follows.states(UserId(follower), [UserId(followed)])
    return states.get(UserId(followed)) is FollowState.FOLLOWING


async def follow_requests(
    info: Info, user_id: UserId, which: FollowList, first: First, after: After
) -> FollowRequestConnection:
    """Return the requests that wait for someone's answer or that someone has sent, the newest first."""
    limit, position = asked(which.value, first, after)
    page = await info.context.loaders.follows.load(user_id, which, after=position, limit=limit)
    others = await people_of(info, which, page)
    edges = [
        FollowRequestEdge(cursor=cursor, created_at=request.created_at, node=other)
        for cursor, request, other in zip(
            cursors(which.value, page, position_of_follow), page.items, others, strict=True
        )
        if other
    ]
    return FollowRequestConnection(
        edges=edges, page_info=page_info([edge.cursor for edge in edges], page, after=position)
    )


def required_user_id(text: str, *, field: str = "userId") -> UserId:
    """Return a user id.

    Raises:
        Invalid: the text is no UUID.
    """
    found = parse_uuid(text)
    if found is None:
        raise Invalid(f"{field} must be a UUID.", field=field)
    return UserId(found)
