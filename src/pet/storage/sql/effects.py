"""`Projections` in SQL: what events cause, and the mark that they have caused it, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial, singledispatch

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
from pet.domain.times import Clock, to_milliseconds
from pet.storage.sql.database import STEP, Database, Statements, in_steps, placeholders
from pet.storage.sql.delivery import store_events
from pet.storage.sql.names import remove_names
from pet.storage.sql.news import announce, newest_of, spread_some
from pet.storage.sql.profiles import insert_profile
from pet.storage.sql.waveforms import want


class SqlProjections:
    """Applies effects to profiles, files, follows and activities, once per event."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database.speaking_for(Service.USER)
        self._clock = clock

    async def apply(self, event: Event, effects: Sequence[Effect]) -> bool:
        """See `Projections.apply`."""

        async def work(sql: Statements) -> bool:
            mark = {"event_id": event.event_id, "applied_ms": to_milliseconds(self._clock())}
            if not await sql.insert_new("applied_event", mark):
                return False
            for effect in _in_order_of_locks(effects):
                await _apply(effect, sql)
            return True

        return await self._db.atomically(work)

    async def accept_requests(self, user_id: UserId, *, asked_by: datetime) -> Sequence[Event]:
        """See `Projections.accept_requests`."""
        return await self._db.atomically(lambda sql: _accept_some(sql, user_id, asked_by, self._clock()))

    async def spread_news(self) -> bool:
        """See `Projections.spread_news`."""
        return await self._db.atomically(spread_some)

    async def purge(self, user_id: UserId) -> None:
        """See `Projections.purge`."""
        now = to_milliseconds(self._clock())
        await self._db.atomically(lambda sql: _remove_profile(sql, user_id, now))
        for counter, mine, other in (
            ("followers", "follower_id", "following_id"),
            ("following", "following_id", "follower_id"),
        ):
            remove = partial(_remove_follows, counter=counter, mine=mine, other=other, user_id=user_id)
            while await self._db.atomically(remove) == STEP:
                pass
        await self._db.delete_in_steps("activity", "object_id", "actor_id = ?", user_id)
        await self._db.delete_in_steps("profile_update", "id", "user_id = ?", user_id)

    async def trim(self, *, before: datetime) -> None:
        """See `Projections.trim`."""
        await self._db.delete_in_steps("applied_event", "event_id", "applied_ms < ?", to_milliseconds(before))
        await self._db.delete_in_steps("profile_update", "id", "updated_ms < ?", to_milliseconds(before))


def _in_order_of_locks(effects: Sequence[Effect]) -> Sequence[Effect]:
    """Return effects with the counters first, by user: two who follow each other would else wait for each other."""
    counters = [effect for effect in effects if isinstance(effect, AddStats)]
    others = [effect for effect in effects if not isinstance(effect, AddStats)]
    return [*sorted(counters, key=lambda effect: effect.user_id), *others]


@singledispatch
async def _apply(effect: object, sql: Statements) -> None:
    raise TypeError(f"{type(effect).__name__} with {sql!r} is no effect")


@_apply.register
async def _(effect: CreateProfile, sql: Statements) -> None:
    profile = Profile(
        object_id=new_object_id(),
        user_id=effect.user_id,
        username=effect.username,
        role=effect.role,
        created_at=effect.at,
        updated_at=effect.at,
    )
    # Held until the profile is there: a purge at the same moment waits at the same mark, and finds what to remove.
    if not await sql.insert_new("applied_event", {"event_id": _purged(effect.user_id), "applied_ms": 0}):
        return
    is_there = await sql.row("SELECT 1 AS found FROM profile WHERE user_id = ?", effect.user_id) is not None
    if not is_there and not await insert_profile(sql, profile):
        raise TooEarly(f"The username of {effect.user_id} is still that of a profile which is being removed.")
    await sql.run("DELETE FROM applied_event WHERE event_id = ?", _purged(effect.user_id))


@_apply.register
async def _(effect: SetRole, sql: Statements) -> None:
    update = "UPDATE profile SET role = ? WHERE user_id = ?"
    if not await sql.run(update, effect.role.value, effect.user_id) and not await _is_purged(sql, effect.user_id):
        raise TooEarly(f"The profile of {effect.user_id} is not made yet.")


@_apply.register
async def _(effect: AddStats, sql: Statements) -> None:
    update = (
        "UPDATE profile SET tracks = tracks + ?, followers = followers + ?, following = following + ?,"
        " plays = plays + ? WHERE user_id = ?"
    )
    delta = effect.delta
    await sql.run(update, delta.tracks, delta.followers, delta.following, delta.plays, effect.user_id)


@_apply.register
async def _(effect: AddPlay, sql: Statements) -> None:
    await sql.run("UPDATE file SET play_count = play_count + 1 WHERE file_id = ?", effect.file_id)


