"""`Projections` in MongoDB: what events cause, and the mark that they have caused it, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import singledispatch

from pet.domain.delivery import TooEarly
from pet.domain.effects import (
    AbandonBytes,
    AddPlay,
    AddStats,
    AnnounceProfile,
    AnnounceTrack,
    CreateProfile,
    Effect,
    RetractTrack,
    SetRole,
    WantWaveform,
)
from pet.domain.errors import Service
from pet.domain.events import Event, FollowCreated
from pet.domain.feed import MERGE_WINDOW, Action
from pet.domain.follows import FollowState
from pet.domain.ids import UserId, new_object_id
from pet.domain.profiles import Profile
from pet.domain.texts import identity_key
from pet.domain.times import Clock, to_milliseconds
from pet.storage.mongo.database import STEP, Database
from pet.storage.mongo.delivery import store_events
from pet.storage.mongo.documents import (
    LOCK,
    ActivityDocument,
    AppliedEventDocument,
    BlobReservationDocument,
    FileDocument,
    FollowDocument,
    ProfileDocument,
    ProfileUpdateDocument,
)
from pet.storage.mongo.lists import OLDEST_FIRST, up_to
from pet.storage.mongo.names import count_out
from pet.storage.mongo.news import announce, newest_of, spread_some
from pet.storage.mongo.operations import Operations
from pet.storage.mongo.profiles import insert_profile
from pet.storage.mongo.waveforms import want


class MongoProjections:
    """Applies effects to profiles, files, follows and activities, once per event."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database.speaking_for(Service.USER)
        self._clock = clock

    async def apply(self, event: Event, effects: Sequence[Effect]) -> bool:
        """See `Projections.apply`."""

        async def work(mongo: Operations) -> bool:
            mark = {"_id": event.event_id, "applied_ms": to_milliseconds(self._clock())}
            if not await mongo.insert_new(AppliedEventDocument, mark):
                return False
            for effect in effects:
                await _apply(effect, mongo)
            return True

        return await self._db.atomically(work)

    async def accept_requests(self, user_id: UserId, *, asked_by: datetime) -> Sequence[Event]:
        """See `Projections.accept_requests`."""
        return await self._db.atomically(lambda mongo: _accept_some(mongo, user_id, asked_by, self._clock()))

    async def spread_news(self) -> bool:
        """See `Projections.spread_news`."""
        return await self._db.atomically(spread_some)

    async def purge(self, user_id: UserId) -> None:
        """See `Projections.purge`."""
        now = to_milliseconds(self._clock())
        await self._db.atomically(lambda mongo: _remove_profile(mongo, user_id, now))
        while await self._db.atomically(lambda mongo: _remove_follows(mongo, user_id)):
            pass
        await self._db.delete_in_steps(ActivityDocument, {"actor_id": user_id})
        await self._db.delete_in_steps(ProfileUpdateDocument, {"user_id": user_id})

    async def trim(self, *, before: datetime) -> None:
        """See `Projections.trim`."""
        await self._db.delete_in_steps(AppliedEventDocument, {"applied_ms": {"$lt": to_milliseconds(before)}})
        await self._db.delete_in_steps(ProfileUpdateDocument, {"updated_ms": {"$lt": to_milliseconds(before)}})


@singledispatch
async def _apply(effect: object, mongo: Operations) -> None:
    raise TypeError(f"{type(effect).__name__} with {mongo!r} is no effect")


@_apply.register
async def _(effect: CreateProfile, mongo: Operations) -> None:
    profile = Profile(
        object_id=new_object_id(),
        user_id=effect.user_id,
        username=effect.username,
        role=effect.role,
        created_at=effect.at,
        updated_at=effect.at,
    )
    if await _is_purged(mongo, effect.user_id, to_milliseconds(effect.at)):
        return
    others = {"username_key": identity_key(effect.username), "_id": {"$ne": effect.user_id}}
    if await mongo.row(ProfileDocument, others, fields={"_id": 1}):
        raise TooEarly(f"The username of {effect.user_id} is still that of a profile which is being removed.")
    await insert_profile(mongo, profile)


@_apply.register
async def _(effect: SetRole, mongo: Operations) -> None:
    show = {"$set": {"role": effect.role.value}}
    purged = {"_id": effect.user_id, "is_purged": True}
    if not await mongo.update(ProfileDocument, {"_id": effect.user_id}, show) and not await mongo.row(
        AppliedEventDocument, purged
    ):
        raise TooEarly(f"The profile of {effect.user_id} is not made yet.")


@_apply.register
async def _(effect: AddStats, mongo: Operations) -> None:
    change = {f"stats.{counter}": number for counter, number in asdict(effect.delta).items()}
    await mongo.update(ProfileDocument, {"_id": effect.user_id}, {"$inc": change})


@_apply.register
async def _(effect: AddPlay, mongo: Operations) -> None:
    await mongo.update(FileDocument, {"_id": effect.file_id}, {"$inc": {"play_count": 1}})


