"""Files: the records of what was uploaded, and the rules for finding, editing and deleting them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pet.domain.delivery import Delivery
from pet.domain.errors import NotFound
from pet.domain.events import AvatarDeleted, Event, FileDeleted, TrackDeleted
from pet.domain.ids import FileId, ObjectId, UserId
from pet.domain.media import Blobs
from pet.domain.paging import Page, Position
from pet.domain.permissions import require_acting_for
from pet.domain.profiles import UNSET, Unset
from pet.domain.texts import MAX_TITLE, checked_text
from pet.domain.times import Clock
from pet.domain.viewers import Viewer

PURGE_BATCH = 100


class FileType(StrEnum):
    """What a file is for. `other` is audio or an image that is neither published nor shown by itself."""

    AVATAR = "avatar"
    TRACK = "track"
    COVER = "cover"
    OTHER = "other"


class FileList(StrEnum):
    """The lists of a user's files: by their type, or everything whose bytes are audio."""

    TRACKS = "tracks"
    COVERS = "covers"
    AVATARS = "avatars"
    OTHERS = "others"
    AUDIO = "audio"


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A stored file.

    `duration_seconds` has fractions and `bitrate_kbps` is the average; both are None for images, as `width` and
    `height` are None for audio. `title`, `artist` and `album` are those that the owner edited, else the tags'.
    `cover_file_id` is a track's own cover; `track_id` is the track that a cover belongs to.
    """

    object_id: ObjectId
    file_id: FileId
    user_id: UserId
    type: FileType
    original_name: str
    file_name: str
    mime_type: str
    size_bytes: int
    format: str
    created_at: datetime
    updated_at: datetime
    duration_seconds: float | None = None
    bitrate_kbps: int | None = None
    width: int | None = None
    height: int | None = None
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    play_count: int = 0
    track_id: FileId | None = None
    cover_file_id: FileId | None = None

    @property
    def is_avatar(self) -> bool:
        """Whether it is the image on someone's card."""
        return self.type is FileType.AVATAR

    @property
    def blob_key(self) -> str:
        """The key of the bytes: the last two digits spread files over folders, the generated name says the rest."""
        stem = self.file_name.partition(".")[0]
        return f"files/{stem[-2:]}/{self.file_name}"

    @property
    def shown_title(self) -> str:
        """The edited title, else the tag's, else the original name without its extension."""
        stem, dot, _ = self.original_name.rpartition(".")
        return self.title or (stem if dot and stem else self.original_name)


@dataclass(frozen=True, slots=True)
class OwnedFile:
    """A file, and whether its owner's profile is private: all that most requests for bytes want to know."""

    file: MediaFile
    is_private: bool

    @property
    def user_id(self) -> UserId:
        """Whose file it is."""
        return self.file.user_id


def removal_of(file: MediaFile, at: datetime) -> FileDeleted:
    """Return the event that tells of a file's removal and takes its bytes along."""
    kinds: dict[FileType, type[FileDeleted]] = {FileType.TRACK: TrackDeleted, FileType.AVATAR: AvatarDeleted}
    kind = kinds.get(file.type, FileDeleted)
    return kind(user_id=file.user_id, occurred_at=at, file_id=file.file_id, blob_key=file.blob_key)


class Files(Protocol):
    """Keeps the records of files. Lists are newest first; equal times order by file id, descending."""

    async def reserve(self, blob_keys: Sequence[str], at: datetime) -> None:
        """Note keys under which bytes are about to be kept; `add` clears the note.

        What a crash leaves is `abandoned`.
        """

    async def abandoned(self, *, before: datetime, limit: int) -> Sequence[str]:
        """Return keys that were reserved before a moment and never became records."""

    async def release(self, blob_keys: Sequence[str]) -> None:
        """Forget reserved keys, once their bytes are gone."""

    async def add(self, file: MediaFile, event: Event | None, *, cover: MediaFile | None = None) -> Sequence[Event]:
        """Keep a record, and what it replaces goes, in one transaction; return all events that were stored.

        An avatar becomes its owner's and replaces the old one; a cover with a `track_id` becomes that track's and
        replaces the old one. `cover` is kept along with a track, as its own.

        Raises:
            NotFound: the owner, or the track of a cover, is gone.
        """

    async def get_many(self, file_ids: Sequence[FileId]) -> Mapping[FileId, MediaFile]:
        """Return the records that exist, by file id; at most 1,000 ids."""

    async def get_owned(self, file_ids: Sequence[FileId]) -> Mapping[FileId, OwnedFile]:
        """Return the records that exist and whose owners do, by file id; at most 1,000 ids, in one round trip."""

    async def pages(
        self, user_ids: Sequence[UserId], which: FileList, *, after: Position | None, limit: int
    ) -> Mapping[UserId, Page[MediaFile]]:
        """Return the same page of the same list of each of up to 100 users, in one round trip.

        Every user has an entry.
        """

    async def of_user(self, user_id: UserId, *, limit: int) -> Sequence[MediaFile]:
        """Return any files of a user, whatever their type."""

    async def walk(self, *, after: FileId | None, limit: int) -> Sequence[MediaFile]:
        """Return files of all users by their ids, ascending, from an exclusive id on; up to 1,000 of them."""

    async def count(self) -> int:
        """Return about how many files there are, for a progress bar."""

    async def reserved(self, blob_keys: Sequence[str]) -> Collection[str]:
        """Return those of up to 1,000 keys that are noted: as about to be kept, or as nobody's any more."""

    async def count_audio(self, user_ids: Sequence[UserId]) -> Mapping[UserId, int]:
        """Return how many files of each user are audio; every user has an entry."""

    async def newest_covers(self, user_ids: Sequence[UserId]) -> Mapping[UserId, MediaFile]:
        """Return each user's newest cover that belongs to no track."""

    async def edit(self, file_id: FileId, edit: Callable[[MediaFile], MediaFile]) -> MediaFile:
        """Change a record's title, artist and album by a pure function, in one transaction.

        Raises:
            NotFound: there is no such file.
        """

    async def remove(self, file_id: FileId, at: datetime) -> Sequence[Event]:
        """Remove a record, a track's own cover with it, and every mention of it.

        Return the events, none when it is gone already.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackChange:
    """What to change of a track's texts: absent keeps, None goes back to nothing."""

    title: str | Unset | None = UNSET
    artist: str | Unset | None = UNSET
    album: str | Unset | None = UNSET


