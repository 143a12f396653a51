"""Blocks: whom someone keeps out.

Whoever is kept out sees no more than the card, and can neither follow nor ask to; what the two had ends, in both
directions. The other way round nothing is hidden: whoever blocks goes on seeing what the other shows, but cannot follow
them before the block is lifted. A block binds an account: who logs out sees what everyone sees of a public profile.
Admins see all, blocked or not. Nobody is told of a block, and no event tells of it; the follows that it ends have
theirs.
"""

from __future__ import annotations

from pet.domain.delivery import Delivery
from pet.domain.errors import Invalid
from pet.domain.follows import Follow, Follows, FollowState
from pet.domain.ids import UserId, new_object_id
from pet.domain.times import Clock
from pet.domain.viewers import Viewer


class BlockService:
    """Keeps people out, and lets them in again. The list is `FollowList.BLOCKS`."""

    def __init__(self, follows: Follows, delivery: Delivery, clock: Clock) -> None:
        self._follows = follows
        self._delivery = delivery
        self._clock = clock

    async def block(self, viewer: Viewer, user_id: UserId) -> Follow:
        """Keep someone out, from this moment on; doing so again returns the first block.

        Raises:
            Invalid: it is oneself.
            NotFound: there is no such user.
        """
        if viewer.user_id == user_id:
            raise Invalid("You cannot block yourself.", field="userId")
        wanted = Follow(new_object_id(), user_id, viewer.user_id, FollowState.BLOCKED, self._clock())
        block, events = await self._follows.block(wanted)
        await self._delivery.deliver(events)
        return block

    async def unblock(self, viewer: Viewer, user_id: UserId) -> None:
        """Keep someone out no longer; doing so again does nothing. What the two had does not come back."""
        await self._follows.unblock(user_id, viewer.user_id)
