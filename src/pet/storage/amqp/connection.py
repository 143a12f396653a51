"""One connection to the broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from aiormq.exceptions import AMQPError, ChannelInvalidStateError, ChannelLockedResource

DOWN = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError)
"""What the library raises for a broker that is down or refuses."""

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
        with suppress(*DOWN):
            async with asyncio.timeout(CLOSING_SECONDS):
                await self.connection.close()


async def open_session(url: str, exchange: str, timeout_seconds: float) -> Session:
    """Connect, and declare the exchange: of the kind `topic`, durable.

    Raises:
        DOWN: the broker cannot be reached, or refuses.
    """
    async with asyncio.timeout(timeout_seconds):
        connection = await aio_pika.connect(
            url, heartbeat=HEARTBEAT_SECONDS, client_properties={"connection_name": "pet"}
        )
        async with _closed_on_failure(connection):
            channel = await connection.channel()
            declared = await channel.declare_exchange(exchange, aio_pika.ExchangeType.TOPIC, durable=True)
            return Session(connection, channel, declared)


@asynccontextmanager
async def _closed_on_failure(connection: AbstractConnection) -> AsyncIterator[None]:
    try:
        yield
    except BaseException:
        with suppress(*DOWN):
            async with asyncio.timeout(CLOSING_SECONDS):
                await connection.close()
        raise
