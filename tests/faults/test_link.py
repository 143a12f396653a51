"""The faulty link itself: a fault that is none would let every other test of this folder pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.faults.link import Fault, Link, faulty_link


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    """A link to a server that echoes."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(1024):
            heard.append(chunk)
            writer.write(chunk)
            await writer.drain()
        writer.close()

    heard.clear()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, faulty_link("127.0.0.1", server.sockets[0].getsockname()[1]) as opened:
        yield opened


heard: list[bytes] = []


async def say(link: Link, text: bytes = b"hello") -> bytes:
    """Open a connection, say something, and return the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    try:
        writer.write(text)
        return await reader.readexactly(len(text))
    finally:
        writer.close()


async def test_a_whole_link_passes_everything_on(link: Link) -> None:
    assert await say(link) == b"hello"


async def test_a_slow_link_is_late_in_either_direction(link: Link) -> None:
    link.delay_seconds = 0.1
    await link.fail(Fault.SLOW)
    started = asyncio.get_running_loop().time()
    assert await say(link) == b"hello"
    assert asyncio.get_running_loop().time() - started >= 0.2


async def test_a_link_that_hangs_answers_nothing_until_it_is_mended(link: Link) -> None:
    await link.fail(Fault.HANG)
    asking = asyncio.create_task(say(link))
    done, _ = await asyncio.wait([asking], timeout=0.2)
    assert (done, heard) == (set(), [])
    await link.mend()
    assert await asking == b"hello"


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.REFUSE])
async def test_a_link_that_is_cut_or_refused_fails_at_once_and_comes_back(link: Link, fault: Fault) -> None:
    await link.fail(fault)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await say(link)
    assert heard == []
    await link.mend()
    assert await say(link) == b"hello"


async def test_a_lost_answer_was_heard(link: Link) -> None:
    await link.fail(Fault.LOSE_ANSWERS)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await say(link)
    assert heard == [b"hello"]


async def test_an_answer_is_cut_in_the_middle(link: Link) -> None:
    link.cut_after_bytes = 2
    await link.fail(Fault.CUT_ANSWERS)
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    writer.write(b"hello")
    assert await reader.readexactly(2) == b"he"
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()
