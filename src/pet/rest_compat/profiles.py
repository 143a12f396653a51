"""Section 2 of the document: profiles."""

from __future__ import annotations

import orjson
import strawberry
from starlette.requests import Request
from starlette.responses import Response

from pet.domain.errors import NotFound
from pet.domain.files import FileList
from pet.domain.ids import UserId, parse_uuid
from pet.domain.paging import Page, Position
from pet.domain.plain_profiles import PlainPerson
from pet.domain.visibility import ProfileView
from pet.openapi.operations import Described, Link, Token, answers
from pet.rest_compat import shapes
from pet.rest_compat.bodies import Body, read_body, user_id_in
from pet.rest_compat.envelopes import Asked, list_response, success
from pet.rest_compat.everyone import people_json, person_json
from pet.rest_compat.files import file_json
from pet.rest_compat.lists import Json, JsonPage, ReadPage, next_position
from pet.schema import everyone, files, follows, profile_changes, profiles
from pet.schema.call import DirectCall
from pet.schema.everyone import People
from pet.schema.profile_changes import PreferencesInput, SocialLinksInput, UpdateProfileInput
from pet.schema.profiles import ProfileBy

NEXT = (
    Link("getFollowers", "Who follows them.", {"userId": "$response.body#/data/userId"}),
    Link("getFollowing", "Whom they follow.", {"userId": "$response.body#/data/userId"}),
    Link("getAvatar", "Their avatar.", {"userId": "$response.body#/data/userId"}),
    Link("getTracks", "Their tracks.", {"username": "$response.body#/data/username"}),
    Link("getPublicProfile", "The profile with its tracks.", {"username": "$response.body#/data/username"}),
)


@Described("Get a profile by id", answer=answers(data=shapes.Profile), refused=(NotFound,), links=NEXT)
async def by_id(request: Request, call: DirectCall) -> Response:
    """2.1."""
    user_id = parse_uuid(request.path_params["id"])
    return _person(call, await everyone.person(call, UserId(user_id)) if user_id else None)


@Described("Get a profile by username", answer=answers(data=shapes.Profile), refused=(NotFound,), links=NEXT)
async def by_username(request: Request, call: DirectCall) -> Response:
    """2.2."""
    return _person(call, await everyone.person_by_username(call, request.path_params["username"]))


@Described(
    "Get a profile with its tracks",
    "`viewerId` colours `isFollowing` and `isOwnProfile`, where the follow is public; it opens nothing.",
    query=shapes.PublicQuery,
    answer=answers(data=shapes.PublicProfile),
    is_list=True,
    refused=(NotFound,),
)
async def public(request: Request, call: DirectCall) -> Response:
    """2.4 and 4.6: `viewerId` colours two flags, and opens nothing."""
    view = await _view(call, ProfileBy(username=request.path_params["username"]))
    profile = await _profile_json(call, view)
    viewer_id = request.query_params.get("viewerId") or (call.context.viewer.user_id if call.context.viewer else "")
    flags = {
        "isFollowing": await follows.is_following(call, strawberry.ID(viewer_id), strawberry.ID(view.user_id)),
        "isOwnProfile": parse_uuid(viewer_id) == view.user_id,
    }
    counts = {"followersCount": view.profile.followers, "followingCount": view.profile.following}
    before = b'{"success":true,"data":{"profile":' + orjson.dumps(profile) + b',"tracks":'
    end = b"," + orjson.dumps(counts | flags)[1:] + b"}"
    read = _files_of(call, view, FileList.TRACKS)
    return await list_response(request, Asked.by(request, "tracks"), read, before=before, end=end)


@Described(
    "List someone's tracks",
    "The newest first.",
    answer=answers(data=list[shapes.File]),
    is_list=True,
    refused=(NotFound,),
)
async def tracks(request: Request, call: DirectCall) -> Response:
    """2.5."""
    view = await _view(call, ProfileBy(username=request.path_params["username"]))
    read = _files_of(call, view, FileList.TRACKS)
    return await list_response(request, Asked.by(request, "tracks"), read, before=b'{"success":true,"data":')


@Described(
    "List all audio of someone",
    "Tracks, and files whose bytes are audio, with the time of their last change; the newest first.",
    answer=answers(audioFiles=list[shapes.File]),
    is_list=True,
    refused=(NotFound,),
)
async def audio_files(request: Request, call: DirectCall) -> Response:
    """2.6: everything whose bytes are audio, with the time of the last change."""
    view = await _view(call, ProfileBy(username=request.path_params["username"]))
    read = _files_of(call, view, FileList.AUDIO, with_updated_at=True)
    return await list_response(request, Asked.by(request, "audio"), read, before=b'{"success":true,"audioFiles":')


@Described(
    "Change a profile",
    "An absent field stays and null clears it; `socialLinks` and `preferences` merge by key, lists are replaced.",
    token=Token.REQUIRED,
    body=shapes.ProfileChange,
    answer=answers(data=shapes.Profile),
    refused=(NotFound,),
    links=NEXT,
)
async def update(request: Request, call: DirectCall) -> Response:
    """2.7: an absent field stays, null clears; unknown fields are ignored."""
    user_id = user_id_in(request, "id")
    acting = DirectCall(await call.context.acting_for(user_id))
    await profile_changes.update_profile(acting, _change(await read_body(request)))
    view = await profiles.existing_view(acting, user_id)
    return success(data=await _profile_json(acting, view))


def _person(call: DirectCall, person: PlainPerson | None) -> Response:
    if person is None:
        raise NotFound("User not found")
    return success(data=person_json(call, person))


async def _profile_json(call: DirectCall, view: ProfileView) -> Json:
    """Return someone as IUserProfile, with everyone whom they follow where the viewer may see it."""
    follows_of = call.context.services.follows.following_ids
    following = await follows_of([view.user_id]) if view.is_full else {}
    return next(people_json(call, People(Page([view.profile], has_next=False), following)))


def _files_of(call: DirectCall, view: ProfileView, which: FileList, *, with_updated_at: bool = False) -> ReadPage:
    async def read(after: Position | None, limit: int) -> JsonPage:
        page = await files.files_page(call, view, which, after=after, limit=limit)
        items = (file_json(call, file, view, with_updated_at=with_updated_at) for file in page.items)
        return JsonPage(items, next_position(page, files.position_of_file(page.items[-1]) if page.items else None))

    return read


async def _view(call: DirectCall, by: ProfileBy) -> ProfileView:
    found = await profiles.profile(call, by)
    if found is None:
        raise NotFound("User not found")
    return found.view


def _change(body: Body) -> UpdateProfileInput:
    return UpdateProfileInput(
        display_name=body.optional_text("displayName"),
        bio=body.optional_text("bio"),
        location=body.optional_text("location"),
        genres=body.optional_texts("genres"),
        instruments=body.optional_texts("instruments"),
        social_links=body.optional_object("socialLinks", _social_links),
        preferences=body.optional_object("preferences", _preferences),
        cover_image_url=body.optional_text("coverImageUrl"),
    )


def _social_links(body: Body) -> SocialLinksInput:
    return SocialLinksInput(
        youtube=body.optional_text("youtube"),
        vk=body.optional_text("vk"),
        telegram=body.optional_text("telegram"),
    )


def _preferences(body: Body) -> PreferencesInput:
    return PreferencesInput(
        email_notifications=body.optional_flag("emailNotifications"),
        show_online_status=body.optional_flag("showOnlineStatus"),
        private_profile=body.optional_flag("privateProfile"),
    )
