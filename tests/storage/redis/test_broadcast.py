"""What is the Redis broadcast's own: several processes, and that nothing is missed or heard twice over an outage."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta

import pytest
from redis.asyncio import Redis
from tests.contract_suites.scene import Clock
from tests.engines.redis import broadcasting, opened_redis, until
from tests.faults.link import Fault, Link, faulty_link

from pet.domain.broadcast import Broadcast
from pet.domain.errors import Service, Unavailable
from pet.domain.events import KINDS, Event, TrackUploaded, restore
from pet.domain.ids import EventId, FileId, UserId
from pet.domain.outbox import Outbox, Stored
from pet.domain.paging import Position
from pet.domain.times import utc_now
from pet.storage.redis import broadcast, client, subscriber
from pet.storage.redis.broadcast import RedisBroadcast, _decoded, _encoded
from pet.storage.redis.catch_up import LOOK_BACK, OVERLAP, CatchUp, SeenEvents

FAULTS = [Fault.HANG, Fault.REFUSE, Fault.RESET, Fault.LOSE_ANSWERS, Fault.CUT_ANSWERS]


@dataclass
class DeliveredEvents:
    """What was delivered, as an outbox tells it; the rest of an outbox nobody asks for here."""

    rows: list[Stored] = field(default_factory=list)
    is_down: bool = False

    async def delivered(self, *, after: Position, limit: int) -> Sequence[Stored]:
        if self.is_down:
            raise Unavailable(Service.USER)
        rows = sorted(self.rows, key=_place)
        return [row for row in rows if _place(row) > (after.at, after.id)][:limit]

    def settle(self, event: Event, at: datetime | None = None) -> Event:
        moment = at or utc_now()
        self.rows.append(Stored(event, attempts=0, error=None, held_until=moment, delivered_at=moment))
        return event

    @property
    def outbox(self) -> Outbox:
        return self  # type: ignore[return-value]


def _place(row: Stored) -> tuple[datetime, str]:
    return row.position.at, row.position.id


@dataclass
class Scene:
    """Two processes on one store, the second of which reaches Redis over a link that can fail."""

    link: Link
    store: DeliveredEvents
    here: RedisBroadcast
    there: RedisBroadcast
    heard: list[Event]
    fingerprint: str
    client: Redis

    async def publish(self, number: int) -> Event:
        """Deliver an event in the first process."""
        event = self.store.settle(upload(number))
        await self.here.publish(event)
        return event

    async def until_heard(self, events: Sequence[Event], *, seconds: float = 2.5) -> None:
        """Wait until the second process has heard these, and a moment longer for what it may hear twice."""
        await until(lambda: len(self.heard) >= len(events), seconds=seconds)
        await asyncio.sleep(0.05)
        assert sorted(self.heard, key=lambda event: event.event_id) == list(events)


def upload(number: int) -> Event:
    return TrackUploaded(user_id=UserId("ann"), occurred_at=utc_now(), file_id=FileId(str(number)))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten every pause to a fifth; the whole service is tested with those that it has."""
    for module, name in (
        (broadcast, "LISTENING_PAUSE_SECONDS"),
        (broadcast, "AWAY_PAUSE_SECONDS"),
        (client, "PROBE_PAUSE_SECONDS"),
        (subscriber, "PING_PAUSE_SECONDS"),
        (subscriber, "CONNECT_PAUSE_SECONDS"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name) / 5)


@pytest.fixture
def port(redis_url: str) -> int:
    return int(redis_url.rpartition(":")[2].partition("/")[0])


@pytest.fixture
async def scene(redis_url: str, port: int) -> AsyncIterator[Scene]:
    fingerprint, store = secrets.token_hex(6), DeliveredEvents()
    async with (
        faulty_link("127.0.0.1", port) as link,
        opened_redis(redis_url, fingerprint=fingerprint) as near,
        opened_redis(f"redis://127.0.0.1:{link.port}/0", fingerprint=fingerprint) as far,
        broadcasting(near, store.outbox) as here,
        broadcasting(far, store.outbox) as there,
        hearing(there) as heard,
        Redis.from_url(redis_url, protocol=2) as client,
    ):
        yield Scene(link, store, here, there, heard, fingerprint, client)


