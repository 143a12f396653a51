"""Who listens: as many as one may have, and no longer than their session."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.contract_suites.scene import NOON, account, session, stub
from tests.domain.conftest import House

from pet.domain.errors import Invalid, Service, Unavailable
from pet.domain.ids import SessionId, UserId
from pet.domain.listeners import Listeners
from pet.domain.viewers import Role, Viewer

ANN, BOB = UserId("ann"), UserId("bob")


def viewer(user_id: UserId, session_id: str = "one") -> Viewer:
    return Viewer(user_id, Role.LISTENER, SessionId(session_id))


def listeners(house: House, per_user: int = 2) -> Listeners:
    return Listeners(house.store.sessions, house.store.clock, per_user=per_user)


async def test_a_user_has_no_more_subscriptions_than_the_cap_whatever_the_sessions(house: House) -> None:
    open_to = listeners(house)
    async with open_to.admit(viewer(ANN)):
        async with open_to.admit(viewer(ANN, "two")):
            with pytest.raises(Invalid) as refused:
                async with open_to.admit(viewer(ANN, "three")):
                    pass
            async with open_to.admit(viewer(BOB)):
                pass
        async with open_to.admit(viewer(ANN, "three")):
            pass
    assert refused.value.message == "You have 2 subscriptions open, and may not have more. Close one first."


async def test_whoever_listens_is_told_of_the_end_of_their_session_and_nobody_else(house: House) -> None:
    ann = account("ann")
    await house.store.accounts.add(ann, stub(ann.user_id))
    for name, days in (("one", 30), ("two", 30), ("three", 1)):
        await house.store.sessions.add(session(name, ann.user_id, days=days))
    open_to = listeners(house, per_user=3)
    async with (
        open_to.admit(viewer(ann.user_id, "one")) as one,
        open_to.admit(viewer(ann.user_id, "two")) as two,
        open_to.admit(viewer(ann.user_id, "three")) as three,
    ):
        await open_to.look()
        assert [ended.is_set() for ended in (one, two, three)] == [False, False, False]
        await house.store.sessions.remove(SessionId("one"))
        house.store.clock.now = NOON + timedelta(days=1)
        await open_to.look()
        assert [ended.is_set() for ended in (one, two, three)] == [True, False, True]


async def test_a_store_that_is_down_ends_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> set[SessionId]:
        raise Unavailable(Service.AUTH)

    monkeypatch.setattr(house.store.sessions, "open_among", fail)
    open_to = listeners(house)
    async with open_to.admit(viewer(ANN)) as ended:
        await open_to.look()
        assert not ended.is_set()
