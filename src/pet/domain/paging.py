"""Keyset pages: a list is read newest first, from an opaque cursor onwards.

A position is (time, id); equal times are ordered by id, descending. A cursor names the list that it was made for, so
that one list's cursor is refused by another.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from pet.domain.errors import Invalid
from pet.domain.times import from_milliseconds, to_milliseconds

MAX_PAGE = 100
"""The most that a client may ask for in one page."""

STREAM_PAGE = 500
"""How many items a complete list reads at a time: memory stays constant, round trips stay few."""

FIRST_PAGE = 100
"""The same before its first byte, which is not to wait for more."""

MAX_CURSOR = 200
"""Characters; ours are shorter, so what is cut off was none of ours."""

_ITEM_ID = re.compile(r"[0-9a-f-]{1,36}")
"""The form of every id by which a list is ordered. What has it not is none of ours, and some stores choke on it."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a list: strictly older items follow it."""

    at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items in the list's order, and whether more follow."""

    items: Sequence[T]
    has_next: bool

    @classmethod
    def cut(cls, rows: Sequence[T], limit: int) -> Page[T]:
        """Make a page from up to `limit + 1` rows: the one too many only tells that more follow."""
        return cls(items=rows[:limit], has_next=len(rows) > limit)


def encode_cursor(kind: str, position: Position) -> str:
    """Return the opaque cursor of a position in the list `kind`."""
    raw = f"{kind}:{to_milliseconds(position.at)}:{position.id}"
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def decode_cursor(kind: str, cursor: str | None, *, field: str = "after") -> Position | None:
    """Return the position that a cursor stands for; None stands for the start.

    Raises:
        Invalid: the cursor is malformed or was made for another list.
    """
    if cursor is None:
        return None
    try:
        text = cursor[:MAX_CURSOR]
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        made_for, milliseconds, item_id = raw.split(":")
        position = Position(at=from_milliseconds(int(milliseconds)), id=item_id)
    except (ValueError, OverflowError, OSError, binascii.Error) as error:
        raise _foreign(field) from error
    if made_for != kind or not _ITEM_ID.fullmatch(item_id):
        raise _foreign(field)
    return position


def _foreign(field: str) -> Invalid:
    return Invalid(f"{field} is not a cursor of this list. Use a cursor that this list returned.", field=field)


def checked_limit(limit: int | None, *, default: int = 20, field: str = "first") -> int:
    """Return a page size within 1 to 100.

    Raises:
        Invalid: the size is outside of that.
    """
    if limit is None:
        return default
    if not 1 <= limit <= MAX_PAGE:
        raise Invalid(f"{field} must be between 1 and {MAX_PAGE}.", field=field)
    return limit


async def every_page(
    read: Callable[[Position | None], Awaitable[Page[T]]], position_of: Callable[[T], Position]
) -> AsyncIterator[Sequence[T]]:
    """Yield a whole list page by page; only one page is in memory at a time."""
    after: Position | None = None
    while True:
        page = await read(after)
        if page.items:
            yield page.items
        if not page.has_next or not page.items:
            return
        after = position_of(page.items[-1])
