"""The broadcast within one process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Generic

from pet.domain.broadcast import QUEUE_LENGTH, Message, SlowSubscriber, Subscription
from pet.domain.times import Clock, utc_now


class EmbeddedBroadcast(Generic[Message]):
    """Hands messages from task to task on one event loop.

    Args:
        complete_until: tells up to when everything was published; a clock where that is done right after the delivery.
        queue_length: how many messages may wait for one subscriber before it is let go.
    """

    def __init__(self, complete_until: Clock = utc_now, *, queue_length: int = QUEUE_LENGTH) -> None:
        self._complete_until = complete_until
        self._queue_length = queue_length
        self._subscriptions: set[_Subscription[Message]] = set()
        self._is_closed = False

    async def publish(self, message: Message) -> None:
        """Hand a message to all subscriptions, at once."""
        moment = self.complete_until()
        for subscription in self._subscriptions:
            subscription.offer(message, moment)

    def complete_until(self) -> datetime:
        """See `Broadcast.complete_until`."""
        return self._complete_until()

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[Subscription[Message]]:
        """Open a subscription until the context is left; its iterator raises SlowSubscriber when it falls behind."""
        subscription = _Subscription[Message](self._queue_length, self.complete_until())
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

    def __init__(self, length: int, complete_until: datetime) -> None:
        self.complete_until = complete_until
        self._length = length
        self._waiting: deque[tuple[Message, datetime]] = deque()
        self._wake = asyncio.Event()
        self._has_ended = False
        self._fell_behind = False

    def offer(self, message: Message, complete_until: datetime) -> None:
        if self._has_ended:
            return
        if len(self._waiting) < self._length:
            self._waiting.append((message, complete_until))
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
        message, self.complete_until = self._waiting.popleft()
        return message
