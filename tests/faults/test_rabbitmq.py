"""The broker fails under a whole service: requests go on, nothing is lost, each user's order is kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from urllib.parse import urlsplit

import pamqp.frame
import pytest
from pamqp import commands

from pet.domain.events import Event, TrackPlayed
from pet.domain.ids import FileId, UserId, new_uuid7
from pet.domain.publishing import Publisher
from pet.domain.times import utc_now
from pet.storage.amqp.exchange import AmqpExchange, open_exchange
from pet.storage.opening import CannotOpen
from pet.storage.sql.database import Database, Statements
from pet.storage.sql.delivery import SqlOutbox, store_events
from tests.conftest import Service, StartService
from tests.engines.rabbitmq import Listener, listening, until_published
from tests.faults.link import Fault, Link, faulty_link

TIMEOUT_SECONDS = 0.4
BACK_SECONDS = 4.0
"""Two seconds for the return of the broker to be used, and as many for a machine that has other work."""

Start = Callable[[], Awaitable[Service]]


@pytest.fixture
async def link(amqp_url: str) -> AsyncIterator[Link]:
    """A link to the broker."""
    address = urlsplit(amqp_url)
    assert address.hostname
    async with faulty_link(address.hostname, address.port or 5672) as opened:
        yield opened


@pytest.fixture
async def listener(amqp_url: str, exchange_name: str) -> AsyncIterator[Listener]:
    """Who listens to this test's exchange, past the link."""
    async with listening(amqp_url, exchange_name) as opened:
        yield opened


def url_through(link: Link, amqp_url: str) -> str:
    address = urlsplit(amqp_url)
    return amqp_url.replace(address.netloc, f"{address.username}:{address.password}@127.0.0.1:{link.port}")


@pytest.fixture
async def start(start_service: StartService, link: Link, amqp_url: str, exchange_name: str) -> Start:
    """A function that starts a service whose broker is behind the link."""

    async def started() -> Service:
        service: Service = await start_service(amqp_url=url_through(link, amqp_url), engine_timeout=TIMEOUT_SECONDS)
        return service

    return started


async def store(events: Sequence[Event]) -> None:
    """Store events with no change of their own."""

    async def work(sql: Statements) -> None:
        await store_events(sql, events)

    await Database().atomically(work)


def plays(number: int, *, users: int = 3) -> list[Event]:
    """Return events of some users by turns, in the order of their ids."""
    owners = [UserId(new_uuid7()) for _ in range(users)]
    made: list[Event] = [
        TrackPlayed(user_id=owners[turn % users], occurred_at=utc_now(), file_id=FileId(new_uuid7()))
        for turn in range(number)
    ]
    return sorted(made, key=lambda event: event.event_id)


def ids(events: Sequence[Event]) -> list[str]:
    return [str(event.event_id) for event in events]


async def checks(service: Service) -> tuple[int, str, dict[str, str]]:
    response = await service.client.get("/health/ready")
    answer = response.json()
    return response.status_code, answer["status"], answer["checks"]


READY = (200, "ready", {"database": "up", "media": "up", "events": "up"})
DEGRADED = (200, "degraded", {"database": "up", "media": "up", "events": "down"})


async def test_an_event_arrives_about_half_a_second_after_its_change(start: Start, listener: Listener) -> None:
    service = await start()
    await service.register("first")
    await listener.wait_for(1)
    began = time.monotonic()
    ann = await service.register("ann")
    await listener.wait_for(2)
    assert 0.25 <= time.monotonic() - began < 2
    assert [(body["name"], body["userId"]) for body in listener.bodies][1] == ("user.created", ann.user_id)
    assert await checks(service) == READY


