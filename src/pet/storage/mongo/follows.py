"""`Follows` in MongoDB."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from pet.domain.errors import NotFound, Service
from pet.domain.events import Event
from pet.domain.follows import UNDER_FOLLOWERS_CONTROL, Follow, FollowList, FollowState, Make, ending_of
from pet.domain.ids import UserId
from pet.domain.paging import Page, Position
from pet.storage.coalescing import Coalescing
from pet.storage.mongo.database import Database
from pet.storage.mongo.delivery import store_event, store_events
from pet.storage.mongo.documents import LOCK, FollowDocument, ProfileDocument
from pet.storage.mongo.lists import pages_of_each
from pet.storage.mongo.news import newest_of
from pet.storage.mongo.operations import Operations, Row
from pet.storage.rows import follow_of, follow_values

_LISTS = {
    FollowList.FOLLOWERS: ("following_id", FollowState.FOLLOWING),
    FollowList.FOLLOWING: ("follower_id", FollowState.FOLLOWING),
    FollowList.REQUESTS: ("following_id", FollowState.PENDING),
    FollowList.SENT_REQUESTS: ("follower_id", FollowState.PENDING),
    FollowList.BLOCKS: ("following_id", FollowState.BLOCKED),
}
_BLOCKED = {"state": FollowState.BLOCKED.value}
_ENDED = [state.value for state in UNDER_FOLLOWERS_CONTROL]


class MongoFollows:
    """Keeps follows in the collection `follows`."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.SOCIAL)
        self._followed_by = Coalescing[UserId, Sequence[UserId]](partial(followed_by, self._db), most=100)

    async def add(self, follower_id: UserId, following_id: UserId, make: Make) -> tuple[Follow, Sequence[Event]]:
        """See `Follows.add`."""

        async def work(mongo: Operations) -> tuple[Follow, Sequence[Event]]:
            await _lock(mongo, follower_id, following_id)
            follow, event = make(await _is_private(mongo, following_id))
            # In the other direction: in this one a block is found as the first follow is.
            block = await mongo.row(FollowDocument, _pair(following_id, follower_id) | _BLOCKED)
            if block:
                return _from_row(block), ()
            newest_ms = await newest_of(mongo, following_id) if follow.state is FollowState.FOLLOWING else 0
            new = {"$setOnInsert": _to_row(follow) | {"newest_ms": newest_ms}}
            first = await mongo.replace(FollowDocument, _pair(follower_id, following_id), new, upsert=True)
            if first:
                return _from_row(first), ()
            await store_event(mongo, event)
            return follow, (event,)

        return await self._db.atomically(work)

    async def accept(self, follower_id: UserId, following_id: UserId, event: Event) -> tuple[Follow | None, bool]:
        """See `Follows.accept`."""
        pair = _pair(follower_id, following_id)

        async def work(mongo: Operations) -> tuple[Follow | None, bool]:
            await mongo.update(ProfileDocument, {"_id": following_id}, LOCK)
            asked = {**pair, "state": FollowState.PENDING.value}
            accepted = {"state": FollowState.FOLLOWING.value, "newest_ms": await newest_of(mongo, following_id)}
            is_first = await mongo.update(FollowDocument, asked, {"$set": accepted})
            if is_first:
                await store_event(mongo, event)
            row = await mongo.row(FollowDocument, {**pair, "state": FollowState.FOLLOWING.value})
            return (_from_row(row) if row else None), is_first

        return await self._db.atomically(work)

    async def remove(
        self, follower_id: UserId, following_id: UserId, *, only: FollowState | None, at: datetime
    ) -> Sequence[Event]:
        """See `Follows.remove`."""
        states = [only.value] if only else _ENDED

        async def work(mongo: Operations) -> Sequence[Event]:
            row = await mongo.take(FollowDocument, {**_pair(follower_id, following_id), "state": {"$in": states}})
            event = ending_of(_from_row(row), at) if row else None
            if event is None:
                return ()
            await store_event(mongo, event)
            return (event,)

        return await self._db.atomically(work)

    async def block(self, block: Follow) -> tuple[Follow, Sequence[Event]]:
        """See `Follows.block`."""
        pair = _pair(block.follower_id, block.following_id)
        both = {"$in": [block.follower_id, block.following_id]}

        async def work(mongo: Operations) -> tuple[Follow, Sequence[Event]]:
            await _lock(mongo, block.follower_id, block.following_id)
            ended = await mongo.rows(FollowDocument, _pair(both, both) | {"state": {"$in": _ENDED}})
            if ended:
                await mongo.delete(FollowDocument, {"_id": {"$in": [row["_id"] for row in ended]}})
            ending = [ending_of(_from_row(row), block.created_at) for row in ended]
            events = [event for event in ending if event]
            await store_events(mongo, events)
            new = {"$setOnInsert": _to_row(block) | {"newest_ms": 0}}
            first = await mongo.replace(FollowDocument, pair, new, upsert=True)
            return (_from_row(first) if first else block), events

        return await self._db.atomically(work)

    async def unblock(self, blocked_id: UserId, blocker_id: UserId) -> None:
        """See `Follows.unblock`."""
        block = _pair(blocked_id, blocker_id) | _BLOCKED
        await self._db.atomically(lambda mongo: mongo.delete(FollowDocument, block))

    async def states(self, follower_id: UserId, following_ids: Sequence[UserId]) -> Mapping[UserId, FollowState]:
        """See `Follows.states`."""
        where = {"follower_id": follower_id, "following_id": {"$in": following_ids}}
        fields = {"_id": 0, "following_id": 1, "state": 1}
        rows = await self._db.run(lambda mongo: mongo.rows(FollowDocument, where, fields=fields))
        return {UserId(row["following_id"]): FollowState(row["state"]) for row in rows}

    async def pages(
        self, user_ids: Sequence[UserId], which: FollowList, *, after: Position | None, limit: int
    ) -> Mapping[UserId, Page[Follow]]:
        """See `Follows.pages`."""
        side, state = _LISTS[which]
        owners = [{side: user_id, "state": state.value} for user_id in user_ids]
        rows = await self._db.run(lambda mongo: pages_of_each(mongo, FollowDocument, owners, after=after, limit=limit))
        return {
            user_id: Page.cut([_from_row(row) for row in found], limit)
            for user_id, found in zip(user_ids, rows, strict=True)
        }

    async def following_ids(self, user_ids: Sequence[UserId]) -> Mapping[UserId, Sequence[UserId]]:
        """See `Follows.following_ids`."""
        return await self._followed_by.get_many(user_ids)


