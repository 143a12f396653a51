"""Any object by its global id."""

from __future__ import annotations

from typing import Annotated

import strawberry

from pet.domain.ids import ObjectId, UserId, parse_uuid
from pet.schema.call import Info
from pet.schema.feed import Activity, activities
from pet.schema.files import Track, track
from pet.schema.interfaces import Node
from pet.schema.profiles import Profile
from pet.schema.scalars import parse_global_id


async def node(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="An `id` that this API returned.")]
) -> Node | None:
    """Return the object that the viewer may see, or None."""
    match parse_global_id(id):
        case ("Profile", user_id):
            return await _profile(info, user_id)
        case ("Track", file_id):
            found: Track | None = await track(info, strawberry.ID(file_id))
            return found
        case ("Activity", object_id):
            return await _activity(info, object_id)
        case _:
            return None


async def _profile(info: Info, user_id: str) -> Profile | None:
    found = parse_uuid(user_id)
    view = await info.context.loaders.profile.load(UserId(found)) if found else None
    return Profile(view=view) if view else None


async def _activity(info: Info, object_id: str) -> Activity | None:
    entity = await info.context.services.feed.find(info.context.viewer, ObjectId(object_id))
    return (await activities(info, [entity]))[0] if entity else None
