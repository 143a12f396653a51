"""Follows: who hears of whom, who waits to be let in, and who is kept out (`blocks.py` says how)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pet.domain.delivery import Delivery
from pet.domain.errors import DomainError, Forbidden, Invalid, NotFound
from pet.domain.events import Event, FollowCreated, FollowDeleted, FollowRequested
from pet.domain.ids import ObjectId, UserId, new_object_id
from pet.domain.paging import Page, Position
from pet.domain.times import Clock
from pet.domain.viewers import Viewer


class FollowState(StrEnum):
    """How one person stands to another: waits for a private profile's owner, follows, or is kept out by them.

    Two people have one state per direction, so who is kept out neither follows nor waits. Absent means not at all.
    """

    PENDING = "pending"
    FOLLOWING = "following"
    BLOCKED = "blocked"


UNDER_FOLLOWERS_CONTROL = (FollowState.PENDING, FollowState.FOLLOWING)
"""What whoever follows, or asks to, can end, and what a block ends; a block itself is ended by who made it."""


class FollowList(StrEnum):
    """The lists of a user's follows; `requests` wait for the user's answer, `sent_requests` for the others'.

    `blocks` are those whom the user keeps out.
    """

    FOLLOWERS = "followers"
    FOLLOWING = "following"
    REQUESTS = "requests"
    SENT_REQUESTS = "sent_requests"
    BLOCKS = "blocks"


@dataclass(frozen=True, slots=True)
class Follow:
    """`follower_id` follows `following_id`, asks to, or is kept out by them. `created_at` is when that began: for a
    follow, when it was asked for.
    """

    object_id: ObjectId
    follower_id: UserId
    following_id: UserId
    state: FollowState
    created_at: datetime


Make = Callable[[bool], tuple[Follow, Event]]


class Follows(Protocol):
    """Keeps follows, one per pair. Lists are newest first; equal times order by object id, descending."""

    async def add(self, follower_id: UserId, following_id: UserId, make: Make) -> tuple[Follow, Sequence[Event]]:
        """Keep a follow with its event, in one transaction; a second follow returns the first, without an event.

        So does a follow of two of whom one keeps the other out: it returns that block.

        Args:
            make: is told whether the followed profile is private at that moment.

        Raises:
            NotFound: one of the two profiles is not there.
        """

    async def accept(self, follower_id: UserId, following_id: UserId, event: Event) -> tuple[Follow | None, bool]:
        """Turn a pending follow into a following one.

        Returns the follow, if any, and whether it was pending until now.
        """

    async def remove(
        self, follower_id: UserId, following_id: UserId, *, only: FollowState | None, at: datetime
    ) -> Sequence[Event]:
        """Remove a follow (in that state); return its event: none when it is not there, or counted nowhere.

        Without a state, in any of `UNDER_FOLLOWERS_CONTROL`.
        """

    async def block(self, block: Follow) -> tuple[Follow, Sequence[Event]]:
        """Keep a block with the events of what it ends, in one transaction: follows and requests of both directions.

        A second block returns the first. A block of the other direction stays.

        Raises:
            NotFound: one of the two profiles is not there.
        """

    async def unblock(self, blocked_id: UserId, blocker_id: UserId) -> None:
        """Remove a block; removing what is not there does nothing."""

    async def states(self, follower_id: UserId, following_ids: Sequence[UserId]) -> Mapping[UserId, FollowState]:
        """Return how a user stands to up to 1,000 others; absent means not at all."""

    async def pages(
        self, user_ids: Sequence[UserId], which: FollowList, *, after: Position | None, limit: int
    ) -> Mapping[UserId, Page[Follow]]:
        """Return the same page of the same list of each of up to 100 users, in one round trip.

        Every user has an entry.
        """

    async def following_ids(self, user_ids: Sequence[UserId]) -> Mapping[UserId, Sequence[UserId]]:
        """Return everyone whom each of up to 1,000 users follows, newest first; every user has an entry."""


class FollowService:
    """Follows, unfollows, asks and answers."""

    def __init__(self, follows: Follows, delivery: Delivery, clock: Clock) -> None:
        self._follows = follows
        self._delivery = delivery
        self._clock = clock

    async def follow(self, viewer: Viewer, following_id: UserId) -> Follow:
        """Follow someone, or ask to where the profile is private; doing so again returns the first follow.

        Raises:
            Invalid: it is oneself, or someone whom the viewer keeps out.
            Forbidden: they keep the viewer out.
            NotFound: there is no such user.
        """
        if viewer.user_id == following_id:
            raise Invalid("You cannot follow yourself.", field="userId")

        def make(is_private: bool) -> tuple[Follow, Event]:
            now = self._clock()
            state = FollowState.PENDING if is_private else FollowState.FOLLOWING
            event = FollowRequested if is_private else FollowCreated
            return (
                Follow(new_object_id(), viewer.user_id, following_id, state, now),
                event(user_id=viewer.user_id, following_id=following_id, occurred_at=now),
            )

        follow, events = await self._follows.add(viewer.user_id, following_id, make)
        if follow.state is FollowState.BLOCKED:
            raise _refusal(follow, viewer)
        await self._delivery.deliver(events)
        return follow

    async def unfollow(self, viewer: Viewer, following_id: UserId) -> None:
        """Follow someone no longer, or withdraw the request; doing so again does nothing."""
        events = await self._follows.remove(viewer.user_id, following_id, only=None, at=self._clock())
        await self._delivery.deliver(events)

    async def accept(self, viewer: Viewer, follower_id: UserId) -> Follow:
        """Let someone in who asked to follow the viewer; doing so again returns the follow.

        Raises:
            NotFound: nobody of that id asked.
        """
        event = FollowCreated(user_id=follower_id, following_id=viewer.user_id, occurred_at=self._clock())
        follow, is_first = await self._follows.accept(follower_id, viewer.user_id, event)
        if follow is None:
            raise NotFound("Follow request not found", field="followerId")
        if is_first:
            await self._delivery.deliver([event])
        return follow

    async def decline(self, viewer: Viewer, follower_id: UserId) -> None:
        """Refuse someone who asked to follow the viewer; doing so again does nothing."""
        await self._follows.remove(follower_id, viewer.user_id, only=FollowState.PENDING, at=self._clock())

    async def states(self, follower_id: UserId, following_ids: Sequence[UserId]) -> Mapping[UserId, FollowState]:
        """Return how a user stands to others; absent means not at all."""
        return await self._follows.states(follower_id, following_ids)

    async def pages(
        self, user_ids: Sequence[UserId], which: FollowList, *, after: Position | None, limit: int
    ) -> Mapping[UserId, Page[Follow]]:
        """Return the same page of the same list of each user."""
        return await self._follows.pages(user_ids, which, after=after, limit=limit)

    async def following_ids(self, user_ids: Sequence[UserId]) -> Mapping[UserId, Sequence[UserId]]:
        """Return everyone whom each user follows, newest first."""
        return await self._follows.following_ids(user_ids)


def _refusal(block: Follow, viewer: Viewer) -> DomainError:
    if block.follower_id == viewer.user_id:
        return Forbidden("This user does not let you follow them.", field="userId")
    return Invalid("You have blocked this user. Unblock them before you follow them.", field="userId")


def ending_of(follow: Follow, at: datetime) -> FollowDeleted | None:
    """Return the event that tells of a follow's end; a request that was never accepted ends silently."""
    if follow.state is not FollowState.FOLLOWING:
        return None
    return FollowDeleted(user_id=follow.follower_id, following_id=follow.following_id, occurred_at=at)
