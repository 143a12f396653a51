"""The Node interface of Relay: any object by its global id."""

from __future__ import annotations

import strawberry


@strawberry.interface(description="An object with an id that is unique in the whole API.")
class Node:
    """An object that `node(id:)` finds again."""

    @strawberry.field(description="Opaque and unique in the whole API; for caches and for `node(id:)`.")
    def id(self) -> strawberry.ID:
        """Return the global id."""
        return self.global_id()

    def global_id(self) -> strawberry.ID:
        """Return the global id; every type has its own."""
        raise TypeError(f"{type(self).__name__} has no global id")
