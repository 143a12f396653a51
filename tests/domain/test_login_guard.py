"""Who may try a password: guesses are slowed down, and nobody but the owner can hold the owner up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from tests.contract_suites.scene import Store, account, stub

from pet.domain.accounts import Account
from pet.domain.errors import RateLimited, Service, Unauthenticated, Unavailable
from pet.domain.ids import UserId
from pet.domain.login_guard import FAMILIAR_FOR, LoginGuard
from pet.domain.viewers import Client
from pet.storage.embedded.failures import EmbeddedFailures
from pet.storage.embedded.limits import EmbeddedRateLimits

HOME = Client("192.0.2.1")
WRONG_PASSWORD = Unauthenticated("Invalid credentials")
PAUSES = (0, 0, 0, 0, 30, 60)


@dataclass
class Door:
    """A guard, and the account behind it."""

    store: Store
    ann: Account
    failures: EmbeddedFailures = field(default_factory=lambda: EmbeddedFailures(pauses_seconds=PAUSES))
    limits: EmbeddedRateLimits = field(default_factory=EmbeddedRateLimits)

    def __post_init__(self) -> None:
        self.guard = LoginGuard(self.store.networks, self.failures, self.limits, self.store.clock)

    async def knock(self, address: str, error: Exception | None = None, *, claimed: str = "") -> str:
        """Try a password, the right one without an error, of Ann's or of nobody's account; return what came of it."""
        user_id = None if claimed else self.ann.user_id
        try:
            async with self.guard.attempt(Client(address), user_id=user_id, claimed=claimed or self.ann.email):
                if error:
                    raise error
        except RateLimited as refusal:
            return refusal.state.bucket
        except (Unauthenticated, Unavailable) as failure:
            return failure.code.lower()
        return "in"

    async def guess(self, *addresses: str, claimed: str = "") -> list[str]:
        return [await self.knock(address, WRONG_PASSWORD, claimed=claimed) for address in addresses]


@pytest.fixture
async def door(store: Store) -> Door:
    """A door to an account that was made at home."""
    ann = account("ann")
    await store.accounts.add(ann, stub())
    door = Door(store, ann)
    await door.guard.welcome(HOME, ann.user_id)
    return door


def addresses(count: int, network: str = "203.0.113.{}") -> list[str]:
    return [network.format(number) for number in range(count)]


WRONG, SLOW, SPENT = "unauthenticated", "login-failures", "login"


@pytest.mark.parametrize("claimed", ["", "nobody@example.com"], ids=["known_email", "unknown_email"])
async def test_many_addresses_spend_one_budget_of_the_account(door: Door, claimed: str) -> None:
    assert await door.guess(*addresses(8), claimed=claimed) == [WRONG] * 5 + [SPENT] * 3


async def test_whatever_strangers_do_the_owner_gets_in_from_a_familiar_network(door: Door) -> None:
    await door.guess(*addresses(200))
    assert await door.knock("198.51.100.1") == SPENT
    assert await door.guess(HOME.address) == [WRONG]
    assert await door.knock(HOME.address) == "in"


async def test_one_address_cannot_hold_up_a_network_that_is_new(door: Door) -> None:
    for _ in range(3):  # minutes: the budgets begin anew, the failures in a row go on
        outcomes = await door.guess(*["203.0.113.1"] * 5)
        door.limits = EmbeddedRateLimits()
        door.__post_init__()
    assert outcomes == [SLOW] * 5
    assert await door.guess(*["203.0.113.1"] * 50) == [SLOW] * 50
    assert await door.knock("198.51.100.1") == "in"


async def test_failures_from_one_network_are_followed_by_pauses(door: Door) -> None:
    assert await door.guess(*[HOME.address] * 7) == [WRONG] * 5 + [SLOW] * 2
    assert await door.knock(HOME.address) == SLOW  # the right password too, else an answer would tell it


async def test_a_login_makes_a_network_familiar_and_begins_anew(door: Door) -> None:
    assert await door.guess(*["198.51.100.1"] * 4) == [WRONG] * 4
    assert await door.knock("198.51.100.1") == "in"
    assert await door.guess(*["198.51.100.1"] * 5) == [WRONG] * 5
    await door.guess(*addresses(9))
    assert await door.knock("198.51.100.2") == SPENT


async def test_logins_are_no_failures(door: Door) -> None:
    assert [await door.knock(address) for address in addresses(20)] == ["in"] * 20
    assert [await door.knock("203.0.113.99") for _ in range(20)] == ["in"] * 20


async def test_a_network_is_familiar_for_ninety_days_after_the_last_login(door: Door) -> None:
    door.store.clock.now += FAMILIAR_FOR - timedelta(minutes=1)
    assert await door.knock(HOME.address) == "in"
    door.store.clock.now += FAMILIAR_FOR - timedelta(minutes=1)
    await door.guess(*addresses(9))
    assert await door.knock(HOME.address) == "in"
    door.store.clock.now += FAMILIAR_FOR
    assert await door.knock(HOME.address) == SPENT


@pytest.mark.parametrize("failure", [Unavailable(Service.AUTH), ZeroDivisionError()], ids=["down", "bug"])
async def test_failures_of_the_server_are_nobody_s(door: Door, failure: Exception) -> None:
    async def meet_failure(address: str) -> None:
        with pytest.raises(ZeroDivisionError):
            await door.knock(address, ZeroDivisionError())

    for address in addresses(9):
        if isinstance(failure, Unavailable):
            assert await door.knock(address, failure) == "unavailable"
        else:
            await meet_failure(address)
    assert await door.guess(*["203.0.113.1"] * 6) == [WRONG] * 5 + [SLOW]


async def test_what_the_account_s_budget_refuses_is_no_failure_of_the_network(door: Door) -> None:
    await door.guess(*addresses(5))
    assert await door.guess(*["198.51.100.1"] * 20) == [SPENT] * 20
    door.limits = EmbeddedRateLimits()
    door.__post_init__()
    assert await door.guess(*["198.51.100.1"] * 5) == [WRONG] * 5


async def test_spellings_of_an_unknown_email_are_one(door: Door) -> None:
    spellings = ["no@example.com", "NO@example.com", "\uff4eo@example.com", "nO@EXAMPLE.com", "No@example.com"]
    outcomes = [
        await door.knock("203.0.113.1", WRONG_PASSWORD, claimed=claimed) for claimed in [*spellings, "NO@Example.com"]
    ]
    assert outcomes == [WRONG] * 5 + [SLOW]


async def test_networks_are_kept_under_digests(door: Door) -> None:
    bob = account("bob")
    await door.store.accounts.add(bob, stub())
    await door.guard.welcome(HOME, UserId(bob.user_id))
    assert await door.store.networks.last_login(HOME.address) is None
