"""`Profiles` in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from pet.domain.errors import NotFound, Service
from pet.domain.events import Event
from pet.domain.ids import FileId, ObjectId, UserId
from pet.domain.paging import Page, Position
from pet.domain.profiles import Edit, Preferences, Profile, SocialLinks
from pet.domain.stats import Stats
from pet.domain.texts import identity_key, search_words
from pet.domain.times import from_milliseconds, to_milliseconds
from pet.domain.viewers import Role
from pet.storage.coalescing import Coalescing
from pet.storage.sql.database import Database, Row, Statements
from pet.storage.sql.delivery import store_events

_LAST_BYTE = b"\xff"
"""Sorts after every word with the same beginning, so that a prefix becomes a range that the index can answer."""


class SqlProfiles:
    """Keeps profiles in the tables `profile` and `profile_word`."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.USER)
        self._by_id = Coalescing[UserId, Profile](self._read_by_id)
        self._by_username = Coalescing[str, Profile](self._read_by_username)

    async def get_many(self, user_ids: Sequence[UserId]) -> Mapping[UserId, Profile]:
        """See `Profiles.get_many`."""
        return await self._by_id.get_many(user_ids)

    async def find_by_username(self, username: str) -> Profile | None:
        """See `Profiles.find_by_username`."""
        return await self._by_username.get(identity_key(username))

    async def _read_by_id(self, user_ids: Sequence[UserId]) -> Mapping[UserId, Profile]:
        is_wanted, values = self._db.among("user_id", user_ids)
        rows = await self._db.rows(f"SELECT * FROM profile WHERE {is_wanted}", *values)
        return {UserId(row["user_id"]): _from_row(row) for row in rows}

    async def _read_by_username(self, username_keys: Sequence[str]) -> Mapping[str, Profile]:
        is_wanted, values = self._db.among("username_key", username_keys)
        rows = await self._db.rows(f"SELECT * FROM profile WHERE {is_wanted}", *values)
        return {row["username_key"]: _from_row(row) for row in rows}

    async def page(
        self, *, after: Position | None, limit: int, search: str | None = None, exclude: UserId | None = None
    ) -> Page[Profile]:
        """See `Profiles.page`."""
        conditions, values = _filter(search, exclude)
        if after:
            conditions.append("(created_ms, user_id) < (?, ?)")
            values += [to_milliseconds(after.at), after.id]
        select = f"SELECT * FROM profile{_where(conditions)} ORDER BY created_ms DESC, user_id DESC LIMIT ?"
        rows = await self._db.rows(select, *values, limit + 1)
        return Page.cut([_from_row(row) for row in rows], limit)

    async def count(self, *, search: str | None = None, exclude: UserId | None = None) -> int:
        """See `Profiles.count`."""
        conditions, values = _filter(search, exclude)
        row = await self._db.row(f"SELECT count(*) AS n FROM profile{_where(conditions)}", *values)
        return int(row["n"]) if row else 0

    async def edit(self, user_id: UserId, edit: Edit) -> tuple[Profile, Sequence[Event]]:
        """See `Profiles.edit`."""

        async def work(sql: Statements) -> tuple[Profile, Sequence[Event]]:
            row = await sql.row(f"SELECT * FROM profile WHERE user_id = ?{sql.for_update}", user_id)
            if row is None:
                raise NotFound("User not found")
            before = _from_row(row)
            after, events = edit(before)
            if after.cover_file_id and after.cover_file_id != before.cover_file_id:
                await _require_image(sql, after)
            if events:
                await _write(sql, before, after)
                await store_events(sql, events)
            return after, events

        return await self._db.atomically(work)


async def _require_image(sql: Statements, profile: Profile) -> None:
    """Lock the new cover image, lest it goes between the check and the commit."""
    select = f"SELECT 1 AS found FROM file WHERE file_id = ? AND user_id = ?{sql.for_update}"
    if await sql.row(select, profile.cover_file_id, profile.user_id) is None:
        raise NotFound("Image not found", field="coverImageUrl")


async def insert_profile(sql: Statements, profile: Profile) -> bool:
    """Insert a profile and the words that find it, unless it or its name is there; tell whether it was inserted."""
    identity = {
        "user_id": profile.user_id,
        "object_id": profile.object_id,
        "username": profile.username,
        "username_key": identity_key(profile.username),
        "role": profile.role.value,
        "created_ms": to_milliseconds(profile.created_at),
        "tracks": 0,
        "followers": 0,
        "following": 0,
        "plays": 0,
    }
    if not await sql.insert_new("profile", identity | _editable(profile)):
        return False
    await _write_words(sql, profile)
    return True


async def _write(sql: Statements, before: Profile, after: Profile) -> None:
    columns = _editable(after)
    assignments = ", ".join(f"{column} = ?" for column in columns)
    await sql.run(f"UPDATE profile SET {assignments} WHERE user_id = ?", *columns.values(), after.user_id)
    if after.display_name != before.display_name:
        await sql.run("DELETE FROM profile_word WHERE user_id = ?", after.user_id)
        await _write_words(sql, after)


async def _write_words(sql: Statements, profile: Profile) -> None:
    for word in sorted(search_words(profile.username, profile.display_name)):
        await sql.insert("profile_word", {"word": word.encode(), "user_id": profile.user_id})


def _filter(search: str | None, exclude: UserId | None) -> tuple[list[str], list[object]]:
    conditions: list[str] = []
    values: list[object] = []
    if search:
        conditions.append("user_id IN (SELECT user_id FROM profile_word WHERE word >= ? AND word < ?)")
        values += [search.encode(), search.encode() + _LAST_BYTE]
    if exclude:
        conditions.append("user_id <> ?")
        values.append(exclude)
    return conditions, values


def _where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _editable(profile: Profile) -> Row:
    return {
        "display_name": profile.display_name,
        "bio": profile.bio,
        "location": profile.location,
        "genres": orjson.dumps(profile.genres).decode(),
        "instruments": orjson.dumps(profile.instruments).decode(),
        "youtube": profile.social_links.youtube,
        "vk": profile.social_links.vk,
        "telegram": profile.social_links.telegram,
        "email_notifications": profile.preferences.email_notifications,
        "show_online_status": profile.preferences.show_online_status,
        "is_private": profile.preferences.private_profile,
        "cover_file_id": profile.cover_file_id,
        "updated_ms": to_milliseconds(profile.updated_at),
    }


def _from_row(row: Row) -> Profile:
    return Profile(
        object_id=ObjectId(row["object_id"]),
        user_id=UserId(row["user_id"]),
        username=row["username"],
        role=Role(row["role"]),
        created_at=from_milliseconds(row["created_ms"]),
        updated_at=from_milliseconds(row["updated_ms"]),
        display_name=row["display_name"],
        bio=row["bio"],
        location=row["location"],
        genres=tuple(orjson.loads(row["genres"])),
        instruments=tuple(orjson.loads(row["instruments"])),
        social_links=SocialLinks(youtube=row["youtube"], vk=row["vk"], telegram=row["telegram"]),
        preferences=Preferences(
            email_notifications=bool(row["email_notifications"]),
            show_online_status=bool(row["show_online_status"]),
            private_profile=bool(row["is_private"]),
        ),
        stats=Stats(tracks=row["tracks"], followers=row["followers"], following=row["following"], plays=row["plays"]),
        avatar_file_id=FileId(row["avatar_file_id"]) if row["avatar_file_id"] else None,
        cover_file_id=FileId(row["cover_file_id"]) if row["cover_file_id"] else None,
    )
