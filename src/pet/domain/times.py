"""Time as the network tells it: UTC, to the millisecond."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NewType

Clock = Callable[[], datetime]

Milliseconds = NewType("Milliseconds", int)
"""A moment as stores keep it: whole milliseconds since the Unix epoch."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_now() -> datetime:
    """Return the present in UTC, cut to milliseconds: what is stored is what every front shows."""
    return truncate(datetime.now(UTC))


def truncate(moment: datetime) -> datetime:
    """Return the moment without its fraction of a millisecond."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def to_milliseconds(moment: datetime) -> int:
    """Return whole milliseconds since the Unix epoch."""
    return round(moment.timestamp() * 1000)


def from_milliseconds(milliseconds: int) -> datetime:
    """Return the UTC moment of whole milliseconds since the Unix epoch.

    Raises:
        OverflowError: the number is no date.
    """
    return _EPOCH + timedelta(milliseconds=milliseconds)
