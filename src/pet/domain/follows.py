"""Follows: who hears of whom, and who waits to be let in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pet.domain.delivery import Delivery
from pet.domain.errors import Invalid, NotFound
from pet.domain.events import Event, FollowCreated, FollowDeleted, FollowRequested
from pet.domain.ids import ObjectId, UserId, new_object_id
from pet.domain.paging import Page, Position
from pet.domain.times import Clock
from pet.domain.viewers import Viewer


class FollowState(StrEnum):
    """Whether a follow counts, or waits for a private profile's owner."""

    PENDING = "pending"
    FOLLOWING = "following"


class FollowList(StrEnum):
    """The lists of a user's follows; `requests` wait for the user's answer, `sent_requests` for the others'."""

    FOLLOWERS = "followers"
    FOLLOWING = "following"
    REQUESTS = "requests"
    SENT_REQUESTS = "sent_requests"


@dataclass(frozen=True, slots=True)
class Follow:
    """`follower_id` follows `following_id`, or asks to. `created_at` is when it was asked."""

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
        """Remove a follow (in that state); return its event: none when it is not there, or counted nowhere."""

    async def states(self, follower_id: UserId, following_ids: Sequence[UserId]) -> Mapping[UserId, FollowState]:
        """Return how a user stands to up to 1,000 others; absent means not at all."""

    async def pages(
        self, user_ids: Sequence[UserId], which: FollowList, *, after: Position | None, limit: int
    ) -> Mapping[UserId, Page[Follow]]:
        """Return the same page of the same list of each of up to 100 users, in one round trip.

        Every user has an entry.
        """

    async def following_ids(self, user_ids: Sequence[UserId]) -> Mapping[UserId, Sequence[UserId]]:
        """Return everyone whom each of up to 100 users follows, newest first; every user has an entry."""


class FollowService:
    """Follows, unfollows, asks and answers."""

    def __init__(self, follows: Follows, delivery: Delivery, clock: Clock) -> None:
        self._follows = follows
        self._delivery = delivery
        self._clock = clock

    async def follow(self, viewer: Viewer, following_id: UserId) -> Follow:
        """Follow someone, or ask to where the profile is private; doing so again returns the first follow.

        Raises:
            Invalid: it is oneself.
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


def ending_of(follow: Follow, at: datetime) -> FollowDeleted | None:
    """Return the event that tells of a follow's end; a request that was never accepted ends silently."""
    if follow.state is FollowState.PENDING:
        return None
    return FollowDeleted(user_id=follow.follower_id, following_id=follow.following_id, occurred_at=at)
