"""Several `pet serve` processes and one broker: one of them publishes, and another takes its place when it dies."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import aio_pika
import pytest
from aiormq.exceptions import ChannelNotFoundEntity

from tests import media_factory
from tests.conftest import Person
from tests.e2e import server as servers
from tests.e2e.server import DEADLINE, Server, free_port, serve, start
from tests.engines.rabbitmq import Listener, listening, pet_with

pytestmark = pytest.mark.slow

DOCUMENT = Path(__file__).parents[2] / "docs" / "events.md"
PUBLISHES = "this process publishes the events"
TAKEOVER_SECONDS = 5.0
SILENCE_SECONDS = 15.0
"""How long the broker may take to give up a connection that is open but silent: three heartbeats, and something."""


@pytest.fixture(autouse=True)
def _own_exchange(tmp_path: Path, exchange_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `pet` use this test's exchange: another test session may be using the same broker."""
    monkeypatch.setattr(servers, "PET", pet_with(exchange_name, tmp_path))


@pytest.fixture
async def listener(amqp_url: str, exchange_name: str) -> AsyncIterator[Listener]:
    async with listening(amqp_url, exchange_name) as opened:
        yield opened


@pytest.fixture
async def both(tmp_path: Path, amqp_url: str, listener: Listener) -> AsyncIterator[list[Server]]:
    """Two processes on the same data, of which the first publishes."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(serve(tmp_path / "data", amqp_url=amqp_url))
        await first.service.register("one")
        await listener.wait_for(1)
        assert publishes(first)
        second = await stack.enter_async_context(serve(tmp_path / "data", amqp_url=amqp_url))
        await second.service.register("two")
        await listener.wait_for(2)
        assert not publishes(second)
        yield [first, second]


def publishes(server: Server) -> bool:
    return any(PUBLISHES in line for line in server.log.lines)


async def social(server: Server, action: str, person: Person, other: Person) -> None:
    response = await server.client.post(
        f"/social/{action}/{other.user_id}", json={"followerId": person.user_id}, headers=person.headers
    )
    assert response.status_code == 200, response.text


async def test_another_process_takes_the_place_of_one_that_was_killed(both: list[Server], listener: Listener) -> None:
    first, second = both
    assert await first.stop(signal.SIGKILL) == -signal.SIGKILL
    killed_at = time.monotonic()
    people = [await second.service.register(f"later{number}") for number in range(5)]
    await listener.wait_for(7, seconds=TAKEOVER_SECONDS)
    assert time.monotonic() - killed_at < TAKEOVER_SECONDS
    assert publishes(second)
    firsts = {body["eventId"]: body["userId"] for body in listener.bodies}
    assert [firsts[event_id] for event_id in listener.first_ids][2:] == [person.user_id for person in people]


async def test_a_process_that_was_paused_and_lost_its_place_publishes_nothing_more(
    both: list[Server], listener: Listener
) -> None:
    first, second = both
    await asyncio.sleep(1)  # idle, lest it be paused while it holds the lock of the database
    first.process.send_signal(signal.SIGSTOP)
    try:
        await second.service.register("meanwhile")
        await listener.wait_for(3, seconds=SILENCE_SECONDS)
        assert publishes(second)
    finally:
        first.process.send_signal(signal.SIGCONT)
    for number, server in enumerate([first, second] * 3):
        await server.service.register(f"later{number}")
    await listener.wait_for(9)
    await asyncio.sleep(1)
    assert len(listener.ids) == 9
    assert len([line for line in first.log.lines if PUBLISHES in line]) == 1


async def test_each_users_events_stay_in_order_under_load_while_the_publisher_is_killed(
    both: list[Server], listener: Listener
) -> None:
    first, second = both
    star = await second.service.register("star")
    fans = [await second.service.register(f"fan{number}") for number in range(8)]
    rounds = 12

    async def follow_and_unfollow(fan: Person) -> None:
        for turn in range(rounds):
            await social(both[turn // 2 % len(both)], "unfollow" if turn % 2 else "follow", fan, star)

    await asyncio.gather(*map(follow_and_unfollow, fans))
    await first.stop(signal.SIGKILL)
    both.remove(first)
    await asyncio.gather(*map(follow_and_unfollow, fans))
    await listener.wait_for(2 + 1 + 8 + 2 * 8 * rounds)
    names = {body["eventId"]: (body["userId"], body["name"]) for body in listener.bodies}
    for fan in fans:
        seen = [names[event_id][1] for event_id in listener.first_ids if names[event_id][0] == fan.user_id]
        assert seen == ["user.created", *["follow.created", "follow.deleted"] * rounds]


async def test_the_documented_consumer_reads_what_happens_to_tracks(
    tmp_path: Path, amqp_url: str, exchange_name: str
) -> None:
    """As it is written, but for the names of the exchange and of the queue, which other test sessions may use."""
    (written,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert len([line for line in written.splitlines() if line]) <= 15
    program = written.replace("pet.events", exchange_name).replace("my-service", f"{exchange_name}.consumer")
    consumer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env={**os.environ, "AMQP_URL": amqp_url}, stdout=asyncio.subprocess.PIPE
    )
    assert consumer.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE), serve(tmp_path / "data", amqp_url=amqp_url) as server:
            await queue_is_bound(amqp_url, f"{exchange_name}.consumer")
            muse = await server.service.register("muse")
            upload = await server.service.upload("track", media_factory.wav(1.0), by=muse)
            assert upload.status_code == 200
            at, name, user_id = (await consumer.stdout.readline()).decode().split()
        assert (name, user_id) == ("media.track.uploaded", muse.user_id)
        assert at == upload.json()["file"]["createdAt"]
    finally:
        consumer.kill()
        await consumer.wait()
        await remove_queue(amqp_url, f"{exchange_name}.consumer")


async def queue_is_bound(url: str, name: str) -> None:
    """Wait until somebody consumes from a queue."""
    async with await aio_pika.connect(url) as connection:
        for _ in range(200):
            with suppress(ChannelNotFoundEntity):
                async with connection.channel() as channel:
                    queue = await channel.declare_queue(name, passive=True)
                    if queue.declaration_result.consumer_count:
                        return
            await asyncio.sleep(0.1)
    raise AssertionError(name)


async def remove_queue(url: str, name: str) -> None:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        await channel.queue_delete(name)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (
            "amqp://guest:wrong-one@{place}/",
            "{place} refuses the user guest or the password. Correct them.",
        ),
        (
            "amqp://guest:guest@{place}/nowhere",
            "{place} has no virtual host nowhere, or the user guest may not use it. Make it with `rabbitmqctl"
            " add_vhost`, allow it with `rabbitmqctl set_permissions`, or correct the URL.",
        ),
        (
            "amqp://guest:guest@127.0.0.1:{free}/",
            "127.0.0.1:{free} cannot be connected to (Connection refused). Start RabbitMQ there, or correct the URL.",
        ),
    ],
)
async def test_a_wrong_url_stops_the_start_with_one_sentence(
    tmp_path: Path, amqp_url: str, wrong: str, reason: str
) -> None:
    place, free = amqp_url.partition("@")[2].strip("/"), free_port()
    url = wrong.format(place=place, free=free)
    process = await start(tmp_path / "data", free_port(), amqp_url=url)
    async with asyncio.timeout(DEADLINE):
        _, said = await process.communicate()
    assert process.returncode == 1
    assert said.decode().splitlines() == [
        f"Error: The message broker (PET_AMQP_URL) cannot be used: {reason.format(place=place, free=free)}"
    ]
