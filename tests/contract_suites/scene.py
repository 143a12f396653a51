"""What the repositories' contracts are told with: a store with every repository over the same data, and its people."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pet.domain.accounts import Account, Accounts
from pet.domain.audit import Audits
from pet.domain.delivery import Projections
from pet.domain.effects import effects_of
from pet.domain.errors import NotFound
from pet.domain.events import Event, FollowCreated, FollowRequested, UserCreated, UserUpdated
from pet.domain.exports import Exports
from pet.domain.feed import Activities
from pet.domain.files import Files, FileType, MediaFile
from pet.domain.follows import Follow, Follows, FollowState, Make
from pet.domain.ids import EventId, FileId, ObjectId, SessionId, UserId, new_object_id, new_uuid7
from pet.domain.login_guard import FamiliarNetworks
from pet.domain.outbox import Outbox
from pet.domain.plays import Plays
from pet.domain.profiles import Edit, Profile, Profiles
from pet.domain.sessions import Session, Sessions
from pet.domain.texts import identity_key
from pet.domain.viewers import Role
from pet.domain.waveforms import Waveforms

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ANN = UserId("ann")
NOBODY = UserId("00000000-0000-7000-8000-000000000000")

T = TypeVar("T")


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Store:
    """Every repository of one engine, over the same data, and what sets a scene through them.

    `outbox` is that of the documents, the first of `outboxes`, and `store_events` stores in it what no change tells of.
    `refusal` is what its engines raise for a record whose key is taken: a bug of ours, hence no error of the domain.
    """

    accounts: Accounts
    sessions: Sessions
    exports: Exports
    networks: FamiliarNetworks
    profiles: Profiles
    files: Files
    follows: Follows
    activities: Activities
    plays: Plays
    waveforms: Waveforms
    outbox: Outbox
    outboxes: Sequence[Outbox]
    store_events: Callable[[Sequence[Event]], Awaitable[None]]
    projections: Projections
    audits: Audits
    refusal: tuple[type[Exception], ...]
    clock: Clock = field(default_factory=Clock)

    async def deliver(self, *events: Event) -> None:
        """Do what events cause, and settle those that are stored."""
        for event in events:
            await self.projections.apply(event, effects_of(event))
            await self.settle(event)

    async def profile(self, username: str, *, minutes: int = 0, is_private: bool = False) -> UserId:
        """Make a profile as a registration does, some minutes after noon."""
        user_id = UserId(new_uuid7())
        await self.deliver(
            UserCreated(user_id=user_id, occurred_at=after(minutes), username=username, role=Role.MUSICIAN.value)
        )
        if is_private:
            await self.set_private(user_id, is_private=True)
        return user_id

    async def set_private(self, user_id: UserId, *, is_private: bool) -> None:
        """Make a profile private or public, without anything that follows from it."""
        _, events = await self.profiles.edit(user_id, editing(is_private=is_private))
        await self.settle(*events)

    async def settle(self, *events: Event) -> None:
        """Mark events as delivered without doing what they cause."""
        for event in events:
            for outbox in self.outboxes:
                if await outbox.settle(event.event_id):
                    break

    async def shown(self, user_id: UserId) -> Profile:
        """Return a profile that must be there."""
        return (await self.profiles.get_many([user_id]))[user_id]

    async def follow(self, follower_id: UserId, following_id: UserId, *, minutes: int = 0) -> Follow:
        """Follow some minutes after noon, and count it."""
        make = following(follower_id, following_id, at=after(minutes))
        follow, events = await self.follows.add(follower_id, following_id, make)
        await self.deliver(*events)
        return follow

    async def block(self, blocker_id: UserId, blocked_id: UserId, *, minutes: int = 0) -> Follow:
        """Block some minutes after noon, and count what that ends."""
        block, events = await self.follows.block(blocking(blocker_id, blocked_id, at=after(minutes)))
        await self.deliver(*events)
        return block

    async def keep(self, file: MediaFile) -> MediaFile:
        """Keep a record without an event of its own."""
        await self.settle(*await self.files.add(file, None))
        return file

    async def found(self, file: MediaFile) -> MediaFile | None:
        """Return a record as it is kept now, or None."""
        return (await self.files.get_many([file.file_id])).get(file.file_id)

    async def pending(self) -> list[Event]:
        """Return every event that waits for its delivery, by its id."""
        waiting = [await outbox.waiting(limit=1000) for outbox in self.outboxes]
        return sorted((stored.event for each in waiting for stored in each), key=lambda event: event.event_id)


def after(minutes: float) -> datetime:
    """Return the moment some minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def stub(user_id: UserId = NOBODY, *, event_id: str | None = None, at: datetime = NOON) -> Event:
    """Return an event that causes nothing."""
    event = UserUpdated(user_id=user_id, occurred_at=at)
    return replace(event, event_id=EventId(event_id)) if event_id else event


def account(username: str, *, email: str | None = None) -> Account:
    """Return an account that is kept nowhere yet."""
    return Account(
        user_id=UserId(new_uuid7()),
        email=email or f"{identity_key(username)}@example.com",
        username=username,
        role=Role.LISTENER,
        password_hash="old hash",
        created_at=NOON,
    )


