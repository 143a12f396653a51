"""Profiles in plain values, for whoever shows them: to make entities of a page of people, or of everyone, costs many
times what it takes to read and to send them.
"""

from __future__ import annotations

from typing import NamedTuple

from pet.domain.ids import FileId, ObjectId, UserId
from pet.domain.paging import Position
from pet.domain.times import Milliseconds, from_milliseconds

NO_TAGS = "[]"
NOBODY = "[]"


class PlainProfile(NamedTuple):
    """A profile's values as stores keep them; `profiles.Profile` says what they mean.

    Flags may be 0 and 1. Tags are the text of a JSON array, which REST passes on as it is.
    """

    user_id: UserId
    object_id: ObjectId
    username: str
    role: str
    display_name: str | None
    bio: str | None
    location: str | None
    genres: str
    instruments: str
    youtube: str | None
    vk: str | None
    telegram: str | None
    email_notifications: bool
    show_online_status: bool
    is_private: bool
    avatar_file_id: FileId | None
    cover_file_id: FileId | None
    tracks: int
    followers: int
    following: int
    plays: int
    created_ms: Milliseconds
    updated_ms: Milliseconds

    @property
    def position(self) -> Position:
        """Where it stands in the list of everyone."""
        return Position(at=from_milliseconds(self.created_ms), id=self.user_id)


class PlainPerson(NamedTuple):
    """A profile with whom the person follows: their user ids, newest first, as the text of a JSON array."""

    profile: PlainProfile
    following: str
