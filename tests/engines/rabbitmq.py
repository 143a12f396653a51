"""RabbitMQ for tests: the broker that PET_TEST_AMQP_URL names, an exchange of a test's own, and who listens to it.

One broker serves several test sessions at once: nothing in it is shared but the names of this service, and tests give
the exchange another one.
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aio_pika
import orjson
import pytest
from aio_pika.abc import AbstractIncomingMessage

from pet.domain.events import Event
from pet.domain.publishing import AnotherPublishes, Exchange

URL_VARIABLE = "PET_TEST_AMQP_URL"
DEADLINE = 20.0
"""Seconds after which a test gives up: far more than anything takes."""

_PROGRAM = """#!{python}
import pet.storage.amqp.exchange
pet.storage.amqp.exchange.EXCHANGE = "{exchange}"
from pet.cli import main
if __name__ == "__main__":  # worker processes import this
    main()
"""


@dataclass
class Listener:
    """All that an exchange has handed out since, in its order."""

    messages: list[AbstractIncomingMessage] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What the messages say."""
        return [orjson.loads(message.body) for message in self.messages]

    @property
    def ids(self) -> list[str]:
        """The events' ids; an event that was published twice is there twice."""
        return [str(message.message_id) for message in self.messages]

    @property
    def first_ids(self) -> list[str]:
        """The events' ids in the order in which each was seen first."""
        return list(dict.fromkeys(self.ids))

    async def wait_for(self, number: int, *, seconds: float = DEADLINE) -> None:
        """Wait until so many different events were seen."""
        await self.wait_until(lambda: len(set(self.ids)) >= number, seconds=seconds)

    async def wait_until(self, is_so: Callable[[], bool], *, seconds: float = DEADLINE) -> None:
        """Wait until something is so; it is looked at with each message."""
        async with asyncio.timeout(seconds), self.arrived:
            await self.arrived.wait_for(is_so)

    async def take(self, message: AbstractIncomingMessage) -> None:
        """Keep a message."""
        async with self.arrived:
            self.messages.append(message)
            self.arrived.notify_all()


@asynccontextmanager
async def listening(url: str, exchange: str, key: str = "#") -> AsyncIterator[Listener]:
    """Listen to an exchange, which is made if need be, until the context is left."""
    listener = Listener()
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_exchange(exchange, "topic", durable=True)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, key)
        await queue.consume(listener.take, no_ack=True)
        yield listener


async def until_published(exchange: Exchange, *events: Event) -> None:
    """Publish as soon as the place is free; the broker takes a moment to see the end of a connection."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                assert await exchange.publish(events) == len(events)
            except AnotherPublishes:
                await asyncio.sleep(0.02)
            else:
                return


@asynccontextmanager
async def own_exchange(url: str) -> AsyncIterator[str]:
    """Give a name that no other test uses, and remove the exchange of that name at last."""
    name = f"pet.test.{uuid.uuid4().hex}"
    try:
        yield name
    finally:
        async with await aio_pika.connect(url) as connection:
            await (await connection.channel()).exchange_delete(name)


def required_url() -> str:
    """Return the broker's URL, or skip the test where there is none."""
    url = os.environ.get(URL_VARIABLE)
    if not url:
        pytest.skip(f"{URL_VARIABLE} names no RabbitMQ broker")
    return url


def pet_with(exchange: str, folder: Path) -> Path:
    """Write a `pet` that takes a test's own exchange for that of the service."""
    program = folder / "pet"
    program.write_text(_PROGRAM.format(python=sys.executable, exchange=exchange))
    program.chmod(0o755)
    return program