@asynccontextmanager
async def hearing(opened: Broadcast[Event]) -> AsyncIterator[list[Event]]:
    """Collect what a subscription hears."""
    heard: list[Event] = []

    async def listen() -> None:
        async with opened.subscribe() as events:
            subscribed.set()
            async for event in events:
                note(event)

    subscribed, note = asyncio.Event(), heard.append
    task = asyncio.create_task(listen())
    await subscribed.wait()
    yield heard
    task.cancel()
    await asyncio.wait([task])


async def test_other_processes_hear_at_once_and_in_order(scene: Scene) -> None:
    sent = [await scene.publish(number) for number in range(50)]
    await until(lambda: len(scene.heard) == 50, seconds=0.5)
    assert scene.heard == sent


async def test_the_own_process_hears_without_redis_and_once(scene: Scene) -> None:
    async with hearing(scene.there) as heard:
        await scene.link.fail(Fault.HANG)
        event = scene.store.settle(upload(1))
        publishing = asyncio.create_task(scene.there.publish(event))
        await until(lambda: heard == [event], seconds=0.2)
        await publishing
        await scene.link.mend()
        await asyncio.sleep(0.8)  # it comes back from Redis, and is read from the store
        assert heard == [event]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_nothing_is_missed_or_heard_twice_over_an_outage(scene: Scene, fault: Fault) -> None:
    sent = [await scene.publish(1)]
    await scene.until_heard(sent)
    await scene.link.fail(fault)
    sent += [await scene.publish(number) for number in range(2, 20)]
    await scene.until_heard(sent, seconds=4)
    sent.append(await scene.publish(20))
    await scene.link.mend()
    sent.append(await scene.publish(21))
    await scene.until_heard(sent, seconds=4)
    await until(lambda: scene.there._is_listening)
    sent.append(await scene.publish(22))
    await scene.until_heard(sent, seconds=0.5)
    await asyncio.sleep(0.5)
    await scene.until_heard(sent)


async def test_a_publisher_who_has_lost_redis_is_heard_by_those_who_have_not(scene: Scene) -> None:
    async with hearing(scene.here) as heard:
        await scene.link.fail(Fault.REFUSE)
        event = scene.store.settle(upload(1))
        await scene.there.publish(event)
        await until(lambda: heard == [event], seconds=2.5)


async def test_what_a_process_delivered_and_died_before_publishing_is_heard(scene: Scene) -> None:
    event = scene.store.settle(upload(1))
    await scene.until_heard([event])


async def test_a_killed_connection_misses_nothing(scene: Scene) -> None:
    sent = []
    for number in range(20):
        if number % 5 == 0:
            await scene.client.client_kill_filter(_type="pubsub")
        sent.append(await scene.publish(number))
        await asyncio.sleep(0.02)
    await scene.until_heard(sent)


async def test_a_subscription_hears_nothing_from_before_the_start_of_its_process(scene: Scene) -> None:
    for number in range(3):
        await scene.publish(number)
    async with (
        opened_redis(f"redis://127.0.0.1:{scene.link.port}/0", fingerprint=scene.fingerprint) as server,
        broadcasting(server, scene.store.outbox) as late,
        hearing(late) as heard,
    ):
        await scene.link.fail(Fault.REFUSE)
        event = await scene.publish(4)
        await until(lambda: bool(heard))
        await asyncio.sleep(0.4)
        assert heard == [event]


async def test_a_store_that_is_down_is_read_when_it_is_back(scene: Scene) -> None:
    await scene.link.fail(Fault.REFUSE)
    scene.store.is_down = True
    sent = [await scene.publish(number) for number in range(3)]
    await asyncio.sleep(0.5)
    assert scene.heard == []
    scene.store.is_down = False
    await scene.until_heard(sent)