def session(session_id: str, user_id: str = ANN, *, used: float = 0, days: float = 30) -> Session:
    """Return a session that was last used some minutes after noon."""
    return Session(
        session_id=SessionId(session_id),
        user_id=UserId(user_id),
        token_hash="first",
        previous_hash=None,
        rotated_at=NOON,
        created_at=NOON,
        last_used_at=after(used),
        expires_at=NOON + timedelta(days=days),
        user_agent="Mozilla/5.0 (тест)",
    )


def editing(*, at: datetime = NOON, is_private: bool | None = None, event: Event | None = None, **fields: Any) -> Edit:
    """Return an edit that sets fields of a profile and tells of it."""

    def edit(profile: Profile) -> tuple[Profile, list[Event]]:
        changed = replace(profile, updated_at=at, **fields)
        if is_private is not None:
            changed = replace(changed, preferences=replace(profile.preferences, private_profile=is_private))
        return changed, [event or UserUpdated(user_id=profile.user_id, occurred_at=at)]

    return edit


def media(owner: UserId, kind: FileType, *, minutes: float = 0, **fields: Any) -> MediaFile:
    """Return the record of an image that is kept nowhere yet."""
    file_id = FileId(new_uuid7())
    given: dict[str, Any] = {
        "object_id": new_object_id(),
        "file_id": file_id,
        "user_id": owner,
        "type": kind,
        "original_name": "тема.png",
        "file_name": f"{file_id}.png",
        "mime_type": "image/png",
        "size_bytes": 70,
        "format": "png",
        "created_at": after(minutes),
        "updated_at": after(minutes),
        "width": 4,
        "height": 3,
    }
    return MediaFile(**{**given, **fields})


def track(owner: UserId, *, minutes: float = 0, kind: FileType = FileType.TRACK, **fields: Any) -> MediaFile:
    """Return the record of a track that is kept nowhere yet."""
    sound = {"mime_type": "audio/flac", "format": "flac", "width": None, "height": None}
    facts = {"duration_seconds": 2.25, "bitrate_kbps": 320, "title": "Theme", "artist": "Ann", "album": "First"}
    return media(owner, kind, minutes=minutes, **{**sound, **facts, **fields})


def following(
    follower_id: UserId,
    following_id: UserId,
    *,
    at: datetime = NOON,
    object_id: ObjectId | None = None,
    event_id: str | None = None,
) -> Make:
    """Return what makes a follow, as the service does."""

    def make(is_private: bool) -> tuple[Follow, Event]:
        state = FollowState.PENDING if is_private else FollowState.FOLLOWING
        kind = FollowRequested if is_private else FollowCreated
        event = kind(user_id=follower_id, following_id=following_id, occurred_at=at)
        follow = Follow(object_id or new_object_id(), follower_id, following_id, state, at)
        return follow, replace(event, event_id=EventId(event_id)) if event_id else event

    return make


def blocking(blocker_id: UserId, blocked_id: UserId, *, at: datetime = NOON) -> Follow:
    """Return a block that is kept nowhere yet."""
    return Follow(new_object_id(), blocked_id, blocker_id, FollowState.BLOCKED, at)


async def at_once(*attempts: Awaitable[T]) -> list[T | BaseException]:
    """Run attempts at the same time; return what each gave or raised."""
    return await asyncio.gather(*attempts, return_exceptions=True)


async def twenty(attempt: Callable[[], Awaitable[T]]) -> list[T]:
    """Run twenty of the same attempts at the same time; none may fail."""
    return await asyncio.gather(*(attempt() for _ in range(20)))


def kinds(events: Iterable[Event]) -> list[str]:
    """Return the names of events."""
    return [event.name for event in events]


async def everything_at_once(store: Store) -> list[UserId]:
    """Let four people in a circle do, twice at the same moment, all that touches several records; then undo it."""
    people = [await store.profile(f"user{number}") for number in range(4)]
    songs = [await store.keep(track(person)) for person in people]

    async def live(number: int) -> None:
        me, other, song = people[number], people[(number + 1) % 4], songs[number]
        for turn in range(4):
            cover = await store.keep(media(me, FileType.COVER, track_id=song.file_id))
            image = await store.keep(media(me, FileType.COVER, minutes=turn))
            for file in (cover, image):
                with suppress(NotFound):  # a track has one cover, and the last one wins
                    await store.profiles.edit(me, editing(cover_file_id=file.file_id))
            await store.follow(me, other)
            await store.set_private(me, is_private=True)
            for file in (image, cover):
                await store.settle(*await store.files.remove(file.file_id, NOON))
            await store.set_private(me, is_private=False)
            await store.deliver(UserUpdated(user_id=me, occurred_at=after(600), went_public=True, is_news=True))
            await store.deliver(*await store.follows.remove(me, other, only=None, at=NOON))
            for blocker, blocked in ((me, other), (other, me)):
                await store.block(blocker, blocked)
                await store.follows.unblock(blocked, blocker)

    await asyncio.gather(*(live(number) for number in (0, 1, 2, 3, 0, 1, 2, 3)))
    return people
