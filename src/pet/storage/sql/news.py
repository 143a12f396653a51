"""News: what someone did, and how those who follow them come to know of it.

A feed is merged when it is read, from the newest activities of those whom one follows. So that reading costs the same
for ten followees and for ten thousand, each follow knows a time that no activity of the followed one is newer than
(`newest_ms`): the feed reads the follows in that order, and stops where nothing newer can come. The time may be too
late, which costs a look in vain; it must never be too early, which would hide news. Where an author has too many
followers to tell them all in the transaction of the activity, the author is noted as rising: feeds look at rising
authors whatever their follows say, until a job in the background has told every follow.
"""

from __future__ import annotations

from pet.domain.feed import Action
from pet.domain.follows import FollowState
from pet.domain.ids import new_object_id
from pet.storage.sql.database import STEP, Row, Statements

TOLD_AT_ONCE = 500
"""Followers who are told in the transaction of the activity itself: some milliseconds."""

_FOLLOWING = FollowState.FOLLOWING.value


async def announce(sql: Statements, actor_id: str, action: Action, track_id: str | None, at_ms: int) -> None:
    """Store an activity and let the follows of its actor know."""
    record = {
        "object_id": new_object_id(),
        "actor_id": actor_id,
        "action": action.value,
        "track_id": track_id,
        "created_ms": at_ms,
    }
    # The lock: whoever begins to follow takes it as well, and then either sees this activity or is told of it.
    row = await sql.row(f"SELECT followers FROM profile WHERE user_id = ?{sql.for_update}", actor_id)
    await sql.insert("activity", record)
    if row is not None and row["followers"] <= TOLD_AT_ONCE:
        tell = "UPDATE follow SET newest_ms = ? WHERE following_id = ? AND state = ? AND newest_ms < ?"
        await sql.run(tell, at_ms, actor_id, _FOLLOWING, at_ms)
        return
    rise = (
        "INSERT INTO rising (actor_id, newest_ms, after_ms, after_id) VALUES (?, ?, -1, '')"
        " ON CONFLICT (actor_id) DO UPDATE SET after_ms = -1, after_id = '', newest_ms ="
        " CASE WHEN rising.newest_ms > excluded.newest_ms THEN rising.newest_ms ELSE excluded.newest_ms END"
    )
    await sql.run(rise, actor_id, at_ms)


async def newest_of(sql: Statements, actor_id: str) -> int:
    """Return when someone's newest activity was, 0 without any; their profile must be locked."""
    select = "SELECT created_ms FROM activity WHERE actor_id = ? ORDER BY created_ms DESC, object_id DESC LIMIT 1"
    row = await sql.row(select, actor_id)
    return int(row["created_ms"]) if row else 0


async def spread_some(sql: Statements) -> bool:
    """Tell some more follows of one rising author; False when nobody is rising, or somebody else is at it."""
    rising = await sql.row(f"SELECT * FROM rising ORDER BY actor_id LIMIT 1{sql.for_update_unlocked}")
    if rising is None:
        return False
    select = (
        "SELECT created_ms, object_id FROM follow WHERE following_id = ? AND state = ?"
        f" AND (created_ms, object_id) > (?, ?) ORDER BY created_ms, object_id LIMIT {STEP}"
    )
    rows = await sql.rows(select, rising["actor_id"], _FOLLOWING, rising["after_ms"], rising["after_id"])
    if not rows:
        await sql.run("DELETE FROM rising WHERE actor_id = ?", rising["actor_id"])
        return True
    await _tell(sql, rising, rows[-1])
    return True


async def _tell(sql: Statements, rising: Row, last: Row) -> None:
    tell = (
        "UPDATE follow SET newest_ms = ? WHERE following_id = ? AND state = ? AND newest_ms < ?"
        " AND (created_ms, object_id) > (?, ?) AND (created_ms, object_id) <= (?, ?)"
    )
    part = (rising["after_ms"], rising["after_id"], last["created_ms"], last["object_id"])
    await sql.run(tell, rising["newest_ms"], rising["actor_id"], _FOLLOWING, rising["newest_ms"], *part)
    move = "UPDATE rising SET after_ms = ?, after_id = ? WHERE actor_id = ?"
    await sql.run(move, last["created_ms"], last["object_id"], rising["actor_id"])
