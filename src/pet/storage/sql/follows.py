"""`Follows` in SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from pet.domain.errors import NotFound, Service
from pet.domain.events import Event
from pet.domain.follows import UNDER_FOLLOWERS_CONTROL, Follow, FollowList, FollowState, Make, ending_of
from pet.domain.ids import UserId
from pet.domain.paging import Page, Position
from pet.storage.coalescing import Coalescing
from pet.storage.rows import follow_of, follow_values
from pet.storage.sql.database import Database, Row, Statements, placeholders
from pet.storage.sql.delivery import store_event, store_events
from pet.storage.sql.lists import pages_of_each
from pet.storage.sql.news import newest_of

_LISTS = {
    FollowList.FOLLOWERS: ("following_id", FollowState.FOLLOWING),
    FollowList.FOLLOWING: ("follower_id", FollowState.FOLLOWING),
    FollowList.REQUESTS: ("following_id", FollowState.PENDING),
    FollowList.SENT_REQUESTS: ("follower_id", FollowState.PENDING),
    FollowList.BLOCKS: ("following_id", FollowState.BLOCKED),
}
_PAIR = "follower_id = ? AND following_id = ?"
_ONE = f"SELECT * FROM follow WHERE {_PAIR}"
_BLOCKED = FollowState.BLOCKED.value
_ENDED = [state.value for state in UNDER_FOLLOWERS_CONTROL]


class SqlFollows:
    """Keeps follows in the table `follow`."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.SOCIAL)
        self._followed_by = Coalescing[UserId, Sequence[UserId]](self._read_followed_by, most=100)

    async def add(self, follower_id: UserId, following_id: UserId, make: Make) -> tuple[Follow, Sequence[Event]]:
        """See `Follows.add`."""

        async def work(sql: Statements) -> tuple[Follow, Sequence[Event]]:
            follow, event = make((await _privacy(sql, follower_id, following_id))[following_id])
            # In the other direction: in this one a block is in the way of the insertion.
            block = await sql.row(f"{_ONE} AND state = ?", following_id, follower_id, _BLOCKED)
            if block:
                return _from_row(block), ()
            newest_ms = await newest_of(sql, following_id) if follow.state is FollowState.FOLLOWING else 0
            if not await sql.insert_new("follow", _to_row(follow) | {"newest_ms": newest_ms}):
                return _from_row(await sql.row(_ONE, follower_id, following_id) or _to_row(follow)), ()
            await store_event(sql, event)
            return follow, (event,)

        return await self._db.atomically(work)

    async def accept(self, follower_id: UserId, following_id: UserId, event: Event) -> tuple[Follow | None, bool]:
        """See `Follows.accept`."""

        async def work(sql: Statements) -> tuple[Follow | None, bool]:
            await sql.rows(f"SELECT 1 AS locked FROM profile WHERE user_id = ?{sql.for_update}", following_id)
            newest_ms = await newest_of(sql, following_id)
            update = f"UPDATE follow SET state = ?, newest_ms = ? WHERE {_PAIR} AND state = ?"
            states = (FollowState.FOLLOWING.value, FollowState.PENDING.value)
            is_first = await sql.run(update, states[0], newest_ms, follower_id, following_id, states[1]) == 1
            if is_first:
                await store_event(sql, event)
            row = await sql.row(f"{_ONE} AND state = ?", follower_id, following_id, states[0])
            return (_from_row(row) if row else None), is_first

        return await self._db.atomically(work)

    async def remove(
        self, follower_id: UserId, following_id: UserId, *, only: FollowState | None, at: datetime
    ) -> Sequence[Event]:
        """See `Follows.remove`."""

        async def work(sql: Statements) -> Sequence[Event]:
            states = [only.value] if only else _ENDED
            delete = f"DELETE FROM follow WHERE {_PAIR} AND state IN ({placeholders(states)}) RETURNING *"
            row = await sql.row(delete, follower_id, following_id, *states)
            event = ending_of(_from_row(row), at) if row else None
            if event is None:
                return ()
            await store_event(sql, event)
            return (event,)

        return await self._db.atomically(work)

    async def block(self, block: Follow) -> tuple[Follow, Sequence[Event]]:
        """See `Follows.block`."""
        pair = (block.follower_id, block.following_id)

        async def work(sql: Statements) -> tuple[Follow, Sequence[Event]]:
            await _privacy(sql, *pair)  # both are locked: nobody begins to follow before the end
            both = f"follower_id IN (?, ?) AND following_id IN (?, ?) AND state IN ({placeholders(_ENDED)})"
            ended = await sql.rows(f"DELETE FROM follow WHERE {both} RETURNING *", *pair, *pair, *_ENDED)
            ending = [ending_of(_from_row(row), block.created_at) for row in ended]
            events = [event for event in ending if event]
            await store_events(sql, events)
            if await sql.insert_new("follow", _to_row(block)):
                return block, events
            return _from_row(await sql.row(_ONE, *pair) or _to_row(block)), events

        return await self._db.atomically(work)

    async def unblock(self, blocked_id: UserId, blocker_id: UserId) -> None:
        """See `Follows.unblock`."""
        delete = f"DELETE FROM follow WHERE {_PAIR} AND state = ?"
        await self._db.atomically(lambda sql: sql.run(delete, blocked_id, blocker_id, _BLOCKED))

    async def states(self, follower_id: UserId, following_ids: Sequence[UserId]) -> Mapping[UserId, FollowState]:
        """See `Follows.states`."""
        select = (
            "SELECT following_id, state FROM follow WHERE follower_id = ?"
            f" AND following_id IN ({placeholders(following_ids)})"
        )
        rows = await self._db.rows(select, follower_id, *following_ids)
        return {UserId(row["following_id"]): FollowState(row["state"]) for row in rows}

    async def pages(
        self, user_ids: Sequence[UserId], which: FollowList, *, after: Position | None, limit: int
    ) -> Mapping[UserId, Page[Follow]]:
        """See `Follows.pages`."""
        column, state = _LISTS[which]
        rows = await pages_of_each(
            self._db,
            f"SELECT * FROM follow WHERE {column} = ? AND state = ?",
            [(user_id, state.value) for user_id in user_ids],
            key=("created_ms", "object_id"),
            after=after,
            limit=limit,
        )
        return {
            user_id: Page.cut([_from_row(row) for row in found], limit)
            for user_id, found in zip(user_ids, rows, strict=True)
        }

    async def following_ids(self, user_ids: Sequence[UserId]) -> Mapping[UserId, Sequence[UserId]]:
        """See `Follows.following_ids`."""
        found = await self._followed_by.get_many(user_ids)
        return {user_id: found.get(user_id, []) for user_id in user_ids}

    async def _read_followed_by(self, user_ids: Sequence[UserId]) -> Mapping[UserId, Sequence[UserId]]:
        is_wanted, values = self._db.among("follower_id", user_ids)
        select = (
            f"SELECT follower_id, following_id FROM follow WHERE {is_wanted}"
            " AND state = ? ORDER BY follower_id DESC, created_ms DESC, object_id DESC"
        )
        found: dict[UserId, list[UserId]] = defaultdict(list)
        for row in await self._db.rows(select, *values, FollowState.FOLLOWING.value):
            found[UserId(row["follower_id"])].append(UserId(row["following_id"]))
        return found


async def _privacy(sql: Statements, follower_id: UserId, following_id: UserId) -> Mapping[UserId, bool]:
    """Tell whether each of two profiles is private, once both are known to be there; they are locked until the end."""
    select = f"SELECT user_id, is_private FROM profile WHERE user_id IN (?, ?) ORDER BY user_id{sql.for_update}"
    rows = await sql.rows(select, follower_id, following_id)
    is_private = {row["user_id"]: bool(row["is_private"]) for row in rows}
    if len(is_private) < 2:
        raise NotFound("User not found", field="userId")
    return is_private


def _to_row(follow: Follow) -> Row:
    return {"object_id": follow.object_id, **follow_values(follow)}


def _from_row(row: Row) -> Follow:
    return follow_of(row["object_id"], row)
