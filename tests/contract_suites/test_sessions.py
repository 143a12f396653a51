"""What every `Sessions` does, whatever its engine."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from tests.contract_suites.scene import ANN, NOON, Store, after, at_once, session, twenty

from pet.domain.ids import SessionId
from pet.domain.sessions import MAX_LISTED, SessionService
from pet.domain.times import utc_now
from pet.domain.viewers import Client
from pet.security.tokens import JwtSigner
from pet.storage.embedded.session_cache import EmbeddedSessionCache

UNTIL = NOON + timedelta(days=60)


async def rotated(store: Store, presented: str, successor: str, *, minutes: float = 1) -> bool:
    return await store.sessions.rotate(
        SessionId("phone"), presented=presented, successor=successor, now=after(minutes), until=UNTIL
    )


async def test_a_session_is_found_whole_and_another_is_not(store: Store) -> None:
    phone = session("phone")
    await store.sessions.add(phone)
    assert await store.sessions.find(phone.session_id) == phone
    assert await store.sessions.find(SessionId("laptop")) is None


async def test_a_rotation_puts_the_successor_in_the_place_of_the_presented_one(store: Store) -> None:
    await store.sessions.add(session("phone"))
    assert await rotated(store, "first", "second")
    assert await store.sessions.find(SessionId("phone")) == replace(
        session("phone"),
        token_hash="second",
        previous_hash="first",
        rotated_at=after(1),
        last_used_at=after(1),
        expires_at=UNTIL,
    )


async def test_what_is_not_current_is_not_rotated(store: Store) -> None:
    await store.sessions.add(session("phone"))
    await rotated(store, "first", "second")
    before = await store.sessions.find(SessionId("phone"))
    assert not await rotated(store, "first", "other", minutes=2)
    assert not await rotated(store, "none", "other", minutes=2)
    assert await store.sessions.find(SessionId("phone")) == before


async def test_an_expired_or_ended_session_is_not_rotated(store: Store) -> None:
    await store.sessions.add(session("phone", days=1))
    assert not await rotated(store, "first", "second", minutes=24 * 60)
    await store.sessions.remove(SessionId("phone"))
    assert not await rotated(store, "first", "second")


async def test_of_twenty_rotations_one_wins(store: Store) -> None:
    await store.sessions.add(session("phone"))
    assert sum(await twenty(lambda: rotated(store, "first", "second"))) == 1


async def test_a_list_has_the_open_sessions_of_the_user_last_used_first(store: Store) -> None:
    open_ones = [session("a", used=1), session("b", used=3), session("c", used=3), session("d", used=2)]
    for each in (*open_ones, session("expired", used=9, days=1), session("bobs", "bob")):
        await store.sessions.add(each)
    listed = await store.sessions.of_user(ANN, NOON + timedelta(days=1))
    assert [each.session_id for each in listed] == ["c", "b", "d", "a"]
    assert listed[0] == open_ones[2]


async def test_a_list_is_bounded(store: Store) -> None:
    for number in range(MAX_LISTED + 1):
        await store.sessions.add(session(f"{number:03}", used=number))
    listed = await store.sessions.of_user(ANN, NOON)
    assert [each.session_id for each in listed] == [f"{number:03}" for number in range(MAX_LISTED, 0, -1)]


async def test_an_ended_session_is_gone_and_ending_it_twice_does_nothing(store: Store) -> None:
    for name in ("phone", "laptop"):
        await store.sessions.add(session(name))
    for _ in range(2):
        await store.sessions.remove(SessionId("phone"))
    assert await store.sessions.find(SessionId("phone")) is None
    assert await store.sessions.find(SessionId("laptop")) == session("laptop")


async def test_all_sessions_of_a_user_end_but_one(store: Store) -> None:
    for name, user in (("phone", ANN), ("laptop", ANN), ("tablet", ANN), ("other", "bob")):
        await store.sessions.add(session(name, user))
    for _ in range(2):
        await store.sessions.remove_all(ANN, keep=SessionId("laptop"))
    assert [each.session_id for each in await store.sessions.of_user(ANN, NOON)] == ["laptop"]
    await store.sessions.remove_all(ANN, keep=SessionId("other"))
    assert await store.sessions.of_user(ANN, NOON) == []
    await store.sessions.remove_all(ANN)
    assert await store.sessions.find(SessionId("other")) == session("other", "bob")


async def test_an_ended_session_is_not_rotated_by_a_refresh_at_the_same_moment(store: Store) -> None:
    for _ in range(10):
        await store.sessions.add(session("phone"))
        await at_once(rotated(store, "first", "second"), store.sessions.remove_all(ANN))
        assert await store.sessions.find(SessionId("phone")) is None


async def test_fifty_refreshes_at_once_give_one_successor(store: Store) -> None:
    store.clock.now = utc_now()
    signer = JwtSigner(b"0" * 32, "https://pet.example")
    # Each as a process of its own: nothing but the store tells them of each other.
    services = [SessionService(store.sessions, EmbeddedSessionCache(), signer, store.clock) for _ in range(50)]
    for _ in range(3):
        opened = await services[0].open(ANN, Client("192.0.2.1"))
        pairs = await asyncio.gather(*(service.refresh(opened.refresh_token) for service in services))
        assert len({pair.refresh_token for _, pair in pairs}) == 1
        assert len({pair.access_token for _, pair in pairs}) == 50
        assert await services[0].refresh(pairs[0][1].refresh_token)
    assert len(await services[0].listed(ANN)) == 3


async def test_expired_sessions_do_not_pile_up(store: Store) -> None:
    for number in range(25):
        await store.sessions.add(session(f"{number:02}", f"user{number}", days=1))
    late = NOON + timedelta(days=2)
    for name in ("phone", "laptop"):
        await store.sessions.add(replace(session(name), created_at=late))
    gone = [await store.sessions.find(SessionId(f"{number:02}")) is None for number in range(25)]
    assert gone == [True] * 25
    assert len(await store.sessions.of_user(ANN, late)) == 2


async def test_open_sessions_are_those_that_have_neither_ended_nor_expired(store: Store) -> None:
    for name, days in (("open", 2), ("expired", 1), ("ended", 2), ("not_asked", 2)):
        await store.sessions.add(session(name, days=days))
    await store.sessions.remove(SessionId("ended"))
    asked = [SessionId(name) for name in ("ended", "expired", "never", "open")]
    assert await store.sessions.open_among(asked, NOON + timedelta(days=1)) == {"open"}
    assert await store.sessions.open_among([], NOON) == set()