@pytest.mark.parametrize(
    "message",
    [
        *(b"", b"\xff", b"{}", b"[]", b"null", b"7", b"[" * 5_000),
        b'{"name":"unknown.name","event_id":"1","user_id":"u","occurred_ms":1,"payload":{}}',
        b'{"name":"user.deleted","event_id":"1","user_id":"u","occurred_ms":1,"payload":{"newer":1}}',
        b'{"name":"user.deleted","event_id":"1","user_id":"u","occurred_ms":1,"payload":[]}',
        b'{"name":"user.deleted","event_id":"1","user_id":"u","occurred_ms":"x","payload":{}}',
        b'{"name":"user.deleted","event_id":["1"],"user_id":"u","occurred_ms":1,"payload":{}}',
        b'{"name":["user.deleted"],"event_id":"1","user_id":"u","occurred_ms":1,"payload":{}}',
        b'{"name":"user.deleted","event_id":"1","user_id":"%b","occurred_ms":1,"payload":{}}' % (b"u" * 70_000),
    ],
    ids=lambda message: ascii(message[:90]),
)  # fmt: skip
async def test_what_is_no_event_is_ignored_and_the_next_is_heard(scene: Scene, message: bytes) -> None:
    await scene.client.publish(scene.there.channel, message)
    event = await scene.publish(1)
    await until(lambda: scene.heard == [event], seconds=0.5)


def test_every_kind_of_event_arrives_as_it_was_sent() -> None:
    for name, kind in KINDS.items():
        own = {each.name: "text" for each in fields(kind) if each.name not in ("user_id", "occurred_at", "event_id")}
        event = restore(name, dict(own), event_id="1", user_id="ann", occurred_at=utc_now())
        assert _decoded(_encoded(event)) == event


async def test_installations_hear_nothing_of_each_other(redis_url: str) -> None:
    async with (
        opened_redis(redis_url) as one,
        opened_redis(redis_url) as another,
        broadcasting(one) as here,
        broadcasting(another) as there,
        hearing(there) as heard,
    ):
        await here.publish(upload(1))
        await there.publish(event := upload(2))
        await asyncio.sleep(0.2)
        assert heard == [event]


async def test_databases_of_one_server_hear_nothing_of_each_other(redis_url: str) -> None:
    async with (
        opened_redis(redis_url, fingerprint="same") as one,
        opened_redis(redis_url.removesuffix("0") + "1", fingerprint="same") as another,
        broadcasting(one) as here,
        broadcasting(another) as there,
        hearing(there) as heard,
    ):
        await here.publish(upload(1))
        await there.publish(event := upload(2))
        await asyncio.sleep(0.2)
        assert heard == [event]


async def test_catching_up_looks_back_over_the_last_turn_and_at_pages_of_any_number() -> None:
    store, now = DeliveredEvents(), utc_now()
    catch_up = CatchUp([store.outbox], lambda: now)
    early = store.settle(upload(0), now - OVERLAP)
    store.settle(upload(1), now - OVERLAP - timedelta(milliseconds=1))
    many = [store.settle(upload(number), now) for number in range(1_200)]
    assert [event async for event in catch_up.turn()] == [early, *many]


async def test_a_store_that_was_down_for_long_is_read_from_a_bounded_past() -> None:
    store, clock = DeliveredEvents(is_down=True), Clock()
    catch_up = CatchUp([store.outbox], clock)
    store.settle(upload(1), clock.now + timedelta(minutes=1))
    clock.now += timedelta(hours=1)
    recent = store.settle(upload(2), clock.now - LOOK_BACK)
    assert [event async for event in catch_up.turn()] == []
    store.is_down = False
    assert [event async for event in catch_up.turn()] == [recent]


async def test_events_of_a_newer_version_are_skipped() -> None:
    store = DeliveredEvents()
    catch_up = CatchUp([store.outbox], utc_now)
    store.settle(restore("a.newer.name", {}, event_id="1", user_id="ann", occurred_at=utc_now()))
    event = store.settle(upload(1))
    assert [each async for each in catch_up.turn()] == [event]


def test_events_that_were_seen_longest_ago_are_forgotten_first() -> None:
    seen = SeenEvents(capacity=2)
    names = ("one", "two", "one", "three", "one", "two")
    assert [seen.add(EventId(name)) for name in names] == [True, True, False, True, False, True]
