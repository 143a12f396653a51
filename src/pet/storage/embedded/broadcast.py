"""The broadcast within one process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Generic

from pet.domain.broadcast import QUEUE_LENGTH, Message, SlowSubscriber


class EmbeddedBroadcast(Generic[Message]):
    """Hands messages from task to task on one event loop.

    Args:
        queue_length: how many messages may wait for one subscriber before it is let go.
    """

    def __init__(self, *, queue_length: int = QUEUE_LENGTH) -> None:
        self._queue_length = queue_length
        self._subscriptions: set[_Subscription[Message]] = set()
        self._is_closed = False

    async def publish(self, message: Message) -> None:
        """Hand a message to all subscriptions, at once."""
        for subscription in self._subscriptions:
            subscription.offer(message)

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[Message]]:
        """Open a subscription until the context is left; its iterator raises SlowSubscriber when it falls behind."""
        subscription = _Subscription[Message](self._queue_length)
        if self._is_closed:
            subscription.end()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            subscription.end()

    async def close(self) -> None:
        """End every subscription, and every later one at once."""
        self._is_closed = True
        for subscription in self._subscriptions:
            subscription.end()


class _Subscription(Generic[Message]):
    """One subscriber's queue, read as an asynchronous iterator."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._waiting: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._has_ended = False
        self._fell_behind = False

    def offer(self, message: Message) -> None:
        if self._has_ended:
            return
        if len(self._waiting) < self._length:
            self._waiting.append(message)
        else:
            self._fell_behind = True
            self._waiting.clear()
            self._has_ended = True
        self._wake.set()

    def end(self) -> None:
        self._has_ended = True
        self._wake.set()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        while not self._waiting:
            if self._fell_behind:
                raise SlowSubscriber
            if self._has_ended:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._waiting.popleft()