@_apply.register
async def _(effect: AnnounceTrack, sql: Statements) -> None:
    """A track that was deleted before its event was delivered is not announced any more."""
    if await sql.row(f"SELECT 1 AS found FROM file WHERE file_id = ?{sql.for_update}", effect.file_id):
        await announce(sql, effect.user_id, Action.TRACK_PUBLISHED, effect.file_id, to_milliseconds(effect.at))


@_apply.register
async def _(effect: AnnounceProfile, sql: Statements) -> None:
    if not await sql.row(f"SELECT 1 AS found FROM profile WHERE user_id = ?{sql.for_update}", effect.user_id):
        return
    before, now, later = (to_milliseconds(effect.at + step) for step in (-MERGE_WINDOW, timedelta(0), MERGE_WINDOW))
    await sql.insert_new("profile_update", {"user_id": effect.user_id, "updated_ms": now})
    older = "actor_id = ? AND action = ? AND created_ms > ? AND created_ms <= ?"
    await sql.run(f"DELETE FROM activity WHERE {older}", effect.user_id, Action.PROFILE_UPDATED.value, before, now)
    # All updates are remembered, told or not: of two in an hour the later one counts, whichever arrives first.
    newer = "SELECT 1 AS found FROM profile_update WHERE user_id = ? AND updated_ms > ? AND updated_ms < ? LIMIT 1"
    if not await sql.row(newer, effect.user_id, now, later):
        await announce(sql, effect.user_id, Action.PROFILE_UPDATED, None, now)


@_apply.register
async def _(effect: RetractTrack, sql: Statements) -> None:
    await sql.run("DELETE FROM activity WHERE track_id = ?", effect.file_id)


@_apply.register
async def _(effect: WantWaveform, sql: Statements) -> None:
    await want(sql, [effect.file_id], to_milliseconds(effect.at))


@_apply.register
async def _(effect: AbandonBytes, sql: Statements) -> None:
    await sql.insert_new("blob_reservation", {"blob_key": effect.blob_key, "reserved_ms": 0})


async def _accept_some(sql: Statements, user_id: UserId, asked_by: datetime, now: datetime) -> Sequence[Event]:
    """Accept up to `STEP` who asked, the first ones first, and store an event for each."""
    # The profile before its follows, as everyone does who changes both; what it did last is known to all of them.
    await sql.lock("profile", "user_id", user_id)
    newest_ms = await newest_of(sql, user_id)
    some = (
        "SELECT object_id FROM follow WHERE following_id = ? AND state = ? AND created_ms <= ?"
        " ORDER BY created_ms, object_id LIMIT ?"
    )
    pending, following = FollowState.PENDING.value, FollowState.FOLLOWING.value
    asking = [row["object_id"] for row in await sql.rows(some, user_id, pending, to_milliseconds(asked_by), STEP)]
    accept = (
        f"UPDATE follow SET state = ?, newest_ms = ? WHERE state = ? AND object_id IN ({placeholders(asking)})"
        " RETURNING follower_id, created_ms, object_id"
    )
    rows = await sql.rows(accept, following, newest_ms, pending, *asking)
    events = [
        FollowCreated(user_id=UserId(row["follower_id"]), following_id=user_id, occurred_at=now)
        for row in sorted(rows, key=lambda row: (row["created_ms"], row["object_id"]))
    ]
    await store_events(sql, events)
    return events


async def _count(sql: Statements, counter: str, change: int, user_ids: Sequence[str]) -> None:
    for some in in_steps(user_ids):
        update = f"UPDATE profile SET {counter} = {counter} + ? WHERE user_id IN ({placeholders(some)})"
        await sql.run(update, change, *some)


async def _is_purged(sql: Statements, user_id: str) -> bool:
    return await sql.row("SELECT 1 AS found FROM applied_event WHERE event_id = ?", _purged(user_id)) is not None


def _purged(user_id: str) -> str:
    """Name the mark that a user was purged: a creation that is delivered late must not bring the profile back.

    No event has a user's id as its own.
    """
    return user_id


async def _remove_profile(sql: Statements, user_id: str, at_ms: int) -> None:
    await sql.insert_new("applied_event", {"event_id": _purged(user_id), "applied_ms": at_ms})
    if await sql.run("DELETE FROM profile WHERE user_id = ?", user_id):
        await remove_names(sql, user_id)


async def _remove_follows(sql: Statements, *, counter: str, mine: str, other: str, user_id: str) -> int:
    """Remove some follows of one direction, and count them down on the other side; return how many there were."""
    some = f"SELECT object_id, {other} AS other_id FROM follow WHERE {mine} = ? LIMIT {STEP}"
    found = await sql.rows(some, user_id)
    await sql.lock("profile", "user_id", *(row["other_id"] for row in found))
    ids = [row["object_id"] for row in found]
    delete = f"DELETE FROM follow WHERE object_id IN ({placeholders(ids)}) RETURNING {other} AS other_id, state"
    removed = await sql.rows(delete, *ids)
    counted = [row["other_id"] for row in removed if row["state"] == FollowState.FOLLOWING.value]
    await _count(sql, counter, -1, counted)
    return len(found)
