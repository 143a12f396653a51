"""What is the embedded broadcast's own: the length of its queues, and what it holds afterwards."""

from __future__ import annotations

import pytest

from pet.domain.broadcast import SlowSubscriber
from pet.storage.embedded.broadcast import EmbeddedBroadcast


async def test_a_queue_holds_exactly_its_length() -> None:
    broadcast = EmbeddedBroadcast[int](queue_length=3)
    async with broadcast.subscribe() as messages:
        for number in range(3):
            await broadcast.publish(number)
        assert [await anext(messages) for _ in range(3)] == [0, 1, 2]
        for number in range(4):
            await broadcast.publish(number)
        with pytest.raises(SlowSubscriber):
            await anext(messages)


async def test_a_subscription_that_was_left_is_not_held() -> None:
    broadcast = EmbeddedBroadcast[int]()
    async with broadcast.subscribe():
        assert len(broadcast._subscriptions) == 1
    assert len(broadcast._subscriptions) == 0
