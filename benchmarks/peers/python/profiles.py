"""What Python's peers of the REST topic share: the statement, and the documented shape of a profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

SELECT = """
SELECT profile.*, ARRAY(
    SELECT following_id FROM follow WHERE follower_id = profile.user_id AND state = 'following'
    ORDER BY created_ms DESC, object_id DESC
) AS followed FROM profile WHERE user_id = $1
"""
"""All in one round trip; asyncpg prepares it once per connection by itself."""


def shape(row: Mapping[str, Any], followed: Sequence[str]) -> dict[str, Any]:
    """Return a profile as the document has it; what is absent is left out."""
    links = {name: row[name] for name in ("youtube", "vk", "telegram") if row[name] is not None}
    optional = {
        "displayName": row["display_name"],
        "bio": row["bio"],
        "avatarUrl": f"/media/avatar/{row['user_id']}" if row["avatar_file_id"] else None,
        "coverImageUrl": f"/media/file/{row['cover_file_id']}" if row["cover_file_id"] else None,
        "location": row["location"],
    }
    return {
        "_id": row["object_id"],
        "userId": row["user_id"],
        "username": row["username"],
        **{name: value for name, value in optional.items() if value is not None},
        "genres": orjson.loads(row["genres"]),
        "instruments": orjson.loads(row["instruments"]),
        "socialLinks": links,
        "stats": {
            "tracksCount": row["tracks"],
            "followersCount": row["followers"],
            "followingCount": row["following"],
            "totalPlays": row["plays"],
        },
        "preferences": {"emailNotifications": True, "showOnlineStatus": True, "privateProfile": False},
        "role": row["role"],
        "following": followed,
        "createdAt": _moment(row["created_ms"]),
        "updatedAt": _moment(row["updated_ms"]),
    }


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
