"""People, tracks and follows put straight into the store: registering hashes passwords, which lists have no need of."""

from __future__ import annotations

from datetime import datetime

from pet.domain.effects import effects_of
from pet.domain.events import Event, FollowCreated, FollowRequested, TrackUploaded, UserCreated
from pet.domain.files import FileType, MediaFile
from pet.domain.follows import Follow, FollowState
from pet.domain.ids import FileId, UserId, new_object_id, new_uuid7
from pet.domain.times import Clock
from pet.engines import Engines


class Seeds:
    """Fills the open engines."""

    def __init__(self, engines: Engines, clock: Clock) -> None:
        self._documents = engines.documents
        self._clock = clock

    async def person(self, username: str, *, at: datetime | None = None) -> UserId:
        """Add a profile, registered at a moment."""
        user_id = UserId(new_uuid7())
        at = at or self._clock()
        await self._apply(UserCreated(user_id=user_id, occurred_at=at, username=username, role="musician"))
        return user_id

    async def track(self, user_id: UserId, *, title: str = "Song", at: datetime | None = None) -> FileId:
        """Add a published track whose bytes nobody will ask for."""
        file = _file(user_id, FileType.TRACK, at or self._clock(), title=title)
        await self._documents.files.add(file, None)
        await self._apply(TrackUploaded(user_id=user_id, occurred_at=file.created_at, file_id=file.file_id))
        return file.file_id

    async def cover(self, user_id: UserId) -> FileId:
        """Add a cover that serves all tracks of someone."""
        file = _file(user_id, FileType.COVER, self._clock())
        await self._documents.files.add(file, None)
        return file.file_id

    async def follow(self, follower_id: UserId, following_id: UserId, *, at: datetime | None = None) -> None:
        """Let one follow the other, whatever the other's profile is."""
        event = FollowCreated(user_id=follower_id, following_id=following_id, occurred_at=at or self._clock())
        follow = Follow(new_object_id(), follower_id, following_id, FollowState.FOLLOWING, event.occurred_at)
        await self._documents.follows.add(follower_id, following_id, lambda is_private: (follow, event))
        await self._apply(event)

    async def request(self, follower_id: UserId, following_id: UserId) -> None:
        """Let one ask to follow the other, as if the other's profile were private."""
        event = FollowRequested(user_id=follower_id, following_id=following_id, occurred_at=self._clock())
        follow = Follow(new_object_id(), follower_id, following_id, FollowState.PENDING, event.occurred_at)
        await self._documents.follows.add(follower_id, following_id, lambda is_private: (follow, event))
        await self._apply(event)

    async def block(self, blocker_id: UserId, blocked_id: UserId) -> None:
        """Let one keep the other out, who has never followed."""
        block = Follow(new_object_id(), blocked_id, blocker_id, FollowState.BLOCKED, self._clock())
        await self._documents.follows.block(block)

    async def _apply(self, event: Event) -> None:
        await self._documents.projections.apply(event, effects_of(event))


def track_record(user_id: UserId, *, at: datetime) -> MediaFile:
    """Return the record of a track whose bytes nobody will ask for."""
    return _file(user_id, FileType.TRACK, at)


def _file(user_id: UserId, kind: FileType, at: datetime, *, title: str | None = None) -> MediaFile:
    file_id, is_audio = FileId(new_uuid7()), kind is FileType.TRACK
    return MediaFile(
        object_id=new_object_id(),
        file_id=file_id,
        user_id=user_id,
        type=kind,
        original_name="file",
        file_name=f"{file_id}.{'mp3' if is_audio else 'png'}",
        mime_type="audio/mpeg" if is_audio else "image/png",
        size_bytes=1,
        format="mp3" if is_audio else "png",
        created_at=at,
        updated_at=at,
        duration_seconds=1.5 if is_audio else None,
        title=title,
    )
