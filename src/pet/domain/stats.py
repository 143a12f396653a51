"""The counters of a profile."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stats:
    """Counters that follow events by themselves; `plays` never falls. As a change, each number is what to add."""

    tracks: int = 0
    followers: int = 0
    following: int = 0
    plays: int = 0
