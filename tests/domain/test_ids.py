"""Identifiers: their form, their order, and a stranger's text."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from uuid import UUID

import pytest

from pet.domain.ids import new_object_id, new_request_id, new_uuid7, parse_uuid, uuid7_since


@pytest.mark.parametrize("new", [new_uuid7, new_request_id])
def test_a_uuid_has_the_form_of_version_7_and_the_present_time(new: Callable[[], str]) -> None:
    before = time.time_ns() // 1_000_000
    made = UUID(new())
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", str(made))


def test_uuids_that_are_made_one_after_the_other_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([1_000_000, 1_000_300, 1_500_000, 1_999_999, 2_000_000, 1_777_000_000_000_000_000])
    monkeypatch.setattr("pet.domain.ids.time.time_ns", lambda: next(moments))
    made = [new_uuid7() for _ in range(6)]
    assert made == sorted(made)
    assert [UUID(each).int >> 80 for each in made] == [1, 1, 1, 1, 2, 1_777_000_000_000]
    assert [(UUID(each).int >> 64) & 0xFFF for each in made] == [0, 1, 2048, 4095, 0, 0]


def test_ids_do_not_repeat() -> None:
    assert len({new_uuid7() for _ in range(10_000)}) == 10_000
    assert len({UUID(new_request_id()).int & ((1 << 62) - 1) for _ in range(10_000)}) == 10_000
    assert len({new_object_id() for _ in range(10_000)}) == 10_000


def test_an_object_id_has_24_digits_and_begins_with_the_time() -> None:
    before = int(time.time())
    made = new_object_id()
    assert re.fullmatch(r"[0-9a-f]{24}", made)
    assert before <= int(made[:8], 16) <= int(time.time())


def test_a_uuid_in_either_case_becomes_canonical() -> None:
    made = new_uuid7()
    assert [parse_uuid(made), parse_uuid(made.upper())] == [made, made]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "me",
        "../../etc/passwd",
        "0" * 36,
        "g" * 36,
        new_uuid7() + "\n",
        new_uuid7().replace("-", ""),
        "{" + new_uuid7()[1:-1] + "}",
        "urn:uuid:" + new_uuid7(),
        "\uff11" * 8 + new_uuid7()[8:],
        " " + new_uuid7()[1:],
        new_uuid7() * 1000,
    ],
    ids=range(12),
)
def test_what_is_no_uuid_is_none(text: str) -> None:
    assert parse_uuid(text) is None


def test_ids_that_are_made_since_a_time_are_greater() -> None:
    now = time.time_ns() // 1_000_000
    made = new_uuid7()
    assert uuid7_since(now) < made < uuid7_since(now + 1000)
    assert parse_uuid(uuid7_since(now)) == uuid7_since(now)
    assert uuid7_since(0) < uuid7_since(2) < made