async def followed_by(database: Database, user_ids: Sequence[UserId]) -> Mapping[UserId, Sequence[UserId]]:
    """Return everyone whom each user follows, newest first; every user has an entry."""
    where = {"follower_id": {"$in": user_ids}, "state": FollowState.FOLLOWING.value}
    fields = {"_id": 0, "follower_id": 1, "following_id": 1}
    sort = {"follower_id": -1, "created_ms": -1, "_id": -1}
    found: dict[UserId, list[UserId]] = defaultdict(list)
    for row in await database.run(lambda mongo: mongo.rows(FollowDocument, where, fields=fields, sort=sort)):
        found[UserId(row["follower_id"])].append(UserId(row["following_id"]))
    return {user_id: found[user_id] for user_id in user_ids}


async def _lock(mongo: Operations, follower_id: UserId, following_id: UserId) -> None:
    """Let two profiles stay as they are, once both are known to be there."""
    both = {"_id": {"$in": sorted((follower_id, following_id))}}
    if await mongo.update_all(ProfileDocument, both, LOCK) < 2:
        raise NotFound("User not found", field="userId")


async def _is_private(mongo: Operations, following_id: UserId) -> bool:
    followed = await mongo.row(ProfileDocument, {"_id": following_id}, fields={"preferences.private_profile": 1})
    return bool(followed and followed["preferences"]["private_profile"])


def _pair(follower_id: object, following_id: object) -> Row:
    return {"follower_id": follower_id, "following_id": following_id}


def _to_row(follow: Follow) -> Row:
    return {"_id": follow.object_id, **follow_values(follow)}


def _from_row(row: Row) -> Follow:
    return follow_of(row["_id"], row)
