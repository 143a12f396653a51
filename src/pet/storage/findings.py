"""What an examination of an engine finds: for operators, in sentences that say what to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is. A failure keeps the service from working; a warning will bite one day."""

    FINE = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `subject` names it in a word, `sentence` says how it is and what to do."""

    level: Level
    subject: str
    sentence: str


def fine(subject: str, sentence: str) -> Finding:
    """Return a finding that nothing is wrong."""
    return Finding(Level.FINE, subject, sentence)


def warning(subject: str, sentence: str) -> Finding:
    """Return a finding that should be mended."""
    return Finding(Level.WARNING, subject, sentence)


def failure(subject: str, sentence: str) -> Finding:
    """Return a finding that must be mended."""
    return Finding(Level.FAILURE, subject, sentence)


MUCH_SKEW = timedelta(seconds=1)
"""Tokens allow for some seconds, and events of one user are put into order by the clocks of the processes."""


def clock_finding(subject: str, theirs: datetime, *, asked: datetime, answered: datetime) -> Finding:
    """Compare an engine's clock with this machine's, which stood at `asked` and `answered` around the look at it."""
    ahead = max(theirs - answered, asked - theirs, timedelta(0))
    if ahead <= MUCH_SKEW:
        return fine(subject, "Its clock agrees with this machine's.")
    seconds = round(ahead.total_seconds(), 1)
    return warning(subject, f"Its clock differs from this machine's by {seconds} s: let NTP set both.")
