"""Sections 4.1 to 4.5 of the document: following."""

from __future__ import annotations

import strawberry
from starlette.requests import Request
from starlette.responses import Response

from pet.domain.errors import NotFound
from pet.domain.follows import Follow, FollowList, FollowState
from pet.domain.paging import Position
from pet.openapi.operations import Described, Link, Token, answers
from pet.rest_compat import shapes
from pet.rest_compat.bodies import read_body, user_id_in
from pet.rest_compat.envelopes import Asked, list_response, present, success
from pet.rest_compat.lists import JsonPage, next_position
from pet.schema import follows, profiles
from pet.schema.call import DirectCall
from pet.schema.scalars import write_time


@Described(
    "Follow someone",
    "Following a private profile is a request: `status` is `pending` until its owner accepts. Doing it twice gives the "
    "first follow again; nobody follows themselves.",
    token=Token.REQUIRED,
    body=shapes.FollowBody,
    answer=answers(data=shapes.Follow),
    refused=(NotFound,),
    links=(
        Link(
            "isFollowing",
            "Whether it counts.",
            {"followerId": "$response.body#/data/followerId", "followingId": "$response.body#/data/followingId"},
        ),
        Link(
            "unfollow",
            "End it.",
            {"userId": "$response.body#/data/followingId"},
            {"followerId": "$response.body#/data/followerId"},
        ),
        Link("getFollowers", "All who follow them.", {"userId": "$response.body#/data/followingId"}),
        Link("getFeed", "What the follower hears.", {"userId": "$response.body#/data/followerId"}),
    ),
)
async def follow(request: Request, call: DirectCall) -> Response:
    """4.1: a follow that waits for a private profile's owner says so in the added field `status`."""
    user_id = user_id_in(request, "userId")
    acting = await _acting(request, call)
    payload = await follows.follow(acting, strawberry.ID(user_id))
    if payload.follow is None:
        raise TypeError("a resolver that does not raise follows")
    return success(data=_follow_json(payload.follow.entity))


@Described(
    "Unfollow someone",
    "Doing it twice succeeds twice.",
    token=Token.REQUIRED,
    body=shapes.UnfollowBody,
    refused=(NotFound,),
)
async def unfollow(request: Request, call: DirectCall) -> Response:
    """4.2: both methods are one."""
    user_id = user_id_in(request, "userId")
    acting = await _acting(request, call)
    await follows.unfollow(acting, strawberry.ID(user_id))
    return success()


@Described(
    "List followers", "The newest first.", answer=answers(data=list[shapes.Follow]), is_list=True, refused=(NotFound,)
)
async def followers(request: Request, call: DirectCall) -> Response:
    """4.3."""
    return await _list(request, call, FollowList.FOLLOWERS)


@Described(
    "List whom someone follows",
    "The newest first.",
    answer=answers(data=list[shapes.Follow]),
    is_list=True,
    refused=(NotFound,),
)
async def following(request: Request, call: DirectCall) -> Response:
    """4.4."""
    return await _list(request, call, FollowList.FOLLOWING)


@Described("Ask whether one user follows another", answer=answers(data=shapes.FollowCheck))
async def is_following(request: Request, call: DirectCall) -> Response:
    """4.5."""
    ids = request.path_params
    answer = await follows.is_following(call, ids["followerId"], ids["followingId"])
    return success(data={"isFollowing": answer})


async def _list(request: Request, call: DirectCall, which: FollowList) -> Response:
    view = await profiles.existing_view(call, user_id_in(request, "userId"))

    async def read(after: Position | None, limit: int) -> JsonPage:
        page = await profiles.follows_page(call, view, which, after=after, limit=limit)
        last = profiles.position_of_follow(page.items[-1]) if page.items else None
        return JsonPage((_follow_json(item) for item in page.items), next_position(page, last))

    return await list_response(request, Asked.by(request, which.value), read, before=b'{"success":true,"data":')


async def _acting(request: Request, call: DirectCall) -> DirectCall:
    """Act for the follower that the body names; with DELETE many clients cannot send one (RFC 9110, section 9.3.5)."""
    call.context.require_writer()
    body = await read_body(request)
    named = body.text_or_none("followerId") if request.method == "DELETE" else body.text("followerId")
    return DirectCall(await call.context.acting_for(named))


def _follow_json(follow: Follow) -> shapes.Follow:
    shape: shapes.Follow = {
        "_id": follow.object_id,
        "followerId": follow.follower_id,
        "followingId": follow.following_id,
        "createdAt": write_time(follow.created_at),
        "status": FollowState.PENDING if follow.state is FollowState.PENDING else None,
    }
    return present(shape)
