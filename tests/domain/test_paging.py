"""Cursors, limits and whole lists."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from pet.domain.errors import Invalid
from pet.domain.paging import Page, Position, checked_limit, decode_cursor, encode_cursor, every_page

AT = datetime(2026, 5, 1, 12, 0, 0, 123000, tzinfo=UTC)
ID = "01968c2f-4b6a-7c31-8a52-3f0d9e1b7c44"


def raw(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize("item_id", [ID, "68135f2c0a1b2c3d4e5f6071"])
@pytest.mark.parametrize("at", [AT, datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)], ids=str)
def test_a_cursor_comes_back_as_the_position_that_it_was(item_id: str, at: datetime) -> None:
    position = Position(at, item_id)
    assert decode_cursor("tracks", encode_cursor("tracks", position)) == position


def test_a_cursor_can_stand_in_a_url() -> None:
    assert encode_cursor("tracks", Position(AT, ID)).replace("-", "").replace("_", "").isalnum()


def test_no_cursor_is_the_start() -> None:
    assert decode_cursor("tracks", None) is None


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "nonsense",
        "ü",
        "a" * 100_000,
        raw("tracks"),
        raw("tracks:1"),
        raw(f"tracks:x:{ID}"),
        raw(f"tracks:{10**30}:{ID}"),
        raw(f"tracks:{-(10**17)}:{ID}"),
        raw("tracks:1:"),
        raw("tracks:1:a\0b"),
        raw("tracks:1:' OR 1=1"),
        raw(f"tracks:1:{ID}x"),
        raw(f"tracks:1:{ID}:more"),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        encode_cursor("people", Position(AT, ID)),
    ],
    ids=range(16),
)
def test_what_is_no_cursor_of_the_list_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid) as refusal:
        decode_cursor("tracks", cursor, field="cursor")
    assert refusal.value.field == "cursor"
    assert refusal.value.message == "cursor is not a cursor of this list. Use a cursor that this list returned."


@pytest.mark.parametrize(("limit", "checked"), [(None, 20), (1, 1), (100, 100)])
def test_a_limit_within_its_bounds_is_taken(limit: int | None, checked: int) -> None:
    assert checked_limit(limit) == checked


@pytest.mark.parametrize("limit", [-1, 0, 101, 10**20])
def test_a_limit_beyond_its_bounds_is_refused(limit: int) -> None:
    with pytest.raises(Invalid, match="first must be between 1 and 100") as refusal:
        checked_limit(limit)
    assert refusal.value.field == "first"


@pytest.mark.parametrize(
    ("rows", "items", "has_next"), [([], [], False), ([1, 2], [1, 2], False), ([1, 2, 3], [1, 2], True)]
)
def test_the_row_too_many_only_tells_that_more_follow(rows: list[int], items: list[int], has_next: bool) -> None:
    assert Page.cut(rows, 2) == Page(items=items, has_next=has_next)


@pytest.mark.parametrize(("length", "pages"), [(0, []), (1, [1]), (2, [2]), (5, [2, 2, 1])])
async def test_a_whole_list_is_read_page_by_page(length: int, pages: list[int]) -> None:
    asked: list[Position | None] = []
    numbers = list(range(length))

    def position_of(number: int) -> Position:
        return Position(AT + timedelta(seconds=number), str(number))

    async def read(after: Position | None) -> Page[int]:
        asked.append(after)
        start = int(after.id) + 1 if after else 0
        return Page.cut(numbers[start : start + 3], 2)

    read_pages: list[Sequence[int]] = [items async for items in every_page(read, position_of)]
    assert [len(items) for items in read_pages] == pages
    assert [number for items in read_pages for number in items] == numbers
    assert len(asked) == max(len(pages), 1)
