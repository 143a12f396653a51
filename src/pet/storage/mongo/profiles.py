"""`Profiles` in MongoDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial

import orjson

from pet.domain.errors import NotFound, Service
from pet.domain.events import Event
from pet.domain.ids import FileId, ObjectId, UserId
from pet.domain.paging import Page, Position
from pet.domain.plain_profiles import PlainPerson, PlainProfile
from pet.domain.profiles import Edit, Preferences, Profile, SocialLinks
from pet.domain.stats import Stats
from pet.domain.texts import identity_key
from pet.domain.times import from_milliseconds, to_milliseconds
from pet.domain.viewers import Role
from pet.storage.coalescing import Coalescing
from pet.storage.mongo.database import Database
from pet.storage.mongo.delivery import store_events
from pet.storage.mongo.documents import LOCK, FileDocument, ProfileDocument, fields_of
from pet.storage.mongo.follows import followed_by
from pet.storage.mongo.lists import NEWEST_FIRST, older_than
from pet.storage.mongo.names import EVERYONE, beginnings_of, count_in, people_found_by, recount
from pet.storage.mongo.operations import Operations, Row

_SHOWN = fields_of(ProfileDocument, without=("username_key", "beginnings", "locks"))
_EDITED = {**_SHOWN, "beginnings": 1}

PEOPLE = 100
"""Of one read that also lists whom they follow, who may be many."""


class MongoProfiles:
    """Keeps profiles in the collection `profiles`, and their names as `names.py` tells."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.USER)
        self._by_id = Coalescing[UserId, Profile](self._read_by_id)
        self._by_username = Coalescing[str, Profile](self._read_by_username)
        self._plain = Coalescing[UserId, PlainProfile](self._read_plain)
        self._people = Coalescing[str, PlainPerson](partial(self._read_people, "_id"), most=PEOPLE)
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

    async def _read_plain(self, user_ids: Sequence[UserId]) -> Mapping[UserId, PlainProfile]:
        return {UserId(row["_id"]): _plain(row) for row in await self._rows(user_ids)}

    async def _read_people(self, key: str, values: Sequence[str]) -> Mapping[str, PlainPerson]:
        fields = {**_SHOWN, "username_key": 1}
        rows = await self._db.run(lambda mongo: mongo.rows(ProfileDocument, {key: {"$in": values}}, fields=fields))
        followed = await followed_by(self._db, [UserId(row["_id"]) for row in rows])
        return {row[key]: PlainPerson(_plain(row), orjson.dumps(followed[UserId(row["_id"])]).decode()) for row in rows}

    async def _read_by_id(self, user_ids: Sequence[UserId]) -> Mapping[UserId, Profile]:
        return {UserId(row["_id"]): _from_row(row) for row in await self._rows(user_ids)}

    async def _rows(self, user_ids: Sequence[UserId]) -> Sequence[Row]:
        where = {"_id": {"$in": user_ids}}
        return await self._db.run(lambda mongo: mongo.rows(ProfileDocument, where, fields=_SHOWN))

    async def _read_by_username(self, username_keys: Sequence[str]) -> Mapping[str, Profile]:
        where = {"username_key": {"$in": username_keys}}
        fields = {**_SHOWN, "username_key": 1}
        rows = await self._db.run(lambda mongo: mongo.rows(ProfileDocument, where, fields=fields))
        return {row["username_key"]: _from_row(row) for row in rows}

    async def plain_page(
        self, *, after: Position | None, limit: int, search: str | None = None, exclude: UserId | None = None
    ) -> Page[PlainProfile]:
        """See `Profiles.plain_page`."""
        found = {"beginnings": search} if search else {}
        rows = await self._newest({**found, **_others(exclude), **older_than(after)}, limit + 1)
        return Page.cut([_plain(row) for row in rows], limit)

    async def _newest(self, where: Row, limit: int) -> Sequence[Row]:
        return await self._db.run(
            lambda mongo: mongo.rows(ProfileDocument, where, fields=_SHOWN, sort=NEWEST_FIRST, limit=limit)
        )

    async def count(self, *, search: str | None = None, exclude: UserId | None = None) -> int:
        """See `Profiles.count`."""
        counted = await self._db.run(lambda mongo: people_found_by(mongo, search or EVERYONE))
        return counted - 1 if exclude and await self._is_found(exclude, search) else counted

    async def _is_found(self, user_id: UserId, search: str | None) -> bool:
        where = {"_id": user_id, **({"beginnings": search} if search else {})}
        return await self._db.run(lambda mongo: mongo.row(ProfileDocument, where, fields={"_id": 1})) is not None

    async def edit(self, user_id: UserId, edit: Edit) -> tuple[Profile, Sequence[Event]]:
        """See `Profiles.edit`."""

        async def work(mongo: Operations) -> tuple[Profile, Sequence[Event]]:
            row = await mongo.row(ProfileDocument, {"_id": user_id}, fields=_EDITED)
            if row is None:
                raise NotFound("User not found")
            before = _from_row(row)
            after, events = edit(before)
            if after.cover_file_id and after.cover_file_id != before.cover_file_id:
                await _require_image(mongo, after)
            if events:
                await store_events(mongo, events)
                await _write(mongo, row, after)
            return after, events

        return await self._db.atomically(work)


