"""Work whose caller is gone ends all the same, and its failure is nobody's surprise."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from pet.storage.detached import whole


async def test_a_cancelled_caller_leaves_the_work_to_its_end() -> None:
    running: set[asyncio.Task[Any]] = set()
    may_end, has_ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await may_end.wait()
        has_ended.set()

    caller = asyncio.create_task(whole(work(), running))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])
    assert caller.cancelled()
    assert len(running) == 1
    may_end.set()
    await asyncio.wait(running)
    assert has_ended.is_set()
    assert running == set()


async def test_a_failure_that_nobody_waits_for_is_not_reported_as_forgotten() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    running: set[asyncio.Task[Any]] = set()
    may_fail = asyncio.Event()

    async def work() -> None:
        await may_fail.wait()
        raise ValueError

    caller = asyncio.create_task(whole(work(), running))
    await asyncio.sleep(0)
    caller.cancel()
    may_fail.set()
    await asyncio.wait([caller])
    del caller  # its traceback holds the task, which is reported when it goes
    await asyncio.sleep(0)
    gc.collect()
    assert reported == []


async def test_a_failure_reaches_whoever_waits() -> None:
    async def work() -> None:
        raise ValueError("told")

    with pytest.raises(ValueError, match="told"):
        await whole(work(), set())
