"""`Projections` in SQL: what events cause, and the mark that they have caused it, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from pet.domain.effects import (
    AcceptRequests,
    AddPlay,
    AddStats,
    AnnounceProfile,
    AnnounceTrack,
    CreateProfile,
    Effect,
    PurgeUser,
    RetractTrack,
    SetRole,
)
from pet.domain.errors import Service
from pet.domain.events import Event
from pet.domain.feed import MERGE_WINDOW, Action
from pet.domain.follows import FollowState
from pet.domain.ids import new_object_id
from pet.domain.profiles import Profile
from pet.domain.times import Clock, to_milliseconds
from pet.storage.sql.database import Database, Statements
from pet.storage.sql.profiles import insert_profile


class SqlProjections:
    """Applies effects to the tables of the documents, once per event."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database.speaking_for(Service.USER)
        self._clock = clock

    async def apply(self, event: Event, effects: Sequence[Effect]) -> bool:
        """See `Projections.apply`."""

        async def work(sql: Statements) -> bool:
            mark = {"event_id": event.event_id, "applied_ms": to_milliseconds(self._clock())}
            if not await sql.insert_new("applied_event", mark):
                return False
            for effect in effects:
                await _apply(effect, sql)
            return True

        return await self._db.atomically(work)


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
    await insert_profile(sql, profile)


@_apply.register
async def _(effect: SetRole, sql: Statements) -> None:
    await sql.run("UPDATE profile SET role = ? WHERE user_id = ?", effect.role.value, effect.user_id)


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
    if await sql.row("SELECT 1 AS found FROM file WHERE file_id = ?", effect.file_id):
        await _announce(sql, effect.user_id, Action.TRACK_PUBLISHED, effect.file_id, to_milliseconds(effect.at))


@_apply.register
async def _(effect: AnnounceProfile, sql: Statements) -> None:
    now = to_milliseconds(effect.at)
    recent = "DELETE FROM activity WHERE actor_id = ? AND action = ? AND created_ms > ? AND created_ms <= ?"
    since = to_milliseconds(effect.at - MERGE_WINDOW)
    await sql.run(recent, effect.user_id, Action.PROFILE_UPDATED.value, since, now)
    await _announce(sql, effect.user_id, Action.PROFILE_UPDATED, None, now)


@_apply.register
async def _(effect: RetractTrack, sql: Statements) -> None:
    await sql.run("DELETE FROM activity WHERE track_id = ?", effect.file_id)


@_apply.register
async def _(effect: AcceptRequests, sql: Statements) -> None:
    pending, following = FollowState.PENDING.value, FollowState.FOLLOWING.value
    waiting = "SELECT follower_id FROM follow WHERE following_id = ? AND state = ?"
    count = f"UPDATE profile SET following = following + 1 WHERE user_id IN ({waiting})"
    await sql.run(count, effect.user_id, pending)
    accept = "UPDATE follow SET state = ? WHERE following_id = ? AND state = ?"
    accepted = await sql.run(accept, following, effect.user_id, pending)
    await sql.run("UPDATE profile SET followers = followers + ? WHERE user_id = ?", accepted, effect.user_id)


@_apply.register
async def _(effect: PurgeUser, sql: Statements) -> None:
    user_id, following = effect.user_id, FollowState.FOLLOWING.value
    for counter, mine, other in (
        ("followers", "follower_id", "following_id"),
        ("following", "following_id", "follower_id"),
    ):
        edges = f"SELECT {other} FROM follow WHERE {mine} = ? AND state = ?"
        update = f"UPDATE profile SET {counter} = {counter} - 1 WHERE user_id IN ({edges})"
        await sql.run(update, user_id, following)
        await sql.run(f"DELETE FROM follow WHERE {mine} = ?", user_id)
    await sql.run("DELETE FROM activity WHERE actor_id = ?", user_id)
    await sql.run("DELETE FROM profile_word WHERE user_id = ?", user_id)
    await sql.run("DELETE FROM profile WHERE user_id = ?", user_id)


async def _announce(sql: Statements, actor_id: str, action: Action, track_id: str | None, at_ms: int) -> None:
    record = {
        "object_id": new_object_id(),
        "actor_id": actor_id,
        "action": action.value,
        "track_id": track_id,
        "created_ms": at_ms,
    }
    await sql.insert("activity", record)
