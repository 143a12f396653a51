"""A stream that ends when the server begins to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from anyio import move_on_after

from pet.schema.streams import until


class Source:
    """A stream of two texts that then waits, ends or fails; it knows whether it was closed."""

    def __init__(self, end: asyncio.Event | Exception | None) -> None:
        self._end = end
        self.is_closed = False

    async def texts(self) -> AsyncGenerator[str, None]:
        """Yield the texts."""
        try:
            yield "one"
            yield "two"
            if isinstance(self._end, Exception):
                raise self._end
            if self._end:
                await self._end.wait()
        finally:
            self.is_closed = True


async def test_a_stream_ends_by_itself_where_nothing_stops() -> None:
    source = Source(None)
    assert [text async for text in until(asyncio.Event(), source.texts())] == ["one", "two"]
    assert source.is_closed


async def test_a_stream_that_waits_ends_with_the_server() -> None:
    stopping, source, heard = asyncio.Event(), Source(asyncio.Event()), []
    async with asyncio.timeout(5):
        async for text in until(stopping, source.texts()):
            heard.append(text)
            if text == "two":
                asyncio.get_running_loop().call_later(0.01, stopping.set)
    assert (heard, source.is_closed) == (["one", "two"], True)


async def test_a_stream_that_fails_fails() -> None:
    source = Source(RuntimeError("broken"))
    with pytest.raises(RuntimeError, match="broken"):
        _ = [text async for text in until(asyncio.Event(), source.texts())]
    assert source.is_closed


async def test_a_reader_that_leaves_between_two_items_closes_the_stream() -> None:
    source = Source(asyncio.Event())
    reading = until(asyncio.Event(), source.texts())
    assert await anext(reading) == "one"
    await reading.aclose()
    assert source.is_closed
    assert await others() == set()


async def test_a_reader_that_is_cancelled_while_it_waits_closes_the_stream() -> None:
    source = Source(asyncio.Event())
    reading = until(asyncio.Event(), source.texts())
    assert [await anext(reading), await anext(reading)] == ["one", "two"]
    with move_on_after(0.05) as scope:  # as Starlette does when the client is gone
        await anext(reading)
    assert (scope.cancelled_caught, source.is_closed) == (True, True)
    assert await others() == set()


async def others() -> set[asyncio.Task[object]]:
    """Return the tasks that still run beside this one, after giving them the time to end."""
    running = asyncio.all_tasks() - {asyncio.current_task()}
    if running:
        await asyncio.wait(running, timeout=1)
    return {task for task in running if task and not task.done()}
