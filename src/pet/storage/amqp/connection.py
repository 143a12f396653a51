"""One connection to the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from aiormq.exceptions import AMQPError, ChannelLockedResource

T = TypeVar("T")

DOWN = (AMQPError, OSError, TimeoutError, RuntimeError)
"""What the library raises for a broker that is down or refuses; RuntimeError for a connection that has just ended."""

HEARTBEAT_SECONDS = 3
"""The broker gives a silent connection up after two to three of them, and with it the place of the one that publishes.
Shorter ones are easily missed by a process that is busy."""

CLOSING_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Session:
    """A connection with a channel for publishing; what is sent is confirmed."""

    connection: AbstractConnection
    channel: AbstractChannel
    exchange: AbstractExchange

    @property
    def is_open(self) -> bool:
        """Whether it can still be used, as far as is known on this side."""
        return self.connection.connected.is_set() and not self.channel.is_closed

    async def is_blocked(self) -> bool:
        """Tell whether the broker takes no messages for the moment: it is short of memory or disk space."""
        transport = self.connection.transport
        if transport is None:
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(0):  # returns at once when it need not wait
                await transport.ready()
                return False
        return True

    async def claim(self, place: str) -> bool:
        """Take a place that one connection at a time can have, until this one ends; False when another has it.

        The place is an exclusive queue: the broker gives it away with the end of its owner's connection, over which
        nothing can be published then.
        """
        channel = await self.connection.channel()
        try:
            await channel.declare_queue(place, exclusive=True)
        except ChannelLockedResource:
            return False
        await channel.close()
        return True

    async def answer(self) -> None:
        """Wait for any answer of the broker."""
        channel = await self.connection.channel()
        await channel.close()

    async def close(self) -> None:
        """Close, within a second even when the broker is silent."""
        await _close(self.connection)


async def open_session(url: str, exchange: str) -> Session:
    """Connect, and declare the exchange: of the kind `topic`, durable.

    Raises:
        DOWN: the broker cannot be reached, or refuses.
    """
    connection = await aio_pika.connect(url, heartbeat=HEARTBEAT_SECONDS, client_properties={"connection_name": "pet"})
    try:
        channel = await connection.channel()
        declared = await channel.declare_exchange(exchange, aio_pika.ExchangeType.TOPIC, durable=True)
    except BaseException:
        await _close(connection)
        raise
    return Session(connection, channel, declared)


async def within(seconds: float, call: Coroutine[Any, Any, T]) -> T:
    """Return what a call of the broker returns, if that is in time.

    The library cancels whoever waits when this side closes the connection, as another task may: here that is the end
    of the connection, and not of the waiting task.

    Raises:
        DOWN: it is not in time, or the connection ended.
    """
    try:
        async with asyncio.timeout(seconds):
            return await call
    except asyncio.CancelledError:
        waiting = asyncio.current_task()
        if waiting is None or waiting.cancelling():
            raise
        raise ConnectionError("the connection was closed") from None


async def _close(connection: AbstractConnection) -> None:
    with suppress(*DOWN):
        await within(CLOSING_SECONDS, connection.close())
