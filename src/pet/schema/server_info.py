"""What clients may know of the server: its version, and the limits that its operator has set."""

from __future__ import annotations

from importlib.metadata import version
from typing import cast

import strawberry

from pet.domain.paging import MAX_PAGE
from pet.schema.call import Info
from pet.schema.executing import Schema

PACKAGE = "pet-music"


@strawberry.type(description="The most that one operation may have. What fragments bring counts each time.")
class ServerLimits:
    """The limits of operations; beyond them an operation is denied with the code INVALID before it runs."""

    max_tokens: int = strawberry.field(description="Of the document that holds the operation.")
    max_depth: int = strawberry.field(description="Objects within objects; introspection is not counted.")
    max_fields: int = strawberry.field(description="Fields of all levels together.")
    max_aliases: int = strawberry.field(description="Aliased fields, and fields repeated beside each other.")
    max_root_fields: int = strawberry.field(description="Fields at the top.")
    max_directives: int = strawberry.field(description="Uses of `@include`, `@skip` and the like.")
    max_page_size: int = strawberry.field(description="The largest `first` of a connection.")
    max_cost: int = strawberry.field(
        description="Of one operation: an object costs 1, an item of a page as much as all that is asked about it, so"
        " pages within pages multiply; a change costs 10 more and a read of the schema 500."
    )
    cost_per_minute: int = strawberry.field(
        description="Of all operations of one viewer, or of one address without a token. A document that is new to the"
        " server costs 1 for each 20 characters besides. Beyond it: RATE_LIMITED. What an operation did cost, and what"
        " is left, is in `extensions.cost` of its answer."
    )
    max_seconds: int = strawberry.field(
        description="How long a query may run before it is ended with the code TIMEOUT; a mutation begins no further"
        " change then."
    )


@strawberry.type(description="What this server is and what an operation may ask of it.")
class ServerInfo:
    """What clients may know of the server."""

    version: str = strawberry.field(description="Of PET, after Semantic Versioning.")
    is_charged: bool = strawberry.field(description="Whether `costPerMinute` is enforced; off for load tests.")
    limits: ServerLimits = strawberry.field(description="The most that one operation may have.")


async def server_info(info: Info) -> ServerInfo:
    """Return what clients may know of the server."""
    rules = cast("Schema", info.schema).rules
    limits = rules.limits
    return ServerInfo(
        version=version(PACKAGE),
        is_charged=rules.is_charged,
        limits=ServerLimits(
            max_tokens=limits.tokens,
            max_depth=limits.depth,
            max_fields=limits.fields,
            max_aliases=limits.aliases,
            max_root_fields=limits.roots,
            max_directives=limits.directives,
            max_page_size=MAX_PAGE,
            max_cost=limits.cost,
            cost_per_minute=limits.budget,
            max_seconds=limits.seconds,
        ),
    )
