"""Personal data: everything that the network keeps of someone, as rows of plain values.

What is listed here is what an export shows. No row holds a secret: each names its fields, so that a new field of an
entity is not handed out by accident.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from pet.domain.accounts import Accounts
from pet.domain.errors import NotFound
from pet.domain.feed import Activities, Activity
from pet.domain.files import FileList, Files, MediaFile
from pet.domain.follows import Follow, FollowList, Follows
from pet.domain.ids import UserId
from pet.domain.paging import Page, Position, every_page
from pet.domain.profiles import Profile, Profiles
from pet.domain.sessions import Session, Sessions
from pet.domain.times import Clock

Row = Mapping[str, object]
"""Plain values by snake_case names: text, numbers, flags, aware times, None, and lists and mappings of them."""

PAGE = 100

_UPLOADS = (FileList.TRACKS, FileList.COVERS, FileList.AVATARS, FileList.OTHERS)
"""Every file is on one of these lists."""

_FOLLOWS = {
    "followers": FollowList.FOLLOWERS,
    "following": FollowList.FOLLOWING,
    "follow-requests": FollowList.REQUESTS,
    "sent-follow-requests": FollowList.SENT_REQUESTS,
    "blocks": FollowList.BLOCKS,
}


class PersonalData:
    """Reads what is kept of one user, page by page: any of it may be long."""

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        profiles: Profiles,
        files: Files,
        follows: Follows,
        activities: Activities,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._profiles = profiles
        self._files = files
        self._follows = follows
        self._activities = activities
        self.now = clock

    async def account(self, user_id: UserId) -> Row:
        """Return the account, without its password's hash.

        Raises:
            NotFound: it is gone.
        """
        account = await self._accounts.find(user_id)
        if account is None:
            raise NotFound("User not found")
        return {
            "user_id": account.user_id,
            "email": account.email,
            "username": account.username,
            "role": account.role,
            "created_at": account.created_at,
        }

    async def profile(self, user_id: UserId) -> Row:
        """Return the profile, empty where there is none."""
        profile = (await self._profiles.get_many([user_id])).get(user_id)
        return _profile_row(profile) if profile else {}

    def listings(self, user_id: UserId) -> Sequence[tuple[str, AsyncIterator[Sequence[Row]]]]:
        """Return every list of rows with its name, in the order of an export; each is read when it is iterated."""
        return [
            ("sessions", self._open_sessions(user_id)),
            *((name, self._followed(user_id, which)) for name, which in _FOLLOWS.items()),
            ("activities", self._activity(user_id)),
        ]

    async def files(self, user_id: UserId, *, until: datetime) -> AsyncIterator[Sequence[MediaFile]]:
        """Yield all files of a user that were uploaded up to a moment, in batches."""
        for which in _UPLOADS:

            async def read(after: Position | None, which: FileList = which) -> Page[MediaFile]:
                return (await self._files.pages([user_id], which, after=after, limit=PAGE))[user_id]

            async for batch in every_page(read, lambda file: Position(file.created_at, file.file_id)):
                yield [file for file in batch if file.created_at <= until]

    async def _open_sessions(self, user_id: UserId) -> AsyncIterator[Sequence[Row]]:
        yield [_session_row(session) for session in await self._sessions.of_user(user_id, self.now())]

    async def _followed(self, user_id: UserId, which: FollowList) -> AsyncIterator[Sequence[Row]]:
        """Yield follows, each with who is on the other side."""

        async def read(after: Position | None) -> Page[Follow]:
            return (await self._follows.pages([user_id], which, after=after, limit=PAGE))[user_id]

        async for batch in every_page(read, lambda follow: Position(follow.created_at, follow.object_id)):
            others = [f.following_id if f.follower_id == user_id else f.follower_id for f in batch]
            profiles = await self._profiles.get_many(others)
            yield [
                {
                    "user_id": other,
                    "username": profiles[other].username if other in profiles else None,
                    "since": follow.created_at,
                }
                for follow, other in zip(batch, others, strict=True)
            ]

    async def _activity(self, user_id: UserId) -> AsyncIterator[Sequence[Row]]:
        async def read(after: Position | None) -> Page[Activity]:
            return await self._activities.of_actor(user_id, after=after, limit=PAGE)

        async for batch in every_page(read, lambda activity: Position(activity.created_at, activity.object_id)):
            yield [{"action": a.action, "track_id": a.track_id, "created_at": a.created_at} for a in batch]


def file_row(file: MediaFile) -> Row:
    """Return what is known of a file; the plays of a track are counted."""
    return {
        "file_id": file.file_id,
        "type": file.type,
        "original_name": file.original_name,
        "mime_type": file.mime_type,
        "size": file.size_bytes,
        "format": file.format,
        "duration_seconds": file.duration_seconds,
        "bitrate_kbps": file.bitrate_kbps,
        "width": file.width,
        "height": file.height,
        "title": file.title,
        "artist": file.artist,
        "album": file.album,
        "play_count": file.play_count,
        "track_id": file.track_id,
        "cover_file_id": file.cover_file_id,
        "created_at": file.created_at,
        "updated_at": file.updated_at,
    }


def _profile_row(profile: Profile) -> Row:
    return {
        "user_id": profile.user_id,
        "username": profile.username,
        "role": profile.role,
        "display_name": profile.display_name,
        "bio": profile.bio,
        "location": profile.location,
        "genres": list(profile.genres),
        "instruments": list(profile.instruments),
        "social_links": asdict(profile.social_links),
        "preferences": asdict(profile.preferences),
        "stats": asdict(profile.stats),
        "avatar_file_id": profile.avatar_file_id,
        "cover_file_id": profile.cover_file_id,
        "created_at": profile.created_at,
        "updated_at": profile.updated_at,
    }


def _session_row(session: Session) -> Row:
    return {
        "session_id": session.session_id,
        "user_agent": session.user_agent,
        "created_at": session.created_at,
        "last_used_at": session.last_used_at,
        "expires_at": session.expires_at,
    }