@pytest.mark.parametrize("fault", [Fault.SLOW, Fault.HANG, Fault.RESET, Fault.REFUSE, Fault.CUT_ANSWERS])
async def test_without_the_broker_requests_go_on_and_its_return_is_used(
    start: Start, link: Link, listener: Listener, fault: Fault
) -> None:
    service = await start()
    people = [await service.register("before")]
    await listener.wait_for(1)
    await link.fail(fault)
    for number in range(5):
        began = time.monotonic()
        people.append(await service.register(f"during{number}"))
        assert time.monotonic() - began < 1
    assert await checks(service) == DEGRADED
    await asyncio.sleep(2 * TIMEOUT_SECONDS)  # long enough to be found out by the publisher as well
    await link.mend()
    await listener.wait_for(6, seconds=BACK_SECONDS)
    people.append(await service.register("after"))
    await listener.wait_for(7)
    firsts = {body["eventId"]: body["userId"] for body in listener.bodies}
    assert [firsts[event_id] for event_id in listener.first_ids] == [person.user_id for person in people]
    assert await checks(service) == READY


async def test_a_lost_acknowledgement_leads_to_a_repetition_and_to_no_loss(
    start: Start, link: Link, listener: Listener
) -> None:
    await start()
    events = plays(40)
    await store(events[:10])
    await listener.wait_for(10)
    await link.fail(Fault.LOSE_ANSWERS)
    await store(events[10:])
    await listener.wait_for(11)  # the first of a window arrived, and nobody has heard of it
    await link.mend()
    await listener.wait_for(40)
    assert listener.first_ids == ids(events)
    assert len(listener.ids) > 40


async def test_two_thousand_events_survive_three_lost_connections_in_order(
    start: Start, link: Link, listener: Listener
) -> None:
    await start()
    events = plays(2000, users=20)
    await store(events)
    for number in (300, 900, 1500):
        await listener.wait_for(number)
        link.cut()
    await listener.wait_for(2000)
    assert listener.first_ids == ids(events)
    assert link.connections >= 4
    assert len(listener.ids) <= 2000 + 3 * 100


async def test_two_who_publish_and_take_the_place_from_each_other_keep_the_order(
    start_service: StartService, link: Link, amqp_url: str, exchange_name: str, listener: Listener
) -> None:
    await start_service()  # for its database
    outbox, events = SqlOutbox(Database(), utc_now), plays(600, users=10)
    async with faulty_link(link.upstream_host, link.upstream_port) as other, AsyncExitStack() as stack:
        for way in (link, other):
            opened = await stack.enter_async_context(
                open_exchange(url_through(way, amqp_url), timeout_seconds=TIMEOUT_SECONDS, name=exchange_name)
            )
            publishing = asyncio.create_task(again_and_again(Publisher([outbox], opened, utc_now)))
            stack.callback(publishing.cancel)
        for turn in range(6):
            await store(events[100 * turn : 100 * (turn + 1)])
            await listener.wait_for(100 * turn + 50)
            link.cut()  # whoever publishes loses the place, in the middle of a window or not
            other.cut()
        await listener.wait_for(600)
    assert listener.first_ids == ids(events)


async def again_and_again(publisher: Publisher) -> None:
    while True:
        await publisher.publish()
        await asyncio.sleep(0.05)


async def kept() -> list[str]:
    """Return the names of the events that an outbox still holds."""
    return [row["name"] for row in await Database().rows("SELECT name FROM outbox")]


