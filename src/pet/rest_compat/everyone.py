"""Section 2.3 of the document: everyone, in one list that may be very long, rendered from plain values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orjson import Fragment
from starlette.requests import Request
from starlette.responses import Response

from pet.domain.ids import UserId, parse_uuid
from pet.domain.links import Links
from pet.domain.paging import Position
from pet.domain.permissions import owns
from pet.domain.plain_profiles import PlainPerson, PlainProfile
from pet.domain.viewers import Viewer
from pet.openapi.operations import Described, answers
from pet.rest_compat import shapes
from pet.rest_compat.envelopes import Asked, list_response
from pet.rest_compat.lists import Json, JsonPage
from pet.schema import everyone
from pet.schema.call import DirectCall
from pet.schema.everyone import People
from pet.schema.scalars import write_milliseconds

SHOWN_TO_OTHERS = {"emailNotifications": True, "showOnlineStatus": True, "privateProfile": False}
"""Preferences are their owner's alone."""


@Described(
    "List everyone",
    "The newest first.",
    query=shapes.EveryoneQuery,
    answer=answers(profiles=list[shapes.Profile]),
    is_list=True,
)
async def all_profiles(request: Request, call: DirectCall) -> Response:
    """2.3: the whole list, streamed."""
    excluded = parse_uuid(request.query_params.get("excludeUserId", ""))
    exclude = UserId(excluded) if excluded else None

    async def read(after: Position | None, limit: int) -> JsonPage:
        people = await everyone.people(call, after=after, limit=limit, exclude=exclude)
        return JsonPage(people_json(call, people), people.next)

    return await list_response(request, Asked.by(request, "profiles"), read, before=b'{"success":true,"profiles":')


def people_json(call: DirectCall, people: People) -> Iterator[Json]:
    """Render people in the list's order, each as IUserProfile."""
    links, viewer = call.context.services.links, call.context.viewer
    for person in people.page.items:
        yield _profile_json(person, people.following.get(person.user_id, ()), links, viewer)


def person_json(call: DirectCall, person: PlainPerson) -> Json:
    """Render one of them."""
    context = call.context
    return _profile_json(person.profile, Fragment(person.following), context.services.links, context.viewer)


def _profile_json(
    person: PlainProfile, following: Sequence[UserId] | Fragment, links: Links, viewer: Viewer | None
) -> Json:
    """Render a person as IUserProfile.

    It is most of what the list costs, so it is plain: an absent field is not put in, rather than taken out later.
    """
    user_id, cover = person.user_id, person.cover_file_id
    shape: dict[str, object] = {"_id": person.object_id, "userId": user_id, "username": person.username}
    if person.display_name is not None:
        shape["displayName"] = person.display_name
    if person.bio is not None:
        shape["bio"] = person.bio
    if person.avatar_file_id:
        shape["avatarUrl"] = links.avatar_of(user_id)
    if cover:
        shape["coverImageUrl"] = links.cover_image(cover, viewer, is_private=bool(person.is_private))
    if person.location is not None:
        shape["location"] = person.location
    shape["genres"] = Fragment(person.genres)
    shape["instruments"] = Fragment(person.instruments)
    shape["socialLinks"] = _links_elsewhere(person)
    shape["stats"] = {
        "tracksCount": person.tracks,
        "followersCount": person.followers,
        "followingCount": person.following,
        "totalPlays": person.plays,
    }
    shape["preferences"] = _own_preferences(person) if owns(viewer, user_id) else SHOWN_TO_OTHERS
    shape["role"] = person.role
    shape["following"] = following
    shape["createdAt"] = write_milliseconds(person.created_ms)
    shape["updatedAt"] = write_milliseconds(person.updated_ms)
    return shape


def _links_elsewhere(person: PlainProfile) -> Json:
    given = {}
    if person.youtube is not None:
        given["youtube"] = person.youtube
    if person.vk is not None:
        given["vk"] = person.vk
    if person.telegram is not None:
        given["telegram"] = person.telegram
    return given


def _own_preferences(person: PlainProfile) -> Json:
    return {
        "emailNotifications": bool(person.email_notifications),
        "showOnlineStatus": bool(person.show_online_status),
        "privateProfile": bool(person.is_private),
    }
