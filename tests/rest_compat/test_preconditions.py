"""Conditional requests, case by case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pet.rest_compat.preconditions import Conditions, Decision, Validators, Verdict, evaluate

CURRENT = Validators(etag='"v2,a"', last_modified=datetime(1994, 11, 6, 8, 49, 37, 500_000, tzinfo=UTC))
SAME = "Sun, 06 Nov 1994 08:49:37 GMT"
OLDER = "Sun, 06 Nov 1994 08:49:36 GMT"
NEWER = "Sun, 06 Nov 1994 08:49:38 GMT"

WITH_RANGE = Decision(Verdict.PROCEED, range_applies=True)
WITHOUT_RANGE = Decision(Verdict.PROCEED, range_applies=False)
NOT_MODIFIED = Decision(Verdict.NOT_MODIFIED, range_applies=False)
FAILED = Decision(Verdict.PRECONDITION_FAILED, range_applies=False)

DECISIONS: dict[str, tuple[Conditions, Decision]] = {
    "no_conditions": (Conditions(), WITH_RANGE),
    # If-Match compares strongly.
    "if_match_same": (Conditions(if_match='"v2,a"'), WITH_RANGE),
    "if_match_any": (Conditions(if_match="*"), WITH_RANGE),
    "if_match_in_list": (Conditions(if_match='"v1", "v2,a"'), WITH_RANGE),
    "if_match_stale": (Conditions(if_match='"v1"'), FAILED),
    "if_match_weak": (Conditions(if_match='W/"v2,a"'), FAILED),
    "if_match_without_quotes": (Conditions(if_match="v2,a"), FAILED),
    "if_match_empty": (Conditions(if_match=""), FAILED),
    # If-Unmodified-Since counts in its absence.
    "if_unmodified_since_same": (Conditions(if_unmodified_since=SAME), WITH_RANGE),
    "if_unmodified_since_newer": (Conditions(if_unmodified_since=NEWER), WITH_RANGE),
    "if_unmodified_since_older": (Conditions(if_unmodified_since=OLDER), FAILED),
    "if_unmodified_since_no_date_ignored": (Conditions(if_unmodified_since="yesterday"), WITH_RANGE),
    "if_match_wins_over_if_unmodified_since": (Conditions(if_match="*", if_unmodified_since=OLDER), WITH_RANGE),
    # If-None-Match compares weakly.
    "if_none_match_same": (Conditions(if_none_match='"v2,a"'), NOT_MODIFIED),
    "if_none_match_weak": (Conditions(if_none_match='W/"v2,a"'), NOT_MODIFIED),
    "if_none_match_any": (Conditions(if_none_match=" * "), NOT_MODIFIED),
    "if_none_match_in_list": (Conditions(if_none_match='"v1",W/"v2,a" , "v3"'), NOT_MODIFIED),
    "if_none_match_stale": (Conditions(if_none_match='"v1"'), WITH_RANGE),
    "if_none_match_halves_of_a_tag": (Conditions(if_none_match='"v2", "a"'), WITH_RANGE),
    "if_none_match_without_quotes": (Conditions(if_none_match="v2,a"), WITH_RANGE),
    # If-Modified-Since counts in its absence.
    "if_modified_since_same": (Conditions(if_modified_since=SAME), NOT_MODIFIED),
    "if_modified_since_newer": (Conditions(if_modified_since=NEWER), NOT_MODIFIED),
    "if_modified_since_older": (Conditions(if_modified_since=OLDER), WITH_RANGE),
    "if_modified_since_rfc_850": (Conditions(if_modified_since="Sunday, 06-Nov-94 08:49:37 GMT"), NOT_MODIFIED),
    "if_modified_since_asctime": (Conditions(if_modified_since="Sun Nov  6 08:49:37 1994"), NOT_MODIFIED),
    "if_modified_since_no_date_ignored": (Conditions(if_modified_since="yesterday"), WITH_RANGE),
    "if_modified_since_no_such_day_ignored": (
        Conditions(if_modified_since="Sun, 31 Feb 1999 08:49:37 GMT"),
        WITH_RANGE,
    ),
    "if_modified_since_other_zone_ignored": (
        Conditions(if_modified_since="Sun, 06 Nov 1994 09:49:37 +0100"),
        WITH_RANGE,
    ),
    "if_none_match_wins_over_if_modified_since": (
        Conditions(if_none_match='"v1"', if_modified_since=SAME),
        WITH_RANGE,
    ),
    # If-Range compares strongly, or by the exact date.
    "if_range_same": (Conditions(if_range='"v2,a"'), WITH_RANGE),
    "if_range_stale": (Conditions(if_range='"v1"'), WITHOUT_RANGE),
    "if_range_weak": (Conditions(if_range='W/"v2,a"'), WITHOUT_RANGE),
    "if_range_list": (Conditions(if_range='"v1", "v2,a"'), WITHOUT_RANGE),
    "if_range_any": (Conditions(if_range="*"), WITHOUT_RANGE),
    "if_range_date_same": (Conditions(if_range=SAME), WITH_RANGE),
    "if_range_date_older": (Conditions(if_range=OLDER), WITHOUT_RANGE),
    "if_range_date_newer": (Conditions(if_range=NEWER), WITHOUT_RANGE),
    "if_range_malformed": (Conditions(if_range="v2"), WITHOUT_RANGE),
    "if_range_empty": (Conditions(if_range=""), WITHOUT_RANGE),
    # The order of section 13.2.2.
    "failure_comes_before_not_modified": (Conditions(if_match='"v1"', if_none_match='"v2,a"'), FAILED),
    "not_modified_comes_after_a_match": (Conditions(if_match='"v2,a"', if_none_match='"v2,a"'), NOT_MODIFIED),
    "old_copy_fails_before_not_modified": (Conditions(if_unmodified_since=OLDER, if_modified_since=SAME), FAILED),
    "not_modified_comes_before_if_range": (Conditions(if_none_match='"v2,a"', if_range='"v2,a"'), NOT_MODIFIED),
}


@pytest.mark.parametrize(("conditions", "decision"), DECISIONS.values(), ids=DECISIONS.keys())
def test_conditions_decide(conditions: Conditions, decision: Decision) -> None:
    assert evaluate(conditions, CURRENT) == decision


def test_a_date_is_compared_as_a_moment_whatever_the_zone_of_the_record() -> None:
    moscow = timezone(timedelta(hours=3))
    current = Validators(CURRENT.etag, CURRENT.last_modified.astimezone(moscow))

    assert evaluate(Conditions(if_range=SAME), current) == WITH_RANGE


def test_a_date_that_may_stand_for_two_versions_lets_no_range_through() -> None:
    current = Validators(CURRENT.etag, CURRENT.last_modified, is_date_strong=False)

    assert evaluate(Conditions(if_range=SAME), current) == WITHOUT_RANGE
    assert evaluate(Conditions(if_range=CURRENT.etag), current) == WITH_RANGE
    assert evaluate(Conditions(if_modified_since=SAME), current) == NOT_MODIFIED


def test_each_condition_is_read_from_the_field_of_its_name() -> None:
    names = {"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"}

    assert Conditions.read({name: name for name in names}.get) == Conditions(
        if_match="If-Match",
        if_none_match="If-None-Match",
        if_modified_since="If-Modified-Since",
        if_unmodified_since="If-Unmodified-Since",
        if_range="If-Range",
    )
