"""Broadcast: what one request makes known reaches every subscription that is open at that moment.

Nothing is kept for later: whoever subscribes afterwards, or falls behind, reads the store instead.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol, TypeVar

from pet.domain.errors import DomainError, ErrorCode

Message = TypeVar("Message")
Message_co = TypeVar("Message_co", covariant=True)

QUEUE_LENGTH = 256
"""How many messages wait for one subscriber; some seconds of a busy network, some tens of kilobytes."""


class SlowSubscriber(DomainError):
    """A subscriber read more slowly than others published, and was let go before it filled the memory."""

    code = ErrorCode.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("This subscription fell too far behind and was ended. Please subscribe again.")


class Subscription(Protocol[Message_co]):
    """The messages of one subscriber, as an asynchronous iterator."""

    def __aiter__(self) -> AsyncIterator[Message_co]: ...

    async def __anext__(self) -> Message_co: ...

    @property
    def complete_until(self) -> datetime:
        """What `Broadcast.complete_until` was when the last message was handed over: the iterator has given all that
        was delivered before."""


class Broadcast(Protocol[Message]):
    """Hands every message to every open subscription, each in the order of publishing."""

    async def publish(self, message: Message) -> None:
        """Hand a message to all subscriptions; never waits for a subscriber. After `close` it does nothing."""

    def complete_until(self) -> datetime:
        """Return a moment such that all that was delivered before it was handed to the subscriptions of this process.

        A delivery is dated by the clock of its process and before its commit: take off some seconds for that.
        """

    def subscribe(self) -> AbstractAsyncContextManager[Subscription[Message]]:
        """Open a subscription; it gets every message from the moment of entering until leaving.

        The iterator raises SlowSubscriber when more than 256 messages wait: what it gave until then is without a gap,
        what still waited is dropped. After `close` it gives what still waits, then ends.
        """

    async def close(self) -> None:
        """End every subscription, and every later one at once. Closing twice does nothing."""
