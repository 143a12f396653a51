"""Profiles: what a person shows of themselves, and the rules for changing it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Protocol

from pet.domain.delivery import Delivery
from pet.domain.errors import Invalid
from pet.domain.events import Event, UserUpdated
from pet.domain.ids import FileId, ObjectId, UserId
from pet.domain.paging import Page, Position
from pet.domain.permissions import require_acting_for
from pet.domain.plain_profiles import PlainPerson, PlainProfile
from pet.domain.stats import Stats
from pet.domain.texts import (
    MAX_BIO,
    MAX_LINK,
    MAX_LOCATION,
    MAX_NAME,
    checked_tags,
    checked_text,
    search_key,
)
from pet.domain.times import Clock
from pet.domain.viewers import Role, Viewer

SOCIAL_NETWORKS = ("youtube", "vk", "telegram")
_LINK = re.compile(r"https?://[^\s<>\"]+\.[^\s<>\"]+|@[\w.-]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SocialLinks:
    """Where else a person is found: http(s) URLs or @names."""

    youtube: str | None = None
    vk: str | None = None
    telegram: str | None = None


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a person wishes; shown to them alone. The defaults are those of a new profile."""

    email_notifications: bool = True
    show_online_status: bool = True
    private_profile: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """A person on the network, whole. What a viewer may see of it is `visibility.ProfileView`."""

    object_id: ObjectId
    user_id: UserId
    username: str
    role: Role
    created_at: datetime
    updated_at: datetime
    display_name: str | None = None
    bio: str | None = None
    location: str | None = None
    genres: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    social_links: SocialLinks = field(default_factory=SocialLinks)
    preferences: Preferences = field(default_factory=Preferences)
    stats: Stats = field(default_factory=Stats)
    avatar_file_id: FileId | None = None
    cover_file_id: FileId | None = None

    @property
    def is_private(self) -> bool:
        """Whether only accepted followers see more than the card."""
        return self.preferences.private_profile


class Unset(Enum):
    """Says that a field of a change is absent, as opposed to null, which clears it."""

    UNSET = "unset"


UNSET = Unset.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChange:
    """What to change: absent keeps, None clears. Links and preferences merge by key, lists replace.

    `cover_file_id` must already be known to be an image of the profile's own.
    """

    display_name: str | Unset | None = UNSET
    bio: str | Unset | None = UNSET
    location: str | Unset | None = UNSET
    genres: Sequence[str] | Unset | None = UNSET
    instruments: Sequence[str] | Unset | None = UNSET
    social_links: Mapping[str, str | None] | Unset | None = UNSET
    preferences: Mapping[str, bool | None] | Unset | None = UNSET
    cover_file_id: FileId | Unset | None = UNSET


Edit = Callable[[Profile], tuple[Profile, Sequence[Event]]]


class Profiles(Protocol):
    """Keeps profiles. Lists are newest first; equal times order by user id, descending."""

    async def get_many(self, user_ids: Sequence[UserId]) -> Mapping[UserId, Profile]:
        """Return the profiles that exist, by user id; at most 1,000 ids."""

    async def find_by_username(self, username: str) -> Profile | None:
        """Return the profile with that username, without regard to case."""

    async def plain_page(
        self, *, after: Position | None, limit: int, search: str | None = None, exclude: UserId | None = None
    ) -> Page[PlainProfile]:
        """Return profiles in plain values, newest first.

        Args:
            search: the beginning of a username or of a word of a display name, in the form of `texts.search_key`.
            exclude: a user to leave out.
        """

    async def plain_many(self, user_ids: Sequence[UserId]) -> Mapping[UserId, PlainProfile]:
        """Return the profiles that exist in plain values, by user id; at most 1,000 ids."""

    async def find_person(self, user_id: UserId) -> PlainPerson | None:
        """Return a profile in plain values with whom the person follows, or None."""

    async def find_person_by_username(self, username: str) -> PlainPerson | None:
        """Return the same of the person with that username, without regard to case, or None."""

    async def count(self, *, search: str | None = None, exclude: UserId | None = None) -> int:
        """Return how many profiles the same list has as a whole."""

    async def edit(self, user_id: UserId, edit: Edit) -> tuple[Profile, Sequence[Event]]:
        """Change a profile by a pure function and store its events, in one transaction that no other edit interleaves.

        `stats`, `role`, `avatar_file_id` and the identity are not written. `edit` may be called again after a conflict.
        What it raises is passed on, and nothing is changed.

        Raises:
            NotFound: there is no such profile, or its new cover image is gone.
        """


