"""Blocking and unblocking people, and the list of those whom the viewer has blocked."""

from __future__ import annotations

from datetime import datetime

import strawberry

from pet.domain.follows import FollowList
from pet.schema.call import Info
from pet.schema.connections import After, Cursor, First, PageInfo, asked, cursors, page_info
from pet.schema.errors import Payload
from pet.schema.follows import UserIdArgument, required_user_id
from pet.schema.profiles import Profile, changed_profile, people_of, position_of_follow


@strawberry.type(description="Someone whom the viewer has blocked.")
class BlockEdge:
    """Someone whom the viewer has blocked."""

    cursor: Cursor = strawberry.field(graphql_type=str, description="The place in the list.")
    blocked_at: datetime = strawberry.field(description="When the block was made.")
    node: Profile = strawberry.field(description="Who is blocked.")


@strawberry.type(description="A page of those whom the viewer has blocked.")
class BlockConnection:
    """A page of those whom the viewer has blocked."""

    edges: list[BlockEdge] = strawberry.field(description="The blocked people of this page.")
    page_info: PageInfo = strawberry.field(description="Where the page lies.")


@strawberry.type(description="The blocked person, or the mistakes.")
class BlockPayload(Payload):
    """The result of `block`."""

    profile: Profile | None = strawberry.field(default=None, description="Who is blocked, with the new counters.")


@strawberry.type(description="The person who is blocked no longer, or the mistakes.")
class UnblockPayload(Payload):
    """The result of `unblock`."""

    profile: Profile | None = strawberry.field(default=None, description="Who is blocked no longer.")


async def block(info: Info, user_id: UserIdArgument) -> BlockPayload:
    """Keep someone out; doing so again changes nothing."""
    blocked = required_user_id(user_id)
    await info.context.services.blocks.block(info.context.required_viewer, blocked)
    return BlockPayload(profile=await changed_profile(info, blocked))


async def unblock(info: Info, user_id: UserIdArgument) -> UnblockPayload:
    """Keep someone out no longer; doing so again changes nothing."""
    blocked = required_user_id(user_id)
    await info.context.services.blocks.unblock(info.context.required_viewer, blocked)
    return UnblockPayload(profile=await changed_profile(info, blocked))


async def blocks(info: Info, first: First = None, after: After = None) -> BlockConnection:
    """Return whom the viewer has blocked, the newest first."""
    which, viewer = FollowList.BLOCKS, info.context.required_viewer
    limit, position = asked(which.value, first, after)
    page = await info.context.loaders.follows.load(viewer.user_id, which, after=position, limit=limit)
    people = await people_of(info, which, page)
    edges = [
        BlockEdge(cursor=cursor, blocked_at=kept.created_at, node=person)
        for cursor, kept, person in zip(cursors(which.value, page, position_of_follow), page.items, people, strict=True)
        if person
    ]
    return BlockConnection(edges=edges, page_info=page_info([edge.cursor for edge in edges], page, after=position))
