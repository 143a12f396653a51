"""Complete lists: what they cost the service while clients read them, slowly or not to the end."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from starlette.types import Message, Scope

from pet.domain.paging import Position
from pet.rest_compat.lists import CompleteList, JsonPage
from tests.clock import HandClock
from tests.conftest import Service, StartService
from tests.setups import POSTGRES

MEGABYTE = 1_000_000
GET: Scope = {"type": "http", "method": "GET", "headers": []}
HERE = Position(HandClock()(), "0")


@dataclass
class Source:
    """A list of so many pages, and which of them were read; from `stuck_at` on, reading takes for ever."""

    pages: int
    item: dict[str, object] = field(default_factory=lambda: {"name": "somebody"})
    size: int = 3
    stuck_at: int | None = None
    read: list[int] = field(default_factory=list)
    ended: int = 0

    async def __call__(self, after: Position | None, limit: int) -> JsonPage:
        number = len(self.read)
        self.read.append(number)
        try:
            await asyncio.sleep(0 if number != self.stuck_at else 3600)
        finally:
            self.ended += 1
        items = ({**self.item, "number": number * self.size + n} for n in range(self.size))
        return JsonPage(items, HERE if number + 1 < self.pages else None)

    async def answer(self) -> CompleteList:
        return CompleteList(self, await self(None, 0), before=b'{"data":', end=b',"more":1}')


@dataclass
class Client:
    """Takes an answer; it leaves when it is told to, and reads no further than it wants."""

    wants: int = 1_000_000
    bodies: list[bytes] = field(default_factory=list)
    has_left: asyncio.Event = field(default_factory=asyncio.Event)
    keeps: bool = True
    status: int = 0

    async def receive(self) -> Message:
        await self.has_left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.status = message.get("status", self.status)
        if message["type"] == "http.response.body":
            self.bodies.append(message["body"] if self.keeps else b"")
            if len(self.bodies) > self.wants:
                await asyncio.sleep(3600)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.005)


async def test_a_list_is_one_array_whatever_its_pages() -> None:
    source, client = Source(pages=4), Client()
    await (await source.answer())(GET, client.receive, client.send)
    expected = {"data": [{"name": "somebody", "number": number} for number in range(12)], "more": 1}
    assert (client.status, orjson.loads(b"".join(client.bodies))) == (200, expected)
    assert source.read == [0, 1, 2, 3]


async def test_a_slow_client_has_one_page_read_ahead_and_no_more() -> None:
    source, client = Source(pages=9), Client(wants=1)
    answering = asyncio.create_task((await source.answer())(GET, client.receive, client.send))
    await until(lambda: len(client.bodies) == 2)
    await asyncio.sleep(0.05)
    assert (source.read, source.ended) == ([0, 1, 2], 3)
    client.has_left.set()
    await answering


async def test_a_client_that_leaves_ends_what_is_being_read() -> None:
    source, client = Source(pages=9, stuck_at=2), Client()
    answering = asyncio.create_task((await source.answer())(GET, client.receive, client.send))
    await until(lambda: len(source.read) == 3)
    assert source.ended == 2
    client.has_left.set()
    await answering
    assert source.ended == 3
    assert not any(task.get_coro() for task in asyncio.all_tasks() - {asyncio.current_task()})


async def test_whoever_asks_for_the_head_has_nothing_more_read() -> None:
    source, client = Source(pages=9), Client()
    await (await source.answer())({**GET, "method": "HEAD"}, client.receive, client.send)
    assert (client.status, client.bodies, source.read) == (200, [b""], [0])


async def test_an_engine_that_fails_on_the_way_breaks_the_answer_off() -> None:
    async def fail(after: Position | None, limit: int) -> JsonPage:
        raise ConnectionError("gone")

    client = Client()
    with pytest.raises(ConnectionError):
        await CompleteList(fail, JsonPage([{"a": 1}], HERE), before=b"", end=b"")(GET, client.receive, client.send)
    assert client.bodies == [b'[{"a":1}']


async def test_memory_does_not_grow_with_the_list() -> None:
    """A hundred megabytes of items go through; a page has half a megabyte."""
    source, client = Source(pages=200, size=500, item={"text": "x" * 1000}), Client(keeps=False)
    answer = await source.answer()
    tracemalloc.start()
    try:
        await answer(GET, client.receive, client.send)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(source.read) == 200
    assert peak < 5 * MEGABYTE


async def test_the_others_have_their_turn_while_a_list_is_sent() -> None:
    source, client, turns = Source(pages=20, size=500), Client(), 0
    answering = asyncio.create_task((await source.answer())(GET, client.receive, client.send))
    while not answering.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > len(client.bodies) > 20 * 3


@pytest.mark.parametrize("prepare", [POSTGRES], indirect=True)
async def test_a_slow_reader_holds_no_connection_of_the_database(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is but one connection for all, everybody else is served while a list waits for its client."""
    monkeypatch.setattr("pet.rest_compat.envelopes.FIRST_PAGE", 1)
    monkeypatch.setattr("pet.rest_compat.lists.STREAM_PAGE", 1)
    service: Service = await start_service(database_pool_size=1)
    people = [await service.register(f"person-{number}") for number in range(5)]
    client = Client(wants=1)
    scope: dict[str, Any] = {**GET, "path": "/users", "query_string": b"", "client": ("127.0.0.1", 1)}
    answering = asyncio.ensure_future(service.app(scope, client.receive, client.send))
    await until(lambda: len(client.bodies) == 2)
    for person in people:
        response = await service.client.get(f"/users/{person.user_id}/profile")
        assert response.json()["data"]["username"] == person.username
    assert not answering.done()
    client.has_left.set()
    await answering
