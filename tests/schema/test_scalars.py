"""Moments as GraphQL and REST write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pet.schema.scalars import write_time


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00.000Z"),
        (datetime(2026, 1, 31, 12, 0, 0, 7000, UTC), "2026-01-31T12:00:00.007Z"),
        (datetime(2026, 1, 31, 12, 0, 0, 999, UTC), "2026-01-31T12:00:00.000Z"),
        (datetime(2026, 1, 31, 12, 0, 0, 999999, UTC), "2026-01-31T12:00:00.999Z"),
        (datetime(999, 1, 2, 3, 4, 5, tzinfo=UTC), "0999-01-02T03:04:05.000Z"),
        (datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=3))), "2025-12-31T23:00:00.000Z"),
    ],
    ids=str,
)
def test_a_moment_is_written_in_utc_with_milliseconds(moment: datetime, text: str) -> None:
    assert write_time(moment) == text
