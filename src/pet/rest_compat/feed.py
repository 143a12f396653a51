"""Section 4.7 of the document: the feed."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from pet.domain.errors import Invalid, NotFound
from pet.domain.ids import UserId, parse_uuid
from pet.domain.paging import Position
from pet.openapi.operations import Described, Link, answers
from pet.rest_compat import shapes
from pet.rest_compat.envelopes import Asked, list_response, present
from pet.rest_compat.lists import JsonPage, next_position
from pet.schema import feed, profiles
from pet.schema.call import DirectCall
from pet.schema.feed import Activity, TrackPublished
from pet.schema.scalars import write_time


@Described(
    "Get someone's feed",
    "What those whom they follow published and changed, as far as the token's user may see it; the newest first.",
    query=shapes.FeedQuery,
    answer=answers(data=list[shapes.Activity]),
    is_list=True,
    refused=(NotFound,),
    links=(Link("getPublicProfile", "Who did the latest.", {"username": "$response.body#/data/0/username"}),),
)
async def of_user(request: Request, call: DirectCall) -> Response:
    """4.7: someone's feed, as far as the token's user may see it."""
    given = request.query_params.get("userId")
    if not given:
        raise Invalid("userId is required", field="userId")
    found = parse_uuid(given)
    if found is None:
        raise NotFound("User not found", field="userId")
    view = await profiles.existing_view(call, UserId(found))

    async def read(after: Position | None, limit: int) -> JsonPage:
        page = await feed.feed_page(call, view.user_id, after=after, limit=limit)
        shown = await feed.activities(call, page.items)
        call.context.forget_loaded()
        last = feed.position_of_activity(page.items[-1]) if page.items else None
        return JsonPage((_activity_json(call, item) for item in shown if item), next_position(page, last))

    return await list_response(request, Asked.by(request, feed.FEED), read, before=b'{"success":true,"data":')


def _activity_json(call: DirectCall, activity: Activity) -> shapes.Activity:
    track = activity.file if isinstance(activity, TrackPublished) else None
    shape: shapes.Activity = {
        "userId": activity.view.user_id,
        "username": activity.view.profile.username,
        "avatarUrl": call.context.services.links.avatar(activity.view),
        "action": activity.entity.action,
        "trackId": track.file_id if track else None,
        "trackTitle": track.shown_title if track else None,
        "createdAt": write_time(activity.entity.created_at),
    }
    return present(shape)
