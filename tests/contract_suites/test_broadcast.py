"""What every broadcast does, whatever its technology."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.engines.redis import broadcasting, opened_redis

from pet.domain.broadcast import QUEUE_LENGTH, Broadcast, SlowSubscriber, Subscription
from pet.domain.events import Event, FollowCreated, TrackUploaded
from pet.domain.ids import FileId, UserId
from pet.domain.times import utc_now
from pet.storage.embedded.broadcast import EmbeddedBroadcast


@asynccontextmanager
async def embedded(_request: pytest.FixtureRequest) -> AsyncIterator[Broadcast[Event]]:
    yield EmbeddedBroadcast[Event]()


@asynccontextmanager
async def redis(request: pytest.FixtureRequest) -> AsyncIterator[Broadcast[Event]]:
    """One process that hears what it publishes from Redis as well."""
    async with opened_redis(request.getfixturevalue("redis_url")) as server, broadcasting(server) as opened:
        yield opened


ADAPTERS = {"embedded": embedded, "redis": redis}


@pytest.fixture(params=ADAPTERS)
async def broadcast(request: pytest.FixtureRequest) -> AsyncIterator[Broadcast[Event]]:
    async with ADAPTERS[request.param](request) as opened:
        yield opened
        await opened.close()


def upload(number: int) -> Event:
    return TrackUploaded(user_id=UserId("ann"), occurred_at=utc_now(), file_id=FileId(str(number)))


async def take(iterator: Subscription[Event], count: int) -> list[Event]:
    async with asyncio.timeout(5):
        return [await anext(iterator) for _ in range(count)]


async def test_every_subscriber_gets_every_message_in_order(broadcast: Broadcast[Event]) -> None:
    sent = [
        upload(1),
        FollowCreated(user_id=UserId("bob"), occurred_at=utc_now(), following_id=UserId("ann")),
        upload(2),
    ]
    async with broadcast.subscribe() as first, broadcast.subscribe() as second:
        for message in sent:
            await broadcast.publish(message)
        assert [await take(first, 3), await take(second, 3)] == [sent, sent]


async def test_a_waiting_subscriber_is_woken(broadcast: Broadcast[Event]) -> None:
    message = upload(1)
    async with broadcast.subscribe() as messages:
        waiting = asyncio.create_task(take(messages, 1))
        await asyncio.sleep(0)
        await broadcast.publish(message)
        assert await waiting == [message]


async def test_what_was_published_before_is_not_given(broadcast: Broadcast[Event]) -> None:
    early, late = upload(1), upload(2)
    await broadcast.publish(early)
    async with broadcast.subscribe() as messages:
        await broadcast.publish(late)
        assert await take(messages, 1) == [late]


async def test_concurrent_publishers_lose_nothing(broadcast: Broadcast[Event]) -> None:
    sent = [upload(number) for number in range(100)]
    async with broadcast.subscribe() as messages:
        await asyncio.gather(*map(broadcast.publish, sent))
        received = await take(messages, 100)
    assert {message.event_id for message in received} == {message.event_id for message in sent}


async def test_a_slow_subscriber_is_let_go_after_an_unbroken_beginning(broadcast: Broadcast[Event]) -> None:
    sent = [upload(number) for number in range(3 * QUEUE_LENGTH)]
    received: list[Event] = []

    async def read() -> None:
        async with asyncio.timeout(5):
            async for message in messages:
                received.append(message)

    async with broadcast.subscribe() as messages:
        await broadcast.publish(sent[0])
        received += await take(messages, 1)
        for message in sent[1:]:
            await broadcast.publish(message)
        with pytest.raises(SlowSubscriber):
            await read()
        with pytest.raises(SlowSubscriber):
            await anext(messages)
    assert received == sent[: len(received)]


async def test_a_slow_subscriber_takes_nothing_from_a_quick_one(broadcast: Broadcast[Event]) -> None:
    sent = [upload(number) for number in range(2 * QUEUE_LENGTH)]
    received: list[Event] = []
    async with broadcast.subscribe(), broadcast.subscribe() as quick:
        for message in sent:
            await broadcast.publish(message)
            received += await take(quick, 1)
    assert received == sent


async def test_closing_ends_every_subscription(broadcast: Broadcast[Event]) -> None:
    message = upload(1)
    async with broadcast.subscribe() as idle, broadcast.subscribe() as busy:
        waiting = asyncio.create_task(anext(idle, None))
        await asyncio.sleep(0)
        await broadcast.publish(message)
        assert await waiting == message
        await broadcast.close()
        await broadcast.close()
        async with asyncio.timeout(5):
            assert [each async for each in idle] == []
            assert [each async for each in busy] == [message]


async def test_closing_wakes_a_subscriber_who_waits(broadcast: Broadcast[Event]) -> None:
    async with broadcast.subscribe() as messages:
        waiting = asyncio.create_task(anext(messages, "ended"))
        await asyncio.sleep(0)
        await broadcast.close()
        async with asyncio.timeout(5):
            assert await waiting == "ended"


async def test_after_closing_nothing_is_published_and_a_subscription_ends_at_once(broadcast: Broadcast[Event]) -> None:
    await broadcast.close()
    async with broadcast.subscribe() as messages:
        await broadcast.publish(upload(1))
        async with asyncio.timeout(5):
            assert [each async for each in messages] == []


async def test_leaving_a_subscription_ends_its_iterator(broadcast: Broadcast[Event]) -> None:
    async with broadcast.subscribe() as messages:
        pass
    await broadcast.publish(upload(1))
    async with asyncio.timeout(5):
        assert [each async for each in messages] == []


async def test_what_is_complete_never_goes_back_and_is_told_with_each_message(broadcast: Broadcast[Event]) -> None:
    async with broadcast.subscribe() as messages:
        before = broadcast.complete_until()
        await broadcast.publish(upload(1))
        await take(messages, 1)
        assert before <= messages.complete_until <= broadcast.complete_until() <= utc_now()
