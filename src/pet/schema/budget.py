"""The budget of a caller: what operations may cost in a minute, for a viewer or for an address without a token."""

from __future__ import annotations

import logging

from pet.context import Context
from pet.domain.errors import LimitState, RateLimited, Unavailable
from pet.domain.limits import Bucket

log = logging.getLogger("pet.graphql")


class Budget:
    """Takes from callers' budgets, and gives back.

    While the counter is down operations run uncounted: each is still bounded by itself.

    Args:
        amount: the cost of a minute.
    """

    def __init__(self, amount: int) -> None:
        self._bucket = Bucket("graphql", amount)

    async def spend(self, context: Context, amount: int, what: str) -> LimitState | None:
        """Take from the caller's budget; return where they stand, None while nobody counts.

        Args:
            context: whose.
            amount: how much.
            what: what costs it, for the sentence of a refusal.
        Raises:
            RateLimited: there is less.
        """
        try:
            return await context.services.limits.spend(self._bucket, _key(context), amount=amount)
        except Unavailable:
            log.warning("the cost of operations is not counted: the counter is down")
            return None
        except RateLimited as refusal:
            state = refusal.state
            refusal.message = (
                f"{what} {amount}, and {state.remaining} is left of the {state.limit} a minute."
                f" Please try again in {state.reset_seconds} seconds."
            )
            raise

    async def refund(self, context: Context, amount: int) -> None:
        """Give back what was not used."""
        try:
            await context.services.limits.refund(self._bucket, _key(context), amount=amount)
        except Unavailable:
            log.warning("the cost of operations is not counted: the counter is down")


def _key(context: Context) -> str:
    viewer = context.known_viewer
    return f"user:{viewer.user_id}" if viewer else context.client.address
