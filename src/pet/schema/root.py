"""The schema: a list of its parts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from functools import cache
from typing import Any

import strawberry
from strawberry.schema.config import StrawberryConfig

from pet.schema.accounts import (
    SessionPayload,
    SuccessPayload,
    User,
    change_password,
    delete_account,
    login,
    logout,
    me,
    refresh_session,
    register,
    revoke_session,
    revoke_sessions,
)
from pet.schema.blocks import BlockConnection, BlockPayload, UnblockPayload, block, blocks, unblock
from pet.schema.errors import Payload, UserErrors
from pet.schema.executing import OperationRules, Schema
from pet.schema.exports import ExportMyDataPayload, export_my_data
from pet.schema.feed import Activity, ActivityConnection, ProfileUpdated, TrackPublished, feed, feed_activity
from pet.schema.files import Track, track
from pet.schema.follows import (
    AcceptFollowPayload,
    DeclineFollowPayload,
    FollowPayload,
    UnfollowPayload,
    accept_follow,
    decline_follow,
    follow,
    is_following,
    unfollow,
)
from pet.schema.interfaces import Node
from pet.schema.node import node
from pet.schema.profile_changes import UpdateProfilePayload, update_profile
from pet.schema.profiles import Profile, ProfileConnection, profile, profiles
from pet.schema.scalars import SCALARS
from pet.schema.server_info import ServerInfo, server_info
from pet.schema.uploads import (
    DeleteMediaPayload,
    TrackPayload,
    UploadAvatarPayload,
    UploadCoverPayload,
    delete_media,
    update_track,
    upload_avatar,
    upload_cover,
    upload_track,
)
from pet.schema.view_as import view_as

DEFAULT_RULES = OperationRules()


@strawberry.type(description="What can be read.")
class Query:
    """Reads; open to everyone, as far as profiles are."""

    me: User | None = strawberry.field(resolver=me, description="The token's user; null without a token.")
    profile: Profile | None = strawberry.field(resolver=profile, description="A person, or null.")
    profiles: ProfileConnection = strawberry.field(resolver=profiles, description="People, the newest first.")
    track: Track | None = strawberry.field(
        resolver=track, description="A track, or null where there is none that the viewer may see."
    )
    feed: ActivityConnection = strawberry.field(
        resolver=feed, description="What those whom the viewer follows did, newest first. Needs a token."
    )
    is_following: bool = strawberry.field(
        resolver=is_following, description="Whether one person follows another, as far as the viewer may know."
    )
    blocks: BlockConnection = strawberry.field(
        resolver=blocks, description="Whom the viewer has blocked, the newest block first. Needs a token."
    )
    view_as: Profile | None = strawberry.field(
        resolver=view_as,
        description="The viewer's own profile as somebody else sees it, by the rules that decide when they look; null"
        " where there is no such person. Links are signed for the viewer, and people beyond the profile (followers, for"
        " one) are shown as the viewer sees them. Needs a token.",
    )
    node: Node | None = strawberry.field(resolver=node, description="Any object by its global id, or null.")
    server_info: ServerInfo = strawberry.field(
        resolver=server_info, description="What this server is and what an operation may ask of it."
    )


def _mutation(resolver: Callable[..., Any], payload: type[Payload], description: str) -> Any:
    return strawberry.mutation(resolver=resolver, description=description, extensions=[UserErrors(payload)])


@strawberry.type(description="What can be changed. Mistakes are in `userErrors`; then nothing was changed.")
class Mutation:
    """Writes; each needs the token of the user it acts for, but where the input itself is the proof."""

    register: SessionPayload | None = _mutation(
        register, SessionPayload, "Make an account and log in. 5 a minute per address."
    )
    login: SessionPayload | None = _mutation(
        login, SessionPayload, "Open a session. 5 a minute per address and per account."
    )
    refresh_session: SessionPayload | None = _mutation(
        refresh_session,
        SessionPayload,
        "Exchange a refresh token for the next pair. A token that is used again later ends the session.",
    )
    logout: SuccessPayload | None = _mutation(logout, SuccessPayload, "End the session of a refresh token.")
    change_password: SuccessPayload | None = _mutation(
        change_password, SuccessPayload, "Change one's password; every other session ends."
    )
    revoke_session: SuccessPayload | None = _mutation(revoke_session, SuccessPayload, "End one of one's own sessions.")
    revoke_sessions: SuccessPayload | None = _mutation(
        revoke_sessions, SuccessPayload, "End all of one's own other sessions, or all of them: log out everywhere."
    )
    delete_account: SuccessPayload | None = _mutation(
        delete_account,
        SuccessPayload,
        "Remove one's account and everything that belongs to it. An admin may remove anyone's.",
    )
    export_my_data: ExportMyDataPayload | None = _mutation(
        export_my_data,
        ExportMyDataPayload,
        "Have an archive of one's own data made, in the background; `me.dataExport` tells how it stands. One is made at"
        " a time and one a day: asked for sooner, that one is returned.",
    )
    update_profile: UpdateProfilePayload | None = _mutation(
        update_profile, UpdateProfilePayload, "Change one's own profile."
    )
    upload_track: TrackPayload | None = _mutation(
        upload_track, TrackPayload, "Publish a track. 5 a minute per address."
    )
    upload_avatar: UploadAvatarPayload | None = _mutation(
        upload_avatar, UploadAvatarPayload, "Replace one's avatar. At most 5 MB, 10 a minute."
    )
    upload_cover: UploadCoverPayload | None = _mutation(
        upload_cover, UploadCoverPayload, "Add a cover. At most 10 MB, 10 a minute."
    )
    update_track: TrackPayload | None = _mutation(update_track, TrackPayload, "Change the texts of one's own track.")
    delete_media: DeleteMediaPayload | None = _mutation(
        delete_media, DeleteMediaPayload, "Delete any of one's own files, with its bytes."
    )
    follow: FollowPayload | None = _mutation(
        follow, FollowPayload, "Follow someone, or ask to where the profile is private."
    )
    unfollow: UnfollowPayload | None = _mutation(
        unfollow, UnfollowPayload, "Follow someone no longer, or withdraw the request."
    )
    accept_follow: AcceptFollowPayload | None = _mutation(
        accept_follow, AcceptFollowPayload, "Let someone in who asked to follow."
    )
    decline_follow: DeclineFollowPayload | None = _mutation(
        decline_follow, DeclineFollowPayload, "Refuse someone who asked to follow."
    )
    block: BlockPayload | None = _mutation(
        block,
        BlockPayload,
        "Keep someone out: they see no more than the card and cannot follow; follows and requests between the two end,"
        " in both directions. Whoever is not logged in still sees what everyone sees.",
    )
    unblock: UnblockPayload | None = _mutation(
        unblock, UnblockPayload, "Block someone no longer; the follows do not come back."
    )


@strawberry.type(description="What can be listened to.")
class Subscription:
    """Live events."""

    feed_activity: AsyncGenerator[Activity, None] = strawberry.subscription(
        resolver=feed_activity,
        description="What those whom the viewer follows do, as it happens. Needs a token; ends with its session.",
    )


@cache
def build_schema(rules: OperationRules = DEFAULT_RULES) -> Schema:
    """Return the schema under some rules.

    It has no state but the documents that it has prepared, so one serves every application of the process.
    """
    return Schema(
        rules,
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[TrackPublished, ProfileUpdated],
        config=StrawberryConfig(scalar_map=SCALARS),
    )
