"""One's own page as somebody else sees it."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import strawberry

from pet.domain.ids import UserId, parse_uuid
from pet.schema.call import Info
from pet.schema.profiles import Profile


@strawberry.enum(description="Somebody without an account of their own.")
class OnlookerKind(Enum):
    """Those who look without being a user."""

    ANONYMOUS = strawberry.enum_value("anonymous", description="Whoever is not logged in.")


@strawberry.input(one_of=True, description="Who looks: exactly one of the two.")
class Onlooker:
    """Whose eyes to look through."""

    user_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="A person's `userId`.")
    kind: OnlookerKind | None = strawberry.field(default=strawberry.UNSET, description="Nobody in particular.")


OnlookerArgument = Annotated[Onlooker, strawberry.argument(name="as", description="Whose eyes to look through.")]


async def view_as(info: Info, onlooker: OnlookerArgument) -> Profile | None:
    """Return the viewer's own profile as somebody else sees it, or None where there is no such person.

    Links are signed for the viewer, lest a play counts as the other's; people beyond the profile are shown as the
    viewer sees them, lest the other's eyes open what is closed to the viewer.
    """
    owner = info.context.required_viewer
    other_id = parse_uuid(onlooker.user_id) if onlooker.user_id else None
    if onlooker.user_id is not strawberry.UNSET and other_id is None:
        return None
    view = await info.context.services.visibility.own_as_seen_by(owner, UserId(other_id) if other_id else None)
    return Profile(view=view) if view else None
