"""The cursor of a subscription: it goes on where it was made, for whom it was made, and forgets what it may."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from tests.contract_suites.scene import ANN, NOON

from pet.domain.errors import Invalid
from pet.domain.heard import MAX_CURSOR, MAX_DIGESTS, Heard, resumed
from pet.domain.ids import EventId, UserId, new_uuid7
from pet.domain.outbox import KEEP_DELIVERED
from pet.domain.paging import Position, encode_cursor

SECOND = timedelta(seconds=1)
ID = "01968c2f-4b6a-7c31-8a52-3f0d9e1b7c44"
FOREIGN = "after is not a cursor that feedActivity has given you. Use the cursor of the last activity that you heard."


def events(count: int) -> list[EventId]:
    return [EventId(new_uuid7()) for _ in range(count)]


def test_a_cursor_brings_back_what_was_heard() -> None:
    first, second, unheard = events(3)
    heard = Heard(ANN, Position(NOON, first))
    heard.add(first, no_later_than=NOON + SECOND)
    heard.add(second, no_later_than=NOON + 2 * SECOND)
    again = resumed(ANN, heard.cursor(), now=NOON)
    assert again.after == Position(NOON, first)
    assert [again.knows(event) for event in (first, second, unheard)] == [True, True, False]


def test_what_was_delivered_before_the_known_place_is_forgotten_also_after_a_break() -> None:
    early, late = events(2)
    heard = Heard(ANN, Position(NOON, ""))
    heard.add(early, no_later_than=NOON + SECOND)
    heard.add(late, no_later_than=NOON + 3 * SECOND)
    for ears in (heard, resumed(ANN, heard.cursor(), now=NOON)):
        ears.advance(Position(NOON + 2 * SECOND, ""))
        assert [ears.knows(event) for event in (early, late)] == [False, True]


def test_the_known_place_never_goes_back() -> None:
    heard = Heard(ANN, Position(NOON, "b"))
    for earlier in (Position(NOON - SECOND, "c"), Position(NOON, "a")):
        heard.advance(earlier)
        assert heard.after == Position(NOON, "b")


def test_a_cursor_has_a_largest_size() -> None:
    heard, many = Heard(ANN, Position(NOON, new_uuid7())), events(MAX_DIGESTS + 1)
    for event in many:
        heard.add(event, no_later_than=NOON)
    cursor = heard.cursor()
    again = resumed(ANN, cursor, now=NOON)
    assert len(cursor) < MAX_CURSOR
    assert [again.knows(event) for event in many] == [False] + [True] * MAX_DIGESTS


GOOD = Heard(ANN, Position(NOON, ID)).cursor()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "é" * 8,
        GOOD + "A",
        GOOD[:-4],
        " " + GOOD,
        "A" * MAX_CURSOR,
        GOOD + "A" * MAX_CURSOR,
        encode_cursor("feed", Position(NOON, ID)),
        Heard(UserId("bob"), Position(NOON, "")).cursor(),
        Heard(ANN, Position(NOON + timedelta(minutes=1), "")).cursor(),
        Heard(ANN, Position(NOON, "'; DROP TABLE")).cursor(),
        base64.urlsafe_b64encode(b"\x01" + b"\xff" * 40).decode(),
    ],
)
def test_a_cursor_that_is_none_of_ours_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid) as refused:
        resumed(ANN, cursor, now=NOON)
    assert (refused.value.message, refused.value.field) == (FOREIGN, "after")


def test_a_cursor_from_before_what_is_kept_is_refused() -> None:
    assert resumed(ANN, GOOD, now=NOON + KEEP_DELIVERED - timedelta(minutes=2)).after.at == NOON
    with pytest.raises(Invalid, match=r"less than 7 days can be made up for\. Read feed") as refused:
        resumed(ANN, GOOD, now=NOON + KEEP_DELIVERED)
    assert refused.value.field == "after"
