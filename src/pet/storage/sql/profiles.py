"""`Profiles` in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial

import orjson

from pet.domain.errors import NotFound, Service
from pet.domain.events import Event
from pet.domain.follows import FollowState
from pet.domain.ids import UserId
from pet.domain.paging import Page, Position
from pet.domain.plain_profiles import PlainPerson, PlainProfile
from pet.domain.profiles import Edit, Preferences, Profile, SocialLinks
from pet.domain.stats import Stats
from pet.domain.texts import identity_key, search_words
from pet.domain.times import from_milliseconds, to_milliseconds
from pet.domain.viewers import Role
from pet.storage.coalescing import Coalescing
from pet.storage.sql.database import Database, Row, Statements
from pet.storage.sql.delivery import store_events
from pet.storage.sql.names import EVERYONE, add_names, change_names

_PLAIN = ", ".join(PlainProfile._fields)
"""Columns of the table have the names of the plain values."""

_FOLLOWED = """(SELECT coalesce(json_group_array(following_id), '[]') FROM (
    SELECT following_id FROM follow WHERE follower_id = profile.user_id AND state = ?
    ORDER BY created_ms DESC, object_id DESC
) AS list)"""
"""Whom someone follows, as the text of a JSON array."""

_ROLES = {role.value: role for role in Role}

PEOPLE = 100
"""Of one read that also lists whom they follow, who may be many."""

_NEWEST_FIRST = "ORDER BY created_ms DESC, user_id DESC"


class SqlProfiles:
    """Keeps profiles in the table `profile`, and their names as `names.py` tells."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.USER)
        self._by_id = Coalescing[UserId, Profile](self._read_by_id)
        self._by_username = Coalescing[str, Profile](self._read_by_username)
        self._plain = Coalescing[UserId, PlainProfile](self._read_plain)
        self._people = Coalescing[str, PlainPerson](partial(self._read_people, "user_id"), most=PEOPLE)
        self._people_by_username = Coalescing[str, PlainPerson](partial(self._read_people, "username_key"), most=PEOPLE)

    async def get_many(self, user_ids: Sequence[UserId]) -> Mapping[UserId, Profile]:
        """See `Profiles.get_many`."""
        return await self._by_id.get_many(user_ids)

    async def find_by_username(self, username: str) -> Profile | None:
        """See `Profiles.find_by_username`."""
        return await self._by_username.get(identity_key(username))

    async def plain_many(self, user_ids: Sequence[UserId]) -> Mapping[UserId, PlainProfile]:
        """See `Profiles.plain_many`."""
        return await self._plain.get_many(user_ids)

    async def find_person(self, user_id: UserId) -> PlainPerson | None:
        """See `Profiles.find_person`."""
        return await self._people.get(user_id)

    async def find_person_by_username(self, username: str) -> PlainPerson | None:
        """See `Profiles.find_person_by_username`."""
        return await self._people_by_username.get(identity_key(username))

    async def _read_people(self, key: str, values: Sequence[str]) -> Mapping[str, PlainPerson]:
        select = f"SELECT {key}, {_FOLLOWED}, {_PLAIN} FROM profile WHERE {key} IN ?"
        records = await self._db.records(select, FollowState.FOLLOWING.value, [*values])
        return {found: PlainPerson(PlainProfile(*profile), following) for found, following, *profile in records}

    async def _read_plain(self, user_ids: Sequence[UserId]) -> Mapping[UserId, PlainProfile]:
        records = await self._db.records(f"SELECT {_PLAIN} FROM profile WHERE user_id IN ?", [*user_ids])
        return {profile.user_id: profile for profile in map(PlainProfile._make, records)}

    async def _read_by_id(self, user_ids: Sequence[UserId]) -> Mapping[UserId, Profile]:
        plain = await self._read_plain(user_ids)
        return {user_id: _entity(profile) for user_id, profile in plain.items()}

    async def _read_by_username(self, username_keys: Sequence[str]) -> Mapping[str, Profile]:
        select = f"SELECT username_key, {_PLAIN} FROM profile WHERE username_key IN ?"
        records = await self._db.records(select, [*username_keys])
        return {key: _entity(PlainProfile(*values)) for key, *values in records}

    async def plain_page(
        self, *, after: Position | None, limit: int, search: str | None = None, exclude: UserId | None = None
    ) -> Page[PlainProfile]:
        """See `Profiles.plain_page`."""
        where, values = _where(after=after, search=search, exclude=exclude)
        select = f"SELECT {_PLAIN} FROM profile{where} {_NEWEST_FIRST} LIMIT ?"
        if search:
            found = f"SELECT user_id FROM profile_name{where} {_NEWEST_FIRST} LIMIT ?"
            select = f"SELECT {_PLAIN} FROM profile WHERE user_id IN ({found}) {_NEWEST_FIRST}"
        records = await self._db.records(select, *values, limit + 1)
        return Page.cut([*map(PlainProfile._make, records)], limit)

    async def count(self, *, search: str | None = None, exclude: UserId | None = None) -> int:
        """See `Profiles.count`."""
        beginning = (search or EVERYONE).encode()
        row = await self._db.row("SELECT sum(people) AS n FROM people_count WHERE beginning = ?", beginning)
        counted = int(row["n"] or 0) if row else 0
        return counted - 1 if exclude and await self._is_found(exclude, search) else counted

    async def _is_found(self, user_id: UserId, search: str | None) -> bool:
        if not search:
            return await self._db.row("SELECT 1 AS found FROM profile WHERE user_id = ?", user_id) is not None
        found = "SELECT 1 AS found FROM profile_name WHERE user_id = ? AND beginning = ?"
        return await self._db.row(found, user_id, search.encode()) is not None

    async def edit(self, user_id: UserId, edit: Edit) -> tuple[Profile, Sequence[Event]]:
        """See `Profiles.edit`."""

        async def work(sql: Statements) -> tuple[Profile, Sequence[Event]]:
            row = await sql.row(f"SELECT {_PLAIN} FROM profile WHERE user_id = ?{sql.for_update}", user_id)
            if row is None:
                raise NotFound("User not found")
            before = _entity(PlainProfile(**row))
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
    """Insert a profile and the names that find it, unless it or its name is there; tell whether it was inserted."""
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
    words = search_words(profile.username, profile.display_name)
    await add_names(sql, profile.user_id, to_milliseconds(profile.created_at), words)
    return True