class FileService:
    """Finds, edits and deletes files."""

    def __init__(self, files: Files, blobs: Blobs, delivery: Delivery, clock: Clock) -> None:
        self._files = files
        self._blobs = blobs
        self._delivery = delivery
        self._clock = clock

    async def find(self, file_id: FileId) -> MediaFile | None:
        """Return a file, or None."""
        return (await self._files.get_many([file_id])).get(file_id)

    async def find_owned(self, file_id: FileId) -> OwnedFile | None:
        """Return a file whose owner is there, or None."""
        return (await self._files.get_owned((file_id,))).get(file_id)

    def read(self, file: MediaFile, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield a file's bytes from `start` up to `end` (exclusive), in chunks."""
        return self._blobs.read(file.blob_key, start, end)

    async def get_many(self, file_ids: Sequence[FileId]) -> Mapping[FileId, MediaFile]:
        """Return the files that exist, by id."""
        return await self._files.get_many(file_ids)

    async def pages(
        self, user_ids: Sequence[UserId], which: FileList, *, after: Position | None, limit: int
    ) -> Mapping[UserId, Page[MediaFile]]:
        """Return the same page of the same list of each user."""
        return await self._files.pages(user_ids, which, after=after, limit=limit)

    async def count_audio(self, user_ids: Sequence[UserId]) -> Mapping[UserId, int]:
        """Return how many files of each user are audio."""
        return await self._files.count_audio(user_ids)

    async def newest_covers(self, user_ids: Sequence[UserId]) -> Mapping[UserId, MediaFile]:
        """Return the cover that serves each user's tracks that have none of their own."""
        return await self._files.newest_covers(user_ids)

    async def cover_for(self, file_id: FileId) -> MediaFile | None:
        """Return the track's own cover, else the uploader's newest, or the cover itself when the id is a cover's."""
        file = await self.find(file_id)
        if file is None or file.type is FileType.COVER:
            return file
        if file.type is not FileType.TRACK:
            return None
        own = await self.find(file.cover_file_id) if file.cover_file_id else None
        return own or (await self._files.newest_covers([file.user_id])).get(file.user_id)

    async def update_track(self, viewer: Viewer, file_id: FileId, change: TrackChange) -> MediaFile:
        """Change the texts of a track of the viewer's own.

        Raises:
            NotFound: there is no such track.
            Forbidden: it is someone else's.
            Invalid: a text is too long.
        """
        file = await self.find(file_id)
        if file is None or file.type is not FileType.TRACK:
            raise NotFound("Track not found", field="fileId")
        _require_owner(viewer, file)

        def edit(track: MediaFile) -> MediaFile:
            return replace(
                track,
                title=_text(change.title, track.title, "title"),
                artist=_text(change.artist, track.artist, "artist"),
                album=_text(change.album, track.album, "album"),
                updated_at=self._clock(),
            )

        return await self._files.edit(file_id, edit)

    async def delete(self, viewer: Viewer, file_id: FileId) -> None:
        """Delete a file of the viewer's own; it is unreachable when this returns, and its bytes go by its event.

        Raises:
            NotFound: there is no such file.
            Forbidden: it is someone else's.
        """
        file = await self.find(file_id)
        if file is None:
            raise NotFound("File not found", field="fileId")
        _require_owner(viewer, file)
        events = await self._files.remove(file_id, self._clock())
        if not events:  # Someone else was first.
            raise NotFound("File not found", field="fileId")
        await self._delivery.deliver(events)

    async def purge(self, user_id: UserId) -> None:
        """Remove all files of a deleted user with their bytes; may be repeated after an interruption."""
        while batch := await self._files.of_user(user_id, limit=PURGE_BATCH):
            for file in batch:
                await self._delivery.deliver_at_once(await self._files.remove(file.file_id, self._clock()))

    async def remove_bytes(self, blob_key: str) -> None:
        """Remove the bytes of a file that is gone, and then the note that they are nobody's.

        Raises:
            Unavailable: the note stays, and leads the sweep to them.
        """
        await self._blobs.remove(blob_key)
        await self._files.release([blob_key])


def _require_owner(viewer: Viewer, file: MediaFile) -> None:
    require_acting_for(viewer, file.user_id, "This file belongs to someone else.")


def _text(value: str | Unset | None, current: str | None, field: str) -> str | None:
    if isinstance(value, Unset):
        return current
    return None if value is None else checked_text(value, field=field, limit=MAX_TITLE)