@_apply.register
async def _(effect: AnnounceTrack, mongo: Operations) -> None:
    """A track that was deleted before its event was delivered is not announced any more."""
    if await mongo.update(FileDocument, {"_id": effect.file_id}, LOCK):
        await announce(mongo, effect.user_id, Action.TRACK_PUBLISHED, effect.file_id, to_milliseconds(effect.at))


@_apply.register
async def _(effect: AnnounceProfile, mongo: Operations) -> None:
    if not await mongo.update(ProfileDocument, {"_id": effect.user_id}, LOCK):
        return
    before, now, later = (to_milliseconds(effect.at + step) for step in (-MERGE_WINDOW, timedelta(0), MERGE_WINDOW))
    update = {"_id": f"{effect.user_id} {now}", "user_id": effect.user_id, "updated_ms": now}
    await mongo.insert_new(ProfileUpdateDocument, update)
    told = {"actor_id": effect.user_id, "action": Action.PROFILE_UPDATED.value}
    await mongo.delete(ActivityDocument, {**told, "created_ms": {"$gt": before, **up_to(now)}})
    # All updates are remembered, told or not: of two in an hour the later one counts, whichever arrives first.
    newer = {"user_id": effect.user_id, "updated_ms": {"$gt": now, "$lt": later}}
    if not await mongo.row(ProfileUpdateDocument, newer):
        await announce(mongo, effect.user_id, Action.PROFILE_UPDATED, None, now)


@_apply.register
async def _(effect: RetractTrack, mongo: Operations) -> None:
    await mongo.delete(ActivityDocument, {"track_id": effect.file_id})


@_apply.register
async def _(effect: WantWaveform, mongo: Operations) -> None:
    await want(mongo, effect.file_id, to_milliseconds(effect.at))


@_apply.register
async def _(effect: AbandonBytes, mongo: Operations) -> None:
    await mongo.insert_new(BlobReservationDocument, {"_id": effect.blob_key, "reserved_ms": 0})


async def _accept_some(mongo: Operations, user_id: UserId, asked_by: datetime, now: datetime) -> Sequence[Event]:
    """Accept up to `STEP` who asked, the first ones first, and store an event for each."""
    await mongo.update(ProfileDocument, {"_id": user_id}, LOCK)
    newest_ms = await newest_of(mongo, user_id)
    asking = {
        "following_id": user_id,
        "state": FollowState.PENDING.value,
        "created_ms": up_to(to_milliseconds(asked_by)),
    }
    rows = await mongo.rows(FollowDocument, asking, fields={"follower_id": 1}, sort=OLDEST_FIRST, limit=STEP)
    chosen = {"_id": {"$in": [row["_id"] for row in rows]}}
    accepted = {"state": FollowState.FOLLOWING.value, "newest_ms": newest_ms}
    await mongo.update_all(FollowDocument, chosen, {"$set": accepted})
    events = [FollowCreated(user_id=UserId(row["follower_id"]), following_id=user_id, occurred_at=now) for row in rows]
    await store_events(mongo, events)
    return events


async def _count(mongo: Operations, counter: str, change: int, user_ids: Sequence[str]) -> None:
    await mongo.update_all(ProfileDocument, {"_id": {"$in": user_ids}}, {"$inc": {f"stats.{counter}": change}})


async def _is_purged(mongo: Operations, user_id: str, at_ms: int) -> bool:
    """Tell whether a user was purged: a creation that is delivered late must not bring the profile back.

    The user's own mark tells it; it is written, because a purge at the same time writes it too, and one of them gives
    way. No event has a user's id as its own.
    """
    change = {"$setOnInsert": {"applied_ms": at_ms, "is_purged": False}, **LOCK}
    mark = await mongo.replace(AppliedEventDocument, {"_id": user_id}, change, upsert=True)
    return bool(mark and mark["is_purged"])


async def _remove_profile(mongo: Operations, user_id: str, at_ms: int) -> None:
    change = {"$set": {"applied_ms": at_ms, "is_purged": True}, **LOCK}
    await mongo.replace(AppliedEventDocument, {"_id": user_id}, change, upsert=True)
    profile = await mongo.take(ProfileDocument, {"_id": user_id})
    if profile:
        await count_out(mongo, user_id, profile["beginnings"])


async def _remove_follows(mongo: Operations, user_id: str) -> bool:
    """Remove some follows of either direction; tell whether there may be more."""
    removed = 0
    for counter, mine, other in (
        ("followers", "follower_id", "following_id"),
        ("following", "following_id", "follower_id"),
    ):
        rows = await mongo.rows(FollowDocument, {mine: user_id}, fields={other: 1, "state": 1}, limit=STEP)
        if not rows:
            continue
        await mongo.delete(FollowDocument, {"_id": {"$in": [row["_id"] for row in rows]}})
        counted = [row[other] for row in rows if row["state"] == FollowState.FOLLOWING.value]
        await _count(mongo, counter, -1, counted)
        removed += len(rows)
    return removed > 0
