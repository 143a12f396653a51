"""Time that tests turn by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pet.domain.times import truncate


@dataclass
class HandClock:
    """A clock that goes on by a millisecond each time it is read, so that what comes later is later, and by hand.

    It begins in the past, because a token from the future is refused.
    """

    now: datetime = field(default_factory=lambda: truncate(datetime.now(UTC)) - timedelta(minutes=10))

    def __call__(self) -> datetime:
        """Return the time."""
        self.now += timedelta(milliseconds=1)
        return self.now

    def advance(self, **amount: float) -> None:
        """Turn the clock on: `advance(minutes=30)`."""
        self.now += timedelta(**amount)
