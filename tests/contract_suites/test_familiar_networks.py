"""What every `FamiliarNetworks` does, whatever its engine."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.contract_suites.scene import NOON, Store, account, after, at_once, stub

from pet.domain.accounts import Account
from pet.domain.login_guard import FAMILIAR_FOR, MAX_FAMILIAR


@pytest.fixture
async def ann(store: Store) -> Account:
    """An account."""
    added = account("ann")
    await store.accounts.add(added, stub())
    return added


async def known(store: Store, count: int) -> list[str]:
    return [f"{n:02}" for n in range(count) if await store.networks.last_login(f"{n:02}")]


async def test_a_network_is_known_by_its_last_login(store: Store, ann: Account) -> None:
    assert await store.networks.last_login("home") is None
    for minutes in (1, 2):
        await store.networks.note(ann.user_id, "home", after(minutes))
        assert await store.networks.last_login("home") == after(minutes)


async def test_the_last_ones_are_kept(store: Store, ann: Account) -> None:
    count = MAX_FAMILIAR + 3
    for number in range(count):
        await store.networks.note(ann.user_id, f"{number:02}", after(number))
    assert await known(store, count) == [f"{number:02}" for number in range(3, count)]
    await store.networks.note(ann.user_id, "03", after(count))
    await store.networks.note(ann.user_id, "new", after(count + 1))
    assert await known(store, count) == ["03", *(f"{number:02}" for number in range(5, count))]


async def test_another_s_networks_are_left_alone(store: Store, ann: Account) -> None:
    bob = account("bob")
    await store.accounts.add(bob, stub())
    await store.networks.note(bob.user_id, "00", NOON)
    for number in range(1, MAX_FAMILIAR + 2):
        await store.networks.note(ann.user_id, f"{number:02}", after(number))
    assert (await known(store, 3)) == ["00", "02"]


async def test_what_is_old_goes_by_the_way(store: Store, ann: Account) -> None:
    bob = account("bob")
    await store.accounts.add(bob, stub())
    for number in range(5):
        await store.networks.note(ann.user_id, f"{number:02}", NOON + timedelta(days=number))
    await store.networks.note(bob.user_id, "new", NOON + FAMILIAR_FOR + timedelta(days=2))
    assert await known(store, 5) == ["02", "03", "04"]


async def test_nothing_is_noted_of_whoever_is_gone(store: Store, ann: Account) -> None:
    await store.networks.note(ann.user_id, "home", NOON)
    await store.accounts.remove(ann.user_id, stub(ann.user_id))
    await store.networks.note(ann.user_id, "office", NOON)
    assert [await store.networks.last_login(name) for name in ("home", "office")] == [None, None]


async def test_many_at_once_are_all_noted(store: Store, ann: Account) -> None:
    await at_once(*(store.networks.note(ann.user_id, f"{n % 6:02}", after(n)) for n in range(12)))
    assert len(await known(store, 6)) == 6
