"""The collections, declared once: their documents and their indexes, which are made at the start.

A document's `_id` is the key by which it is looked up: SQL's primary key. All ids are text, an `ObjectId` of the domain
too: whatever a stranger puts into a cursor compares with them as it does in SQL. Times are whole milliseconds since the
Unix epoch, UTC (`..._ms`). Every list that a client can ask for has an index in its own order, walked backwards.

The adapters read and write plain dictionaries, because a model made of every row costs more than the query; these
models say what is in them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from beanie import Document
from pydantic import BaseModel
from pymongo import ASCENDING, IndexModel

LOCK: dict[str, Any] = {"$inc": {"locks": 1}}
"""Changes a document that must stay as it is until the commit: of two transactions that change one document one gives
way, where two of which one only reads would both commit."""


def _index(name: str, *fields: str, unique: bool = False) -> IndexModel:
    return IndexModel([(field, ASCENDING) for field in fields], name=name, unique=unique)


class SocialLinksPart(BaseModel):
    """Where else a person is found."""

    youtube: str | None
    vk: str | None
    telegram: str | None


class PreferencesPart(BaseModel):
    """What a person wishes."""

    email_notifications: bool
    show_online_status: bool
    private_profile: bool


class StatsPart(BaseModel):
    """The counters of a profile."""

    tracks: int
    followers: int
    following: int
    plays: int


class ProfileDocument(Document):
    """A profile with its counters; it is found by its `beginnings`, as `names.py` tells."""

    id: str  # type: ignore[assignment]
    object_id: str
    username: str
    username_key: str
    role: str
    display_name: str | None
    bio: str | None
    location: str | None
    genres: list[str]
    instruments: list[str]
    social_links: SocialLinksPart
    preferences: PreferencesPart
    stats: StatsPart
    avatar_file_id: str | None
    cover_file_id: str | None
    beginnings: list[str]
    created_ms: int
    updated_ms: int
    locks: int

    class Settings:
        """The collection and its indexes."""

        name = "profiles"
        indexes: ClassVar = [
            _index("profile_object_id", "object_id", unique=True),
            _index("profile_username", "username_key", unique=True),
            _index("profile_by_age", "created_ms", "_id"),
            _index("profile_by_beginning", "beginnings", "created_ms", "_id"),
        ]


class PeopleCountDocument(Document):
    """How many people a beginning finds, in parts that are added up; `_id` is the part and the beginning."""

    id: str  # type: ignore[assignment]
    people: int

    class Settings:
        """The collection; it is looked up by key alone."""

        name = "people_counts"
        indexes: ClassVar[list[IndexModel]] = []


class FileDocument(Document):
    """The record of a stored file."""

    id: str  # type: ignore[assignment]
    object_id: str
    user_id: str
    type: str
    is_audio: bool
    original_name: str
    file_name: str
    mime_type: str
    size_bytes: int
    format: str
    duration_seconds: float | None
    bitrate_kbps: int | None
    width: int | None
    height: int | None
    title: str | None
    artist: str | None
    album: str | None
    play_count: int
    track_id: str | None
    cover_file_id: str | None
    created_ms: int
    updated_ms: int
    locks: int

    class Settings:
        """The collection and its indexes."""

        name = "files"
        indexes: ClassVar = [
            _index("file_object_id", "object_id", unique=True),
            _index("file_by_type", "user_id", "type", "created_ms", "_id"),
            _index("file_by_sound", "user_id", "is_audio", "created_ms", "_id"),
        ]


class BlobReservationDocument(Document):
    """A key under which bytes are about to be kept."""

    id: str  # type: ignore[assignment]
    reserved_ms: int

    class Settings:
        """The collection and its indexes."""

        name = "blob_reservations"
        indexes: ClassVar = [_index("blob_reservation_by_time", "reserved_ms")]


class WaveformDocument(Document):
    """A waveform, or the note that a track wants one: `due_ms` is then when, and null once it is made or given up."""

    id: str  # type: ignore[assignment]
    due_ms: int | None
    attempts: int
    peaks: bytes | None

    class Settings:
        """The collection and its indexes."""

        name = "waveforms"
        indexes: ClassVar = [_index("waveform_by_time", "due_ms")]


class FollowDocument(Document):
    """A follow, a request to follow, or a block of it; no activity of the followed one is newer than `newest_ms`."""

    id: str  # type: ignore[assignment]
    follower_id: str
    following_id: str
    state: str
    created_ms: int
    newest_ms: int

    class Settings:
        """The collection and its indexes."""

        name = "follows"
        indexes: ClassVar = [
            _index("follow_pair", "follower_id", "following_id", unique=True),
            _index("follow_by_follower", "follower_id", "state", "created_ms", "_id"),
            _index("follow_by_following", "following_id", "state", "created_ms", "_id"),
            _index("follow_by_news", "follower_id", "state", "newest_ms", "_id"),
        ]


class RisingDocument(Document):
    """Someone with many followers whose follows are being told of news; `after_...` is how far that has come."""

    id: str  # type: ignore[assignment]
    newest_ms: int
    after_ms: int
    after_id: str

    class Settings:
        """The collection; it is small and short-lived."""

        name = "rising"
        indexes: ClassVar[list[IndexModel]] = []


class ActivityDocument(Document):
    """Something that someone did, as feeds show it."""

    id: str  # type: ignore[assignment]
    actor_id: str
    action: str
    track_id: str | None
    created_ms: int

    class Settings:
        """The collection and its indexes."""

        name = "activities"
        indexes: ClassVar = [
            _index("activity_by_actor", "actor_id", "created_ms", "_id"),
            _index("activity_by_track", "track_id"),
        ]


class ProfileUpdateDocument(Document):
    """That a profile changed, told or not; `_id` is the user and the time."""

    id: str  # type: ignore[assignment]
    user_id: str
    updated_ms: int

    class Settings:
        """The collection and its indexes."""

        name = "profile_updates"
        indexes: ClassVar = [
            _index("profile_update_by_user", "user_id", "updated_ms"),
            _index("profile_update_by_time", "updated_ms"),
        ]


class PlayDocument(Document):
    """When a listener's play of a track last counted; `_id` is the track and the listener."""

    id: str  # type: ignore[assignment]
    listener: str
    played_ms: int

    class Settings:
        """The collection and its indexes."""

        name = "plays"
        indexes: ClassVar = [_index("play_by_time", "played_ms"), _index("play_by_listener", "listener")]


