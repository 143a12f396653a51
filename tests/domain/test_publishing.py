"""What goes out when, in which order, and what happens when the broker or a store fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from tests.contract_suites.scene import NOON, Store, account, stub

from pet.domain import publishing
from pet.domain.errors import Service, Unavailable
from pet.domain.events import Event
from pet.domain.ids import EventId, UserId, new_uuid7
from pet.domain.outbox import Outbox
from pet.domain.publishing import PATIENCE, SETTLING, WINDOW, AnotherPublishes, Publisher

MOMENT = timedelta(milliseconds=1)


@dataclass
class Exchange:
    """Takes what it is given; `takes` says how many of the next windows, one after the other, are confirmed."""

    windows: list[list[Event]] = field(default_factory=list)
    takes: list[int] = field(default_factory=list)
    is_taken: bool = False
    asked: int = 0
    released: int = 0

    async def publish(self, events: Sequence[Event]) -> int:
        self.asked += 1
        if self.is_taken:
            raise AnotherPublishes
        self.windows.append(list(events))
        return min(len(events), self.takes.pop(0)) if self.takes else len(events)

    async def release(self) -> None:
        self.released += 1

    @property
    def published(self) -> list[Event]:
        return [event for window in self.windows for event in window]


class Part:
    """One of several stores: the events of some users, as if they were kept apart."""

    def __init__(self, whole: Outbox, users: Sequence[UserId]) -> None:
        self._whole = whole
        self._users = users
        self.is_down = False
        self.marked: list[EventId] = []

    async def unpublished(self, *, older_than: timedelta, limit: int) -> Sequence[Event]:
        if self.is_down:
            raise Unavailable(Service.USER)
        events = await self._whole.unpublished(older_than=older_than, limit=1000)
        return [event for event in events if event.user_id in self._users][:limit]

    async def mark_published(self, event_ids: Sequence[EventId]) -> None:
        self.marked += event_ids
        await self._whole.mark_published(event_ids)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "RETRY_PAUSE", MOMENT)
    monkeypatch.setattr(publishing, "PLACE_PAUSE", MOMENT)


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
def publisher(store: Store, exchange: Exchange) -> Publisher:
    store.clock.now = NOON + SETTLING
    return Publisher([store.outbox], exchange, store.clock)


async def stored(store: Store, *events: Event) -> list[Event]:
    for event in events:
        await store.accounts.add(account(f"user{new_uuid7()[-12:]}"), event)
    return list(events)


async def left(store: Store) -> list[Event]:
    return list(await store.outbox.unpublished(older_than=timedelta(0), limit=1000))


async def test_everything_goes_out_in_the_order_of_ids_and_is_marked(
    store: Store, exchange: Exchange, publisher: Publisher
) -> None:
    events = [stub() for _ in range(10)]
    await stored(store, *reversed(events))
    await publisher.publish()
    assert (exchange.published, await left(store)) == (events, [])
    await publisher.publish()
    assert exchange.published == events


async def test_an_event_goes_out_when_it_has_settled_and_none_overtakes_it(
    store: Store, exchange: Exchange, publisher: Publisher
) -> None:
    old, young, late = stub(), stub(at=NOON + MOMENT), stub()
    await stored(store, late, young, old)
    await publisher.publish()
    assert exchange.published == [old]
    store.clock.now += MOMENT
    await publisher.publish()
    assert exchange.published == [old, young, late]


async def test_a_window_grows_to_a_bound_while_all_goes_well_and_begins_anew_after_a_failure(
    store: Store, exchange: Exchange, publisher: Publisher
) -> None:
    events = await stored(store, *(stub() for _ in range(260)))
    await publisher.publish()
    assert [len(window) for window in exchange.windows] == [1, 2, 4, 8, 16, 32, 64, WINDOW, 33]
    assert exchange.published == events
    exchange.windows.clear()
    exchange.takes = [2, 0]
    events = await stored(store, *(stub() for _ in range(5)))
    await publisher.publish()
    assert exchange.windows == [events, [events[2]], [events[2]], events[3:]]
    assert await left(store) == []


async def test_what_was_not_confirmed_goes_out_again_from_the_first_on(
    store: Store, exchange: Exchange, publisher: Publisher
) -> None:
    early = await stored(store, *(stub() for _ in range(7)))
    await publisher.publish()
    assert exchange.published == early
    exchange.windows.clear()
    exchange.takes = [1]
    first, second, third = await stored(store, stub(), stub(), stub())
    await publisher.publish()
    assert exchange.windows == [[first, second, third], [second], [third]]


async def test_the_events_of_all_stores_go_out_in_one_order_each_marked_in_its_own(
    store: Store, exchange: Exchange
) -> None:
    ann, bob = UserId("ann"), UserId("bob")
    events = [stub(user_id=user) for user in (ann, ann, ann, bob, ann, bob, bob, ann)]
    await stored(store, *events)
    parts = [Part(store.outbox, [ann]), Part(store.outbox, [bob])]
    store.clock.now = NOON + SETTLING
    await Publisher(parts, exchange, store.clock).publish()  # type: ignore[arg-type]
    assert exchange.published == events
    of = {user: [event.event_id for event in events if event.user_id == user] for user in (ann, bob)}
    assert [part.marked for part in parts] == [of[ann], of[bob]]


async def test_what_the_stores_get_while_one_is_read_slowly_keeps_its_order(store: Store, exchange: Exchange) -> None:
    ann, bob = UserId("ann"), UserId("bob")
    meanwhile: list[Event] = []

    class Slow(Part):
        async def unpublished(self, *, older_than: timedelta, limit: int) -> Sequence[Event]:
            """Read; before the answer arrives, both stores get an event, and time goes on until both have settled."""
            events = await super().unpublished(older_than=older_than, limit=limit)
            if not meanwhile:
                meanwhile.extend(stub(user_id=user, at=store.clock.now) for user in (ann, bob))
                await stored(store, *meanwhile)
                store.clock.now += SETTLING
            return events

    parts = [Slow(store.outbox, [ann]), Part(store.outbox, [bob])]
    publisher = Publisher(parts, exchange, store.clock)  # type: ignore[arg-type]
    await publisher.publish()
    assert exchange.published == []
    await publisher.publish()
    assert exchange.published == meanwhile


async def test_a_store_that_cannot_be_read_holds_up_all_until_it_is_back(
    store: Store, exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    ann, bob = UserId("ann"), UserId("bob")
    events = await stored(store, stub(user_id=ann), stub(user_id=bob))
    parts = [Part(store.outbox, [ann]), Part(store.outbox, [bob])]
    parts[0].is_down = True
    store.clock.now = NOON + SETTLING
    publisher = Publisher(parts, exchange, store.clock)  # type: ignore[arg-type]
    for _ in range(3):
        await publisher.publish()
    assert (exchange.windows, await left(store)) == ([], events)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert exchange.released == 3
    parts[0].is_down = False
    store.clock.now = NOON + PATIENCE
    await publisher.publish()
    assert exchange.published == events


async def test_whoever_has_not_the_place_tries_again_only_when_events_have_waited_long(
    store: Store, exchange: Exchange, publisher: Publisher
) -> None:
    [event] = await stored(store, stub())
    exchange.is_taken = True
    for _ in range(3):
        await publisher.publish()
    assert exchange.asked == 1
    store.clock.now = NOON + PATIENCE
    await publisher.publish()
    assert (exchange.asked, await left(store)) == (2, [event])
    exchange.is_taken = False
    await publisher.publish()
    assert (exchange.published, await left(store)) == ([event], [])
    [young] = await stored(store, stub(at=store.clock.now - SETTLING))
    await publisher.publish()
    assert exchange.published == [event, young]


async def test_a_process_that_cannot_tell_what_it_reads_leaves_the_place_to_another(
    store: Store, exchange: Exchange, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event of a newer version, while that version is being rolled out."""
    [event] = await stored(store, stub())
    with monkeypatch.context() as patched:
        patched.setattr("pet.domain.events.KINDS", {})
        with pytest.raises(KeyError):
            await publisher.publish()
    assert (exchange.released, exchange.asked, await left(store)) == (1, 0, [event])


async def test_a_stop_in_the_middle_leaves_what_is_unconfirmed_for_the_next(
    store: Store, exchange: Exchange, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    [event] = await stored(store, stub())

    async def never(events: Sequence[Event]) -> int:
        await asyncio.Event().wait()
        return len(events)

    with monkeypatch.context() as patched:
        patched.setattr(exchange, "publish", never)
        task = asyncio.create_task(publisher.publish())
        done, _ = await asyncio.wait([task], timeout=0.05)
        assert not done
        task.cancel()
        await asyncio.wait([task])
    assert await left(store) == [event]
    await publisher.publish()
    assert (exchange.published, await left(store)) == ([event], [])