async def _write(sql: Statements, before: Profile, after: Profile) -> None:
    columns = _editable(after)
    assignments = ", ".join(f"{column} = ?" for column in columns)
    await sql.run(f"UPDATE profile SET {assignments} WHERE user_id = ?", *columns.values(), after.user_id)
    if after.display_name != before.display_name:
        old, new = (search_words(profile.username, profile.display_name) for profile in (before, after))
        await change_names(sql, after.user_id, to_milliseconds(after.created_at), before=old, after=new)


def _where(
    *, after: Position | None = None, search: str | None = None, exclude: UserId | None = None
) -> tuple[str, list[object]]:
    """Return the conditions of a page of people, or of names, and their values."""
    conditions, values = list[str](), list[object]()
    for condition, given in (
        ("beginning = ?", (search.encode(),) if search else ()),
        ("user_id <> ?", (exclude,) if exclude else ()),
        ("(created_ms, user_id) < (?, ?)", (to_milliseconds(after.at), after.id) if after else ()),
    ):
        if given:
            conditions.append(condition)
            values += given
    return f" WHERE {' AND '.join(conditions)}" if conditions else "", values


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


def _entity(plain: PlainProfile) -> Profile:
    return Profile(
        object_id=plain.object_id,
        user_id=plain.user_id,
        username=plain.username,
        role=_ROLES[plain.role],
        created_at=from_milliseconds(plain.created_ms),
        updated_at=from_milliseconds(plain.updated_ms),
        display_name=plain.display_name,
        bio=plain.bio,
        location=plain.location,
        genres=tuple(orjson.loads(plain.genres)),
        instruments=tuple(orjson.loads(plain.instruments)),
        social_links=SocialLinks(plain.youtube, plain.vk, plain.telegram),
        preferences=_preferences(plain.email_notifications, plain.show_online_status, plain.is_private),
        stats=Stats(plain.tracks, plain.followers, plain.following, plain.plays),
        avatar_file_id=plain.avatar_file_id or None,
        cover_file_id=plain.cover_file_id or None,
    )


@cache
def _preferences(*flags: bool) -> Preferences:
    """Return one of the eight that there are; SQLite keeps 0 and 1."""
    email_notifications, show_online_status, is_private = map(bool, flags)
    return Preferences(email_notifications, show_online_status, is_private)
