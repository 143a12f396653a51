"""One connection per process that hears what other processes publish."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from redis import exceptions
from redis.asyncio.client import PubSub

from pet.domain.tasks import ended
from pet.storage.redis.client import FAILURES, RedisServer

Receive = Callable[[bytes], Awaitable[None]]

PING_PAUSE_SECONDS = 1.0
"""A line that is dead tells nothing: after as long without a word, Redis is asked whether it is still there."""

CONNECT_PAUSE_SECONDS = 0.5

log = logging.getLogger("pet.redis")


class RedisSubscriber:
    """Listens on channels, again and again when its connection is lost.

    Args:
        receivers: who receives the messages of each channel, one after the other.
        has_changed: called when it has begun to listen, and when it has stopped.
    """

    def __init__(
        self, server: RedisServer, receivers: Mapping[str, Receive], has_changed: Callable[[bool], None]
    ) -> None:
        self._server = server
        self._receivers = receivers
        self._has_changed = has_changed

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen until the context is left.

        Raises:
            RedisError, OSError: the first connection failed.
        """
        task = asyncio.create_task(self._listen(await self._subscribed()))
        try:
            yield
        finally:
            await ended(task)

    async def _listen(self, pubsub: PubSub) -> None:
        while True:
            self._has_changed(True)
            try:
                await self._read(pubsub)
            except FAILURES as error:
                log.debug("stopped listening to Redis", extra={"reason": repr(error)})
            except Exception:
                log.exception("a message from Redis could not be received")
            finally:
                await pubsub.aclose()
            self._has_changed(False)
            pubsub = await self._subscribed_again()

    async def _read(self, pubsub: PubSub) -> None:
        while True:
            message = await pubsub.get_message(timeout=PING_PAUSE_SECONDS)
            if message is None:
                await pubsub.ping()
                message = await pubsub.get_message(timeout=self._server.deadline_seconds)
            if message is None:
                error = exceptions.ConnectionError("no answer to a ping")
                self._server.lose(error)
                raise error
            if message["type"] == "message":
                await self._receivers[message["channel"].decode()](message["data"])

    async def _subscribed_again(self) -> PubSub:
        while True:
            try:
                return await self._subscribed()
            except FAILURES as error:
                self._server.lose(error)
                await asyncio.sleep(CONNECT_PAUSE_SECONDS)

    async def _subscribed(self) -> PubSub:
        pubsub = self._server.client.pubsub()
        try:
            async with asyncio.timeout(self._server.deadline_seconds):
                await pubsub.subscribe(*self._receivers)
                for _ in self._receivers:
                    await pubsub.get_message(timeout=None)
        except BaseException:
            await pubsub.aclose()
            raise
        return pubsub
