"""Connections: pages of lists after the Relay cursor connections specification, with opaque keyset cursors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import strawberry

from pet.domain.paging import Page, Position, checked_limit, decode_cursor, encode_cursor

T = TypeVar("T")

First = Annotated[int | None, strawberry.argument(description="How many to return, 1 to 100. Without it: 20.")]
After = Annotated[
    str | None,
    strawberry.argument(description="Return what follows this cursor (exclusive). Without it: from the newest."),
]


class Cursor:
    """The place of an item in the list `kind`, which is written when a client asks for it, and few do."""

    __slots__ = ("_item", "_kind", "_position_of")

    def __init__(self, kind: str, item: T, position_of: Callable[[T], Position]) -> None:
        self._kind = kind
        self._item: Any = item
        self._position_of: Callable[[Any], Position] = position_of

    def __str__(self) -> str:
        """Return the cursor as clients see it; GraphQL's texts are written by this."""
        return encode_cursor(self._kind, self._position_of(self._item))


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    """Where a page lies in its list."""

    has_next_page: bool = strawberry.field(description="Whether more follows this page.")
    has_previous_page: bool = strawberry.field(description="Whether the page was asked for with a cursor.")
    start_cursor: Cursor | None = strawberry.field(
        graphql_type=str | None, description="The cursor of the first edge, null on an empty page."
    )
    end_cursor: Cursor | None = strawberry.field(
        graphql_type=str | None, description="The cursor of the last edge: the next page's `after`."
    )


def asked(kind: str, first: int | None, after: str | None) -> tuple[int, Position | None]:
    """Return the page size and the start position that a client asks for.

    Raises:
        Invalid: `first` is not 1 to 100, or `after` is no cursor of this list.
    """
    return checked_limit(first), decode_cursor(kind, after)


def page_info(shown: Sequence[Cursor], page: Page[T], *, after: Position | None) -> PageInfo:
    """Return where a page lies, of which these cursors are shown: the first and the last of them count."""
    return PageInfo(
        has_next_page=page.has_next,
        has_previous_page=after is not None,
        start_cursor=shown[0] if shown else None,
        end_cursor=shown[-1] if shown else None,
    )


def cursors(kind: str, page: Page[T], position_of: Callable[[T], Position]) -> Sequence[Cursor]:
    """Return the cursor of every item of a page."""
    return [Cursor(kind, item, position_of) for item in page.items]
