"""What is done again and again goes on after a failure, and the log tells an outage from a mistake of ours."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import pytest

from pet import upkeep
from pet.domain.errors import Service, Unavailable


@pytest.mark.parametrize(
    ("failure", "level", "has_traceback"),
    [(Unavailable(Service.MEDIA), logging.WARNING, False), (ValueError("a mistake"), logging.ERROR, True)],
    ids=["outage", "mistake"],
)
async def test_a_failure_is_told_and_the_next_turn_comes(
    failure: Exception,
    level: int,
    has_traceback: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(upkeep, "FAILURE_PAUSE", timedelta(milliseconds=1))
    turns = 0
    came_again = asyncio.Event()

    async def work() -> None:
        nonlocal turns
        turns += 1
        if turns == 1:
            raise failure
        came_again.set()

    async with upkeep.repeated(timedelta(milliseconds=1), work), asyncio.timeout(10):
        await came_again.wait()
    [record] = [record for record in caplog.records if record.name == "pet.upkeep"]
    assert (record.levelno, bool(record.exc_info)) == (level, has_traceback)