class ProfileService:
    """Finds and changes profiles."""

    def __init__(self, profiles: Profiles, delivery: Delivery, clock: Clock) -> None:
        self._profiles = profiles
        self._delivery = delivery
        self._clock = clock

    async def find(self, user_id: UserId) -> Profile | None:
        """Return one profile, or None."""
        return (await self._profiles.get_many([user_id])).get(user_id)

    async def find_by_username(self, username: str) -> Profile | None:
        """Return the profile with that username, without regard to case, or None."""
        return await self._profiles.find_by_username(username)

    async def get_many(self, user_ids: Sequence[UserId]) -> Mapping[UserId, Profile]:
        """Return the profiles that exist, by user id."""
        return await self._profiles.get_many(user_ids)

    async def plain_page(
        self, *, after: Position | None, limit: int, search: str | None = None, exclude: UserId | None = None
    ) -> Page[PlainProfile]:
        """Return people in plain values, newest first; a blank search finds everyone."""
        return await self._profiles.plain_page(after=after, limit=limit, search=_search(search), exclude=exclude)

    async def plain_many(self, user_ids: Sequence[UserId]) -> Mapping[UserId, PlainProfile]:
        """Return the profiles that exist in plain values, by user id."""
        return await self._profiles.plain_many(user_ids)

    async def find_person(self, user_id: UserId) -> PlainPerson | None:
        """Return a profile in plain values with whom the person follows, whoever may see that, or None."""
        return await self._profiles.find_person(user_id)

    async def find_person_by_username(self, username: str) -> PlainPerson | None:
        """Return the same of the person with that username, without regard to case, or None."""
        return await self._profiles.find_person_by_username(username)

    async def count(self, *, search: str | None = None, exclude: UserId | None = None) -> int:
        """Return how many people the same list has as a whole."""
        return await self._profiles.count(search=_search(search), exclude=exclude)

    async def update(self, viewer: Viewer, user_id: UserId, change: ProfileChange) -> None:
        """Change a profile of the viewer's own (or, for an admin, anyone's).

        Raises:
            Forbidden: it is someone else's.
            Invalid: a field is malformed; nothing is changed.
            NotFound: there is no such profile.
        """
        require_acting_for(viewer, user_id, "You may change your own profile only.")

        def edit(profile: Profile) -> tuple[Profile, Sequence[Event]]:
            return edited(profile, change, self._clock())

        _, events = await self._profiles.edit(user_id, edit)
        await self._delivery.deliver(events)


def edited(profile: Profile, change: ProfileChange, now: datetime) -> tuple[Profile, Sequence[Event]]:
    """Return the profile after a change, with the event that tells of it.

    A change that changes nothing has no event.
    """
    changed = replace(
        profile,
        display_name=_text(change.display_name, profile.display_name, "displayName", MAX_NAME),
        bio=_text(change.bio, profile.bio, "bio", MAX_BIO, multiline=True),
        location=_text(change.location, profile.location, "location", MAX_LOCATION),
        genres=_tags(change.genres, profile.genres, "genres"),
        instruments=_tags(change.instruments, profile.instruments, "instruments"),
        social_links=_links(change.social_links, profile.social_links),
        preferences=_preferences(change.preferences, profile.preferences),
        cover_file_id=profile.cover_file_id if change.cover_file_id is UNSET else change.cover_file_id,
    )
    if changed == profile:
        return profile, ()
    event = UserUpdated(
        user_id=profile.user_id,
        occurred_at=now,
        is_news=replace(changed, preferences=profile.preferences) != profile,
        went_public=profile.is_private and not changed.is_private,
    )
    return replace(changed, updated_at=now), (event,)


def _search(text: str | None) -> str | None:
    if text is None:
        return None
    if len(text) > MAX_NAME:
        raise Invalid(f"search must be at most {MAX_NAME} characters long.", field="search")
    return search_key(text.strip()) or None


def _text(
    value: str | Unset | None, current: str | None, field: str, limit: int, *, multiline: bool = False
) -> str | None:
    if isinstance(value, Unset):
        return current
    return None if value is None else checked_text(value, field=field, limit=limit, multiline=multiline)


def _tags(value: Sequence[str] | Unset | None, current: tuple[str, ...], field: str) -> tuple[str, ...]:
    if isinstance(value, Unset):
        return current
    return checked_tags(list(value or ()), field=field)


def _links(value: Mapping[str, str | None] | Unset | None, current: SocialLinks) -> SocialLinks:
    if isinstance(value, Unset):
        return current
    if value is None:
        return SocialLinks()
    known = {network: _link(network, value[network]) for network in SOCIAL_NETWORKS if network in value}
    return replace(current, **known)


def _link(network: str, value: str | None) -> str | None:
    field = f"socialLinks.{network}"
    text = None if value is None else checked_text(value, field=field, limit=MAX_LINK)
    if text and not _LINK.fullmatch(text):
        raise Invalid(f"{field} must be an http(s) URL or an @name.", field=field)
    return text


def _preferences(value: Mapping[str, bool | None] | Unset | None, current: Preferences) -> Preferences:
    if isinstance(value, Unset):
        return current
    if value is None:
        return Preferences()
    defaults = Preferences()
    names = ("email_notifications", "show_online_status", "private_profile")
    given = {name: value[name] for name in names if name in value}
    return replace(current, **{name: getattr(defaults, name) if flag is None else flag for name, flag in given.items()})