async def test_what_the_broker_never_confirmed_is_kept_however_old(
    start: Start, link: Link, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pet.upkeep.TRIM_PAUSE", timedelta(milliseconds=50))
    monkeypatch.setattr("pet.upkeep.KEEP_DELIVERED", timedelta(0))
    service = await start()
    await link.fail(Fault.REFUSE)
    ann = await service.register("ann")
    await asyncio.sleep(0.5)  # several turns of trimming
    assert await kept() == ["user.created"]
    await link.mend()
    await listener.wait_for(1)
    assert [body["userId"] for body in listener.bodies] == [ann.user_id]
    for _ in range(100):
        if not await kept():
            break
        await asyncio.sleep(0.05)
    assert await kept() == []


async def test_a_broker_that_is_short_of_space_is_waited_for(start: Start, link: Link, listener: Listener) -> None:
    """An alarm: the broker says that it is blocked, and reads no more until it says otherwise."""
    service = await start()
    events = plays(20)
    await store(events[:5])
    await listener.wait_for(5)
    connections = link.connections
    await link.fail(Fault.HANG)
    say(link, commands.Connection.Blocked("low on disk"))
    await store(events[5:])
    await asyncio.sleep(4 * TIMEOUT_SECONDS)
    began = time.monotonic()
    assert await checks(service) == DEGRADED
    await service.register("meanwhile")
    assert time.monotonic() - began < 2
    say(link, commands.Connection.Unblocked())
    await link.mend()
    await listener.wait_for(21, seconds=BACK_SECONDS)
    assert listener.ids[:20] == ids(events)
    assert (len(listener.ids), link.connections) == (21, connections)
    assert await checks(service) == READY


def say(link: Link, method: commands.Connection.Blocked | commands.Connection.Unblocked) -> None:
    """Say something in the broker's name."""
    for writer in link._open:
        if writer.get_extra_info("sockname")[1] == link.port:
            writer.write(pamqp.frame.marshal(method, 0))


async def test_a_connection_that_is_open_but_silent_is_given_up_in_time(
    link: Link, amqp_url: str, exchange_name: str, listener: Listener
) -> None:
    url, events = url_through(link, amqp_url), plays(5)
    async with open_exchange(url, timeout_seconds=TIMEOUT_SECONDS, name=exchange_name) as opened:
        assert await opened.publish(events[:1]) == 1
        await link.fail(Fault.HANG)
        began = time.monotonic()
        assert await opened.publish(events[1:]) == 0
        assert await opened.publish(events[1:]) == 0
        assert TIMEOUT_SECONDS <= time.monotonic() - began < 4 * TIMEOUT_SECONDS + 1
        await link.mend()
        await until_published(opened, *events[1:])
        await listener.wait_for(5)
    assert listener.first_ids == ids(events)


@pytest.mark.parametrize(
    ("call", "outcome"),
    [(lambda exchange: exchange.answers(), False), (lambda exchange: exchange.publish(plays(1)), 0)],
    ids=["asks_how_it_is", "publishes"],
)
async def test_who_waits_for_the_broker_survives_the_end_of_the_connection(
    link: Link, amqp_url: str, exchange_name: str, call: Callable[[AmqpExchange], Awaitable[int]], outcome: int
) -> None:
    """Another task gives the connection up: a check of health, or what publishes, must not die of that."""
    async with open_exchange(url_through(link, amqp_url), timeout_seconds=2.0, name=exchange_name) as opened:
        await link.fail(Fault.HANG)
        waiting = asyncio.ensure_future(call(opened))
        await asyncio.wait([waiting], timeout=0.2)
        await opened.release()
        assert await waiting == outcome
        await link.mend()
        await until_published(opened, *plays(1))


async def test_a_service_that_stops_while_the_broker_hangs_stops_soon_and_leaves_no_task(
    link: Link, amqp_url: str, exchange_name: str
) -> None:
    before = asyncio.all_tasks()
    url = url_through(link, amqp_url)
    async with open_exchange(url, timeout_seconds=TIMEOUT_SECONDS, name=exchange_name) as opened:
        assert await opened.publish(plays(1)) == 1
        await link.fail(Fault.HANG)
        sending = asyncio.create_task(opened.publish(plays(5)))
        await asyncio.wait([sending], timeout=0.1)
        sending.cancel()
        await asyncio.wait([sending])
        began = time.monotonic()
    assert time.monotonic() - began < 1.5
    await link.mend()
    await link.close()
    await asyncio.sleep(0.1)
    assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (
            Fault.HANG,
            "127.0.0.1:{port} does not answer within 0.4 s. Is RabbitMQ there, and can it be reached from here?",
        ),
        (
            Fault.REFUSE,
            "127.0.0.1:{port} cannot be connected to (Connection refused). Start RabbitMQ there, or correct the URL.",
        ),
    ],
)
async def test_a_broker_that_does_not_answer_at_the_start_is_told_in_one_sentence(
    link: Link, amqp_url: str, exchange_name: str, fault: Fault, reason: str
) -> None:
    url = url_through(link, amqp_url)
    await link.fail(fault)
    with pytest.raises(CannotOpen) as caught:
        async with open_exchange(url, timeout_seconds=TIMEOUT_SECONDS, name=exchange_name):
            pass
    told = f"The message broker (PET_AMQP_URL) cannot be used: {reason.format(port=link.port)}"
    assert str(caught.value) == told
