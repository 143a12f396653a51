"""Records that both databases keep under the same names: as values to store, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pet.domain.files import FileType, MediaFile
from pet.domain.follows import Follow, FollowState
from pet.domain.ids import FileId, ObjectId, UserId
from pet.domain.times import from_milliseconds, to_milliseconds

Row = Mapping[str, Any]


def file_values(file: MediaFile) -> dict[str, Any]:
    """Return all of a file but its id, which each database keeps under a name of its own."""
    return {
        "object_id": file.object_id,
        "user_id": file.user_id,
        "type": file.type.value,
        "is_audio": file.duration_seconds is not None,
        "original_name": file.original_name,
        "file_name": file.file_name,
        "mime_type": file.mime_type,
        "size_bytes": file.size_bytes,
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
        "created_ms": to_milliseconds(file.created_at),
        "updated_ms": to_milliseconds(file.updated_at),
    }


def file_of(file_id: str, row: Row) -> MediaFile:
    """Return the file of an id with the values of a row."""
    return MediaFile(
        object_id=ObjectId(row["object_id"]),
        file_id=FileId(file_id),
        user_id=UserId(row["user_id"]),
        type=FileType(row["type"]),
        original_name=row["original_name"],
        file_name=row["file_name"],
        mime_type=row["mime_type"],
        size_bytes=row["size_bytes"],
        format=row["format"],
        created_at=from_milliseconds(row["created_ms"]),
        updated_at=from_milliseconds(row["updated_ms"]),
        duration_seconds=row["duration_seconds"],
        bitrate_kbps=row["bitrate_kbps"],
        width=row["width"],
        height=row["height"],
        title=row["title"],
        artist=row["artist"],
        album=row["album"],
        play_count=row["play_count"],
        track_id=FileId(row["track_id"]) if row["track_id"] else None,
        cover_file_id=FileId(row["cover_file_id"]) if row["cover_file_id"] else None,
    )


def follow_values(follow: Follow) -> dict[str, Any]:
    """Return all of a follow but its id."""
    return {
        "follower_id": follow.follower_id,
        "following_id": follow.following_id,
        "state": follow.state.value,
        "created_ms": to_milliseconds(follow.created_at),
    }


def follow_of(object_id: str, row: Row) -> Follow:
    """Return the follow of an id with the values of a row."""
    return Follow(
        object_id=ObjectId(object_id),
        follower_id=UserId(row["follower_id"]),
        following_id=UserId(row["following_id"]),
        state=FollowState(row["state"]),
        created_at=from_milliseconds(row["created_ms"]),
    )
