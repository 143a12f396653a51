"""A time limit for each of many."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from pet.schema.deadlines import Deadlines

AT_ONCE = 0.0
NEVER = 3600.0


async def test_what_ends_in_time_gives_its_result() -> None:
    assert await Deadlines(NEVER).bounded(asyncio.sleep(0, "result")) == "result"


async def test_what_takes_too_long_is_ended_and_the_task_goes_on() -> None:
    deadlines = Deadlines(AT_ONCE)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await deadlines.bounded(asyncio.Event().wait())
    task = asyncio.current_task()
    assert task
    assert task.cancelling() == 0


async def test_each_has_a_time_of_its_own() -> None:
    deadlines, events = Deadlines(0.05), [asyncio.Event() for _ in range(3)]

    async def wait(event: asyncio.Event) -> bool:
        return await deadlines.bounded(event.wait())

    first, second, third = (asyncio.ensure_future(wait(event)) for event in events)
    await asyncio.sleep(0)
    events[1].set()
    assert await second
    with pytest.raises(TimeoutError):
        await first
    with pytest.raises(TimeoutError):
        await third


async def test_whoever_is_cancelled_by_others_is_cancelled() -> None:
    deadlines = Deadlines(NEVER)
    task = asyncio.ensure_future(deadlines.bounded(asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_whoever_is_cancelled_when_the_time_is_over_is_cancelled() -> None:
    deadlines, begun = Deadlines(AT_ONCE), asyncio.Event()

    async def linger() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(deadlines.bounded(linger()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_takes_no_notice_gives_its_result() -> None:
    async def stubborn() -> str:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "result"

    assert await Deadlines(AT_ONCE).bounded(stubborn()) == "result"
    task = asyncio.current_task()
    assert task
    assert task.cancelling() == 0


async def test_a_mistake_is_raised_as_it_is() -> None:
    async def fail() -> None:
        raise ValueError("mistake")

    with pytest.raises(ValueError, match="mistake"):
        await Deadlines(NEVER).bounded(fail())
