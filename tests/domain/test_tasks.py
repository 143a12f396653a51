"""A task that is ended has ended, even where a cancellation was lost."""

from __future__ import annotations

import asyncio

from pet.domain.tasks import ended


async def test_a_task_that_loses_a_cancellation_is_ended_all_the_same() -> None:
    async def forgetful() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    task = asyncio.create_task(forgetful())
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await ended(task)
    assert task.cancelled()


async def test_a_task_that_fails_meanwhile_has_ended() -> None:
    async def failing() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError

    task = asyncio.create_task(failing())
    await asyncio.sleep(0)
    await ended(task)
    assert isinstance(task.exception(), ValueError)


async def test_a_task_that_is_done_is_left_as_it_is() -> None:
    task = asyncio.create_task(asyncio.sleep(0, "done"))
    await task
    await ended(task)
    assert task.result() == "done"