async def _require_image(mongo: Operations, profile: Profile) -> None:
    """Lock the new cover image, lest it goes between the check and the commit."""
    if not await mongo.update(FileDocument, {"_id": profile.cover_file_id, "user_id": profile.user_id}, LOCK):
        raise NotFound("Image not found", field="coverImageUrl")


async def insert_profile(mongo: Operations, profile: Profile) -> None:
    """Insert a profile that is found by its name, unless it is there."""
    found_by = beginnings_of(profile.username, profile.display_name)
    identity = {
        "_id": profile.user_id,
        "object_id": profile.object_id,
        "username": profile.username,
        "username_key": identity_key(profile.username),
        "role": profile.role.value,
        "avatar_file_id": None,
        "created_ms": to_milliseconds(profile.created_at),
        "stats": asdict(Stats()),
        "locks": 0,
        "beginnings": found_by,
    }
    if await mongo.insert_new(ProfileDocument, identity | _editable(profile)):
        await count_in(mongo, profile.user_id, found_by)


async def _write(mongo: Operations, before: Row, after: Profile) -> None:
    """Write what an edit has changed; the username is that of before, which no edit changes."""
    change = _editable(after)
    is_renamed = after.display_name != before["display_name"]
    if is_renamed:
        change["beginnings"] = beginnings_of(before["username"], after.display_name)
    await mongo.update(ProfileDocument, {"_id": before["_id"]}, {"$set": change})
    if is_renamed:
        await recount(mongo, before["_id"], before=before["beginnings"], after=change["beginnings"])


def _others(exclude: UserId | None) -> Row:
    return {"_id": {"$ne": exclude}} if exclude else {}


def _editable(profile: Profile) -> Row:
    return {
        "display_name": profile.display_name,
        "bio": profile.bio,
        "location": profile.location,
        "genres": profile.genres,
        "instruments": profile.instruments,
        "social_links": asdict(profile.social_links),
        "preferences": asdict(profile.preferences),
        "cover_file_id": profile.cover_file_id,
        "updated_ms": to_milliseconds(profile.updated_at),
    }


def _from_row(row: Row) -> Profile:
    return Profile(
        object_id=ObjectId(row["object_id"]),
        user_id=UserId(row["_id"]),
        username=row["username"],
        role=Role(row["role"]),
        created_at=from_milliseconds(row["created_ms"]),
        updated_at=from_milliseconds(row["updated_ms"]),
        display_name=row["display_name"],
        bio=row["bio"],
        location=row["location"],
        genres=tuple(row["genres"]),
        instruments=tuple(row["instruments"]),
        social_links=SocialLinks(**row["social_links"]),
        preferences=Preferences(**row["preferences"]),
        stats=Stats(**row["stats"]),
        avatar_file_id=FileId(row["avatar_file_id"]) if row["avatar_file_id"] else None,
        cover_file_id=FileId(row["cover_file_id"]) if row["cover_file_id"] else None,
    )


def _plain(row: Row) -> PlainProfile:
    preferences = row["preferences"]
    return PlainProfile(
        user_id=row["_id"],
        object_id=row["object_id"],
        username=row["username"],
        role=row["role"],
        display_name=row["display_name"],
        bio=row["bio"],
        location=row["location"],
        genres=orjson.dumps(row["genres"]).decode(),
        instruments=orjson.dumps(row["instruments"]).decode(),
        **row["social_links"],
        email_notifications=preferences["email_notifications"],
        show_online_status=preferences["show_online_status"],
        is_private=preferences["private_profile"],
        avatar_file_id=row["avatar_file_id"],
        cover_file_id=row["cover_file_id"],
        **row["stats"],
        created_ms=row["created_ms"],
        updated_ms=row["updated_ms"],
    )
