"""What every `Outbox` does, whatever its engine."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tests.contract_suites.scene import NOON, Store, after, stub, track

from pet.domain.events import Event, FollowCreated, TrackDeleted, UserCreated, UserUpdated
from pet.domain.ids import UserId
from pet.domain.outbox import BORN_HELD, Backlog, Stored
from pet.domain.paging import Position

ANN, BOB = UserId("ann"), UserId("bob")
HOLD = timedelta(seconds=30)
LATER = NOON + BORN_HELD


async def stored(store: Store, *events: Event) -> None:
    """Store events of which no change tells."""
    await store.store_events(events)


async def claim(store: Store, *, limit: int = 10, after: Event | None = None, even_held: bool = False) -> list[Event]:
    after_id = after.event_id if after else None
    return [*await store.outbox.claim(hold=HOLD, limit=limit, after=after_id, even_held=even_held)]


async def test_waiting_events_come_back_whole_in_the_order_of_their_ids(store: Store) -> None:
    song = track(ANN)
    events: list[Event] = [
        UserCreated(user_id=ANN, occurred_at=NOON, username="ann", role="musician"),
        UserUpdated(user_id=ANN, occurred_at=NOON, is_news=True, went_public=True, role="admin"),
        TrackDeleted(user_id=ANN, occurred_at=NOON, file_id=song.file_id, blob_key=song.blob_key),
        FollowCreated(user_id=BOB, occurred_at=NOON, following_id=ANN),
    ]
    await stored(store, *reversed(events))
    waiting = await store.outbox.waiting(limit=10)
    assert waiting == [Stored(event, attempts=0, error=None, held_until=LATER) for event in events]
    assert await store.outbox.waiting(limit=2) == waiting[:2]
    assert await store.outbox.waiting(ANN, limit=10) == waiting[:3]
    assert await store.outbox.waiting(ANN, upto=events[1].event_id, limit=10) == waiting[:2]


async def test_events_of_one_change_are_stored_all_or_none_and_none_of_them_twice(store: Store) -> None:
    first, second = stub(ANN), stub(BOB)
    await stored(store, first)
    with pytest.raises(store.refusal):
        await stored(store, second, first)
    assert await store.pending() == [first]


async def test_a_new_event_is_held_for_the_request_that_caused_it(store: Store) -> None:
    event = stub(ANN)
    await stored(store, event)
    store.clock.now = LATER - timedelta(milliseconds=1)
    assert await claim(store) == []
    store.clock.now = LATER
    assert await claim(store) == [event]
    assert await claim(store) == []
    store.clock.now = LATER + HOLD
    assert await claim(store) == [event]


async def test_at_the_start_held_events_are_taken_too(store: Store) -> None:
    first, second = stub(ANN), stub(BOB)
    await stored(store, first, second)
    assert await claim(store, even_held=True, limit=1) == [first]
    assert await claim(store, even_held=True, after=first) == [second]
    assert await claim(store, even_held=True, after=second) == []


async def test_only_the_first_event_of_each_user_is_claimed(store: Store) -> None:
    first, other, second = stub(ANN), stub(BOB), stub(ANN)
    await stored(store, second, other, first)
    store.clock.now = LATER
    assert await claim(store) == [first, other]
    assert await claim(store) == []
    await store.settle(first)
    assert await claim(store) == [second]


async def test_two_claims_at_once_never_take_the_same_event(store: Store) -> None:
    events = [stub(UserId(f"user{number:02}")) for number in range(20)]
    await stored(store, *events)
    store.clock.now = LATER
    claims = await asyncio.gather(*(claim(store, limit=4) for _ in range(8)))
    taken = [event for each in claims for event in each]
    assert len(taken) == len({event.event_id for event in taken})
    while more := await claim(store, limit=4):
        taken += more
    assert sorted(taken, key=lambda event: event.event_id) == events


async def test_a_settled_event_waits_no_more_and_settling_twice_does_nothing(store: Store) -> None:
    first, second = stub(ANN), stub(ANN)
    await stored(store, first, second)
    for minutes in range(2):
        store.clock.now = after(minutes)
        assert await store.outbox.settle(first.event_id)
    assert await store.pending() == [second]
    [delivered] = await store.outbox.delivered(after=Position(NOON, ""), limit=10)
    assert (delivered.event, delivered.delivered_at) == (first, NOON)


async def test_an_event_of_another_store_is_not_known_here(store: Store) -> None:
    event = stub()
    assert not await store.outbox.settle(event.event_id)
    assert not await store.outbox.retry(event.event_id)
    assert await store.outbox.find(event.event_id) is None
    await store.outbox.postpone(event.event_id, until=NOON, error="lost")
    await store.outbox.park(event.event_id, error="lost")
    assert await store.outbox.backlog() == Backlog(waiting=0, parked=0, oldest_at=None)


async def test_a_postponed_event_waits_for_its_moment_and_holds_up_those_behind_it(store: Store) -> None:
    first, second = stub(ANN), stub(ANN)
    await stored(store, first, second)
    await store.outbox.postpone(first.event_id, until=after(1))
    assert await store.outbox.find(first.event_id) == Stored(first, attempts=0, error=None, held_until=after(1))
    store.clock.now = LATER
    assert await claim(store) == []
    await store.outbox.postpone(first.event_id, until=after(2), error="no\x20good " + "x" * 600)
    found = await store.outbox.find(first.event_id)
    assert found is not None
    assert (found.attempts, found.error, found.held_until) == (1, ("no good " + "x" * 600)[:500], after(2))
    store.clock.now = after(2)
    assert await claim(store) == [first]


async def test_a_parked_event_holds_up_nobody_until_it_is_retried(store: Store) -> None:
    first, second = stub(ANN), stub(ANN)
    await stored(store, first, second)
    store.clock.now = LATER
    await store.outbox.park(first.event_id, error="broken")
    assert await store.outbox.backlog() == Backlog(waiting=1, parked=1, oldest_at=NOON)
    assert await store.pending() == [second]
    assert await claim(store) == [second]
    assert await store.outbox.find(first.event_id) == Stored(
        first, attempts=1, error="broken", held_until=LATER, parked_at=LATER
    )
    assert await store.outbox.retry(first.event_id)
    await store.settle(second)
    assert await claim(store) == [first]


async def test_a_delivered_event_is_neither_postponed_nor_parked_nor_retried(store: Store) -> None:
    event = stub(ANN)
    await stored(store, event)
    await store.settle(event)
    await store.outbox.postpone(event.event_id, until=after(1), error="late")
    await store.outbox.park(event.event_id, error="late")
    assert not await store.outbox.retry(event.event_id)
    assert await store.pending() == []
    assert await store.outbox.backlog() == Backlog(waiting=0, parked=0, oldest_at=None)
    found = await store.outbox.find(event.event_id)
    assert found is not None
    assert (found.delivered_at, found.parked_at) == (NOON, None)


async def test_troubled_events_are_those_that_failed_and_are_not_delivered(store: Store) -> None:
    fresh, failed, parked, mended = stub(ANN), stub(BOB), stub(ANN), stub(BOB)
    await stored(store, fresh, failed, parked, mended)
    await store.outbox.postpone(failed.event_id, until=after(1), error="once")
    await store.outbox.postpone(mended.event_id, until=after(1), error="once")
    await store.outbox.park(parked.event_id, error="for good")
    await store.settle(mended)
    troubled = await store.outbox.troubled(limit=10)
    assert [(each.event, each.error) for each in troubled] == [(failed, "once"), (parked, "for good")]
    assert await store.outbox.troubled(limit=1) == troubled[:1]
    assert await store.outbox.troubled(after=failed.event_id, limit=10) == troubled[1:]


async def test_the_backlog_tells_the_age_of_the_oldest(store: Store) -> None:
    assert await store.outbox.backlog() == Backlog(waiting=0, parked=0, oldest_at=None)
    young, old = stub(at=after(5)), stub(at=after(1))
    await stored(store, young, old)
    assert await store.outbox.backlog() == Backlog(waiting=2, parked=0, oldest_at=after(1))
    await store.settle(old)
    assert await store.outbox.backlog() == Backlog(waiting=1, parked=0, oldest_at=after(5))


async def test_what_another_version_has_stored_is_kept_and_shown(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    event = FollowCreated(user_id=ANN, occurred_at=NOON, following_id=BOB)
    await stored(store, event)
    monkeypatch.setattr("pet.domain.events.KINDS", {})
    [waiting] = await store.outbox.waiting(limit=10)
    assert (waiting.event.name, waiting.event.event_id, waiting.event.user_id) == ("unknown", event.event_id, ANN)
    assert "bob" in repr(waiting.event)


async def test_delivered_events_come_in_the_order_of_their_delivery(store: Store) -> None:
    first, second, third, pending = stub(), stub(), stub(), stub()
    await stored(store, first, second, third, pending)
    for minutes, event in enumerate((third, first, second)):
        store.clock.now = after(minutes // 2)
        await store.outbox.settle(event.event_id)
    page = await store.outbox.delivered(after=Position(NOON, ""), limit=2)
    assert [delivered.event for delivered in page] == [first, third]
    page = await store.outbox.delivered(after=page[-1].position, limit=2)
    assert [(delivered.event, delivered.delivered_at) for delivered in page] == [(second, after(1))]


async def test_delivered_events_of_some_kinds_come_alone(store: Store) -> None:
    update, other = stub(ANN), FollowCreated(user_id=ANN, following_id=BOB, occurred_at=NOON)
    await stored(store, other, update)
    await store.settle(other, update)
    found = await store.outbox.delivered(after=Position(after(-1), ""), limit=10, names=["user.updated", "none"])
    assert [delivered.event for delivered in found] == [update]


async def test_events_are_unpublished_until_a_broker_has_confirmed_them(store: Store) -> None:
    old, settled, young = stub(), stub(), stub(at=after(1))
    await stored(store, young, settled, old)
    await store.settle(settled)
    assert await store.outbox.unpublished(older_than=timedelta(0), limit=10) == [old, settled]
    store.clock.now = after(1)
    assert await store.outbox.unpublished(older_than=timedelta(0), limit=2) == [old, settled]
    for _ in range(2):
        await store.outbox.mark_published([old.event_id, settled.event_id])
    assert await store.outbox.unpublished(older_than=timedelta(0), limit=10) == [young]
    assert await store.pending() == [old, young]


async def test_trimming_keeps_what_is_undelivered_and_what_was_delivered_since(store: Store) -> None:
    pending, parked, old, young = stub(), stub(), stub(), stub()
    await stored(store, pending, parked, old, young)
    await store.outbox.park(parked.event_id, error="broken")
    for minutes, event in enumerate((old, young)):
        store.clock.now = after(minutes)
        await store.outbox.settle(event.event_id)
    await store.outbox.trim(before=after(1), keep_unpublished=False)
    found = [await store.outbox.find(event.event_id) is not None for event in (pending, parked, old, young)]
    assert found == [True, True, False, True]


async def test_trimming_keeps_what_a_broker_still_has_to_confirm_where_there_is_one(store: Store) -> None:
    waiting, published = stub(), stub()
    await stored(store, waiting, published)
    await store.settle(waiting, published)
    await store.outbox.mark_published([published.event_id])
    await store.outbox.trim(before=after(1), keep_unpublished=True)
    kept = await store.outbox.delivered(after=Position(after(-1), ""), limit=10)
    assert [delivered.event for delivered in kept] == [waiting]
