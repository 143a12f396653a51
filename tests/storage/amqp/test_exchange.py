"""The exchange on a real broker: what arrives there, what is refused, who has the place."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractQueue
from pamqp.common import Arguments

from pet.domain.events import Event, UserCreated, UserDeleted
from pet.domain.ids import EventId, UserId
from pet.domain.publishing import AnotherPublishes
from pet.storage.amqp.exchange import AmqpExchange, open_exchange
from pet.storage.opening import CannotOpen
from tests.engines.rabbitmq import listening, until_published

MOMENT = datetime(2026, 5, 1, 12, 0, 0, 7000, tzinfo=UTC)


def created(number: int = 1) -> Event:
    return UserCreated(
        event_id=EventId(f"00000000-0000-7000-8000-{number:012}"),
        user_id=UserId("018f0000-0000-7000-8000-000000000001"),
        occurred_at=MOMENT,
        username=f"ann{number}",
        role="musician",
    )


def deleted(number: int) -> Event:
    return UserDeleted(
        event_id=EventId(f"00000000-0000-7000-8000-{number:012}"),
        user_id=UserId("018f0000-0000-7000-8000-000000000001"),
        occurred_at=MOMENT,
    )


@asynccontextmanager
async def opened(url: str, name: str, *, timeout_seconds: float = 2.0) -> AsyncIterator[AmqpExchange]:
    async with open_exchange(url, timeout_seconds=timeout_seconds, name=name) as exchange:
        yield exchange


@asynccontextmanager
async def channel_to(url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(url) as connection:
        yield await connection.channel()


async def test_an_event_arrives_whole_with_what_names_it(amqp_url: str, exchange_name: str) -> None:
    async with listening(amqp_url, exchange_name, "user.*") as listener, opened(amqp_url, exchange_name) as publishing:
        assert await publishing.publish([created()]) == 1
        await listener.wait_for(1)
    [message] = listener.messages
    assert listener.bodies == [
        {
            "eventId": "00000000-0000-7000-8000-000000000001",
            "name": "user.created",
            "version": 1,
            "time": "2026-05-01T12:00:00.007Z",
            "userId": "018f0000-0000-7000-8000-000000000001",
            "username": "ann1",
            "role": "musician",
        }
    ]
    assert (
        message.routing_key,
        message.type,
        message.message_id,
        message.content_type,
        message.delivery_mode,
        message.timestamp,
        message.app_id,
    ) == (
        "user.created",
        "user.created",
        "00000000-0000-7000-8000-000000000001",
        "application/json",
        aio_pika.DeliveryMode.PERSISTENT,
        MOMENT.replace(microsecond=0),
        "pet",
    )


async def test_a_hundred_arrive_in_their_order(amqp_url: str, exchange_name: str) -> None:
    events = [created(number) for number in range(100)]
    async with listening(amqp_url, exchange_name) as listener, opened(amqp_url, exchange_name) as publishing:
        assert await publishing.publish(events) == 100
        await listener.wait_for(100)
    assert listener.ids == [event.event_id for event in events]


async def test_nobody_need_listen(amqp_url: str, exchange_name: str) -> None:
    async with opened(amqp_url, exchange_name) as publishing:
        assert await publishing.publish([created()]) == 1


async def test_the_exchange_outlives_the_broker_and_an_event_is_kept_for_a_durable_queue(
    amqp_url: str, exchange_name: str
) -> None:
    async with opened(amqp_url, exchange_name) as publishing, channel_to(amqp_url) as channel:
        await channel.declare_exchange(exchange_name, "topic", durable=True)  # refused if it were of another kind
        queue = await channel.declare_queue(exchange_name, durable=True)
        try:
            await queue.bind(exchange_name, "#")
            assert await publishing.publish([created()]) == 1
            kept = await queue.get()
            assert (kept.message_id, kept.redelivered) == (created().event_id, False)
        finally:
            await queue.delete(if_unused=False, if_empty=False)


async def full_queue(channel: AbstractChannel, exchange_name: str, key: str, *, room: int) -> AbstractQueue:
    """Bind a queue that refuses what is more than it has room for."""
    arguments: Arguments = {"x-max-length": room, "x-overflow": "reject-publish"}
    queue = await channel.declare_queue(exclusive=True, arguments=arguments)
    await queue.bind(exchange_name, key)
    return queue


async def test_what_a_queue_refuses_is_not_confirmed_nor_is_what_follows(
    amqp_url: str, exchange_name: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pet.storage.amqp.exchange.FULL_QUEUE_SECONDS", 0.01)
    events = [created(1), created(2), created(3), deleted(4)]
    async with (
        opened(amqp_url, exchange_name) as publishing,
        channel_to(amqp_url) as channel,
        listening(amqp_url, exchange_name) as listener,
    ):
        queue = await full_queue(channel, exchange_name, "user.created", room=2)
        assert await publishing.publish(events) == 2  # the last was taken, but must come after the third
        assert await publishing.publish(events[2:]) == 0
        await queue.purge()
        assert await publishing.publish(events[2:]) == 2
        await listener.wait_until(lambda: len(listener.ids) == 4 + 2 + 2)
    assert listener.ids[-2:] == [events[2].event_id, events[3].event_id]
    assert [record.getMessage() for record in caplog.records if record.name == "pet.amqp"] == [
        "events wait for the message broker (PET_AMQP_URL):"
        f" a queue behind the exchange {exchange_name} is full and refuses messages."
    ]


async def test_one_publishes_at_a_time_and_another_when_it_is_gone(amqp_url: str, exchange_name: str) -> None:
    async with listening(amqp_url, exchange_name) as listener, opened(amqp_url, exchange_name) as second:
        async with opened(amqp_url, exchange_name) as first:
            assert await first.publish([created(1)]) == 1
            for _ in range(2):
                with pytest.raises(AnotherPublishes):
                    await second.publish([created(2)])
            assert await first.publish([created(3)]) == 1
            assert (await first.answers(), await second.answers()) == (True, True)
        await until_published(second, created(4))
        await listener.wait_for(3)
    assert listener.bodies[0]["username"] == "ann1"
    assert [body["username"] for body in listener.bodies[1:]] == ["ann3", "ann4"]


async def test_whoever_releases_the_place_leaves_it_to_another(amqp_url: str, exchange_name: str) -> None:
    async with opened(amqp_url, exchange_name) as first, opened(amqp_url, exchange_name) as second:
        assert await first.publish([created(1)]) == 1
        for _ in range(2):
            await first.release()
        await until_published(second, created(2))
        with pytest.raises(AnotherPublishes):
            await first.publish([created(3)])


async def test_an_exchange_that_somebody_removed_is_made_again(amqp_url: str, exchange_name: str) -> None:
    async with opened(amqp_url, exchange_name) as publishing, channel_to(amqp_url) as channel:
        assert await publishing.publish([created()]) == 1
        await channel.exchange_delete(exchange_name)
        assert await publishing.publish([created()]) == 0
        async with listening(amqp_url, exchange_name) as listener:
            await until_published(publishing, created())
            await listener.wait_for(1)


async def test_many_who_ask_at_once_share_one_connection(amqp_url: str, exchange_name: str) -> None:
    async with opened(amqp_url, exchange_name) as publishing:
        await publishing.release()
        sessions = await asyncio.gather(*(publishing.connect() for _ in range(10)))
        assert len({id(session) for session in sessions}) == 1


async def test_an_exchange_of_another_kind_stops_the_start(amqp_url: str, exchange_name: str) -> None:
    async with channel_to(amqp_url) as channel:
        await channel.declare_exchange(exchange_name, "fanout", durable=True)
        with pytest.raises(CannotOpen) as caught:
            async with opened(amqp_url, exchange_name):
                pass
    assert str(caught.value) == (
        f"The message broker (PET_AMQP_URL) cannot be used: the exchange {exchange_name} exists, but not as a durable"
        " topic exchange without arguments. Delete it, or use another virtual host."
    )


def test_without_the_setting_nothing_of_the_broker_is_imported() -> None:
    program = "import sys, pet.app; sys.exit(any(name.startswith(('aio_pika', 'aiormq')) for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