class PlayLedgerDocument(Document):
    """How often a track counted on a day, by UTC; `_id` is the track and the day since the Unix epoch."""

    id: str  # type: ignore[assignment]
    track_id: str
    owner_id: str
    plays: int

    class Settings:
        """The collection and its indexes."""

        name = "play_ledger"
        indexes: ClassVar = [_index("play_ledger_by_owner", "owner_id")]


class OutboxDocument(Document):
    """An event, stored with its change; null times say what still has to be done with it.

    `claimed_by` names the claim that holds it until `held_until_ms`.
    """

    id: str  # type: ignore[assignment]
    name: str
    user_id: str
    payload: dict[str, Any]
    occurred_ms: int
    held_until_ms: int
    claimed_by: str | None
    attempts: int
    error: str | None
    delivered_ms: int | None
    parked_ms: int | None
    published_ms: int | None

    class Settings:
        """The collection and its indexes."""

        name = "outbox"
        indexes: ClassVar = [
            _index("outbox_by_delivery", "delivered_ms", "_id"),
            _index("outbox_by_publishing", "published_ms", "_id"),
            _index("outbox_by_user", "user_id", "delivered_ms", "_id"),
        ]


class AppliedEventDocument(Document):
    """An event whose effects are done: the mark that makes a second delivery harmless.

    A user's id among them says, by `is_purged`, whether the user's profile may still be made.
    """

    id: str  # type: ignore[assignment]
    applied_ms: int
    is_purged: bool = False
    locks: int = 0

    class Settings:
        """The collection and its indexes."""

        name = "applied_events"
        indexes: ClassVar = [_index("applied_event_by_time", "applied_ms")]


DOCUMENTS: tuple[type[Document], ...] = (
    ProfileDocument,
    PeopleCountDocument,
    FileDocument,
    BlobReservationDocument,
    WaveformDocument,
    FollowDocument,
    RisingDocument,
    ActivityDocument,
    ProfileUpdateDocument,
    PlayDocument,
    PlayLedgerDocument,
    OutboxDocument,
    AppliedEventDocument,
)


def fields_of(document: type[Document], *, without: tuple[str, ...] = ()) -> dict[str, int]:
    """Return the projection that reads a document's fields but for some."""
    return {
        ("_id" if name == "id" else name): 1 for name in document.model_fields if name not in (*without, "revision_id")
    }
