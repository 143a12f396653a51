"""What an operator is told when an engine cannot be used at the start."""

from __future__ import annotations


class CannotOpen(Exception):
    """An engine that a setting names cannot be used.

    Args:
        engine: the engine in an operator's words: `database`, `message broker`.
        setting: the setting that names it: `PET_DATABASE_URL`.
        reason: what is wrong and what to do, in one sentence; no password in it.
    """

    def __init__(self, engine: str, setting: str, reason: str) -> None:
        super().__init__(f"The {engine} ({setting}) cannot be used: {reason}")
