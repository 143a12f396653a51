"""Failed attempts in a row: whoever fails again and again waits longer and longer."""

from __future__ import annotations

import math
from typing import Protocol

from pet.domain.errors import LimitState, RateLimited

PAUSES_SECONDS = (0, 0, 0, 0, 30, 60, 120, 240, 480, 900)
"""The pause after the first, second, ... failure in a row; the last one holds for all that follow.

Four mistakes are anyone's. Whoever goes on guesses a hundred times a day.
"""

MEMORY_SECONDS = 86_400
"""Failures are forgotten a day after the last one."""


class Failures(Protocol):
    """Counts failures in a row, by a key of any length. While one pauses nothing is counted."""

    async def begin(self, key: str) -> None:
        """Count an attempt as failed before it is made, atomically: of many at once, each is counted.

        Raises:
            RateLimited: the pause after the last failure is not over.
        """

    async def take_back(self, key: str) -> None:
        """Count one failure less, and end its pause: the attempt could not be made. Never goes below zero."""

    async def forget(self, key: str) -> None:
        """Begin anew: the attempt succeeded."""


def must_pause(pause_seconds: float, left_seconds: float) -> RateLimited:
    """Return what is raised while a pause lasts: one attempt in each pause."""
    return RateLimited(
        LimitState(
            bucket="login-failures",
            limit=1,
            window_seconds=math.ceil(pause_seconds),
            remaining=0,
            reset_seconds=max(1, math.ceil(left_seconds)),
        )
    )
