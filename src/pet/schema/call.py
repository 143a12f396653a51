"""What a resolver is called with: the context of the request, whichever front the call comes from."""

from __future__ import annotations

import strawberry

from pet.context import Context

Info = strawberry.Info[Context, None]


class DirectCall(strawberry.Info[Context, None]):
    """What the REST front calls a resolver with: the same context, and no GraphQL field behind it."""

    def __init__(self, context: Context) -> None:
        self._direct_context = context

    @property
    def context(self) -> Context:
        """The context of the request."""
        return self._direct_context
