"""What happened, in the past tense: stored with the change that it tells of, delivered at least once.

An event's fields are plain values (text, numbers, flags, None), so that every store and every broker can carry it.
"""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, field, fields
from datetime import datetime
from typing import ClassVar

from pet.domain.ids import EventId, FileId, UserId, new_uuid7

Plain = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened to what belongs to `user_id`; ids grow with time."""

    name: ClassVar[str]

    user_id: UserId
    occurred_at: datetime
    event_id: EventId = field(default_factory=lambda: EventId(new_uuid7()))


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCreated(Event):
    """An account was registered; its profile follows from this event."""

    name = "user.created"
    username: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserUpdated(Event):
    """A profile changed.

    `is_news` tells whether something that others read has changed; `went_public` that the profile was private before;
    `role` is the new role where an operator changed it.
    """

    name = "user.updated"
    is_news: bool = False
    went_public: bool = False
    role: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDeleted(Event):
    """An account is gone; everything that belonged to it follows."""

    name = "user.deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackUploaded(Event):
    """A track was published."""

    name = "media.track.uploaded"
    file_id: FileId


@dataclass(frozen=True, slots=True, kw_only=True)
class AvatarUploaded(Event):
    """A user has a new avatar."""

    name = "media.avatar.uploaded"
    file_id: FileId


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverUploaded(Event):
    """A cover was added: that of one track, or the uploader's newest (`track_id` is None)."""

    name = "media.cover.uploaded"
    file_id: FileId
    track_id: FileId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDeleted(Event):
    """A file that is neither track nor avatar is gone; `blob_key` names the bytes that go with it."""

    name = "media.file.deleted"
    file_id: FileId
    blob_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackDeleted(FileDeleted):
    """A track is gone."""

    name = "media.track.deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class AvatarDeleted(FileDeleted):
    """An avatar is gone, or was replaced."""

    name = "media.avatar.deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowRequested(Event):
    """`user_id` asks to follow a private profile."""

    name = "follow.requested"
    following_id: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowCreated(Event):
    """`user_id` follows someone from now on."""

    name = "follow.created"
    following_id: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowDeleted(Event):
    """`user_id` no longer follows someone."""

    name = "follow.deleted"
    following_id: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackPlayed(Event):
    """A track of `user_id` was played once more."""

    name = "track.played"
    file_id: FileId


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownEvent(Event):
    """What another version of the service has stored: it can be kept and shown, not delivered."""

    name = "unknown"
    stored_name: str
    payload: str


KINDS: dict[str, type[Event]] = {
    kind.name: kind
    for kind in (
        UserCreated,
        UserUpdated,
        UserDeleted,
        TrackUploaded,
        AvatarUploaded,
        CoverUploaded,
        FileDeleted,
        TrackDeleted,
        AvatarDeleted,
        FollowRequested,
        FollowCreated,
        FollowDeleted,
        TrackPlayed,
    )
}


def payload_of(event: Event) -> dict[str, Plain]:
    """Return what is an event's own, without id, user and time."""
    common = ("user_id", "occurred_at", "event_id")
    return {key: value for key, value in asdict(event).items() if key not in common}


def restore(name: str, payload: dict[str, Plain], *, event_id: str, user_id: str, occurred_at: datetime) -> Event:
    """Make an event again from what a store kept of it; an UnknownEvent of what another version has stored."""
    common = {"event_id": EventId(event_id), "user_id": UserId(user_id), "occurred_at": occurred_at}
    kind = KINDS.get(name)
    names = {each.name for each in fields(kind)} - common.keys() if kind else set()
    required = {each.name for each in fields(kind) if each.default is MISSING} - common.keys() if kind else set()
    if kind is None or not required <= payload.keys() <= names:
        return UnknownEvent(stored_name=name, payload=repr(payload), **common)  # type: ignore[arg-type]
    return kind(**payload, **common)  # type: ignore[arg-type]
