from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from argon2.exceptions import InvalidHashError

from pet.domain.errors import Unavailable
from pet.hashing_costs import HashingCosts
from pet.security.passwords import Argon2Hasher

CHEAP = HashingCosts(memory=1, passes=1, waiting=4)


@pytest.fixture
def hasher() -> Iterator[Argon2Hasher]:
    """Hash with little work: what is tested here does not depend on the cost."""
    hasher = Argon2Hasher(CHEAP)
    yield hasher
    hasher.close()


async def test_a_password_belongs_to_its_hash_and_no_other_does(hasher: Argon2Hasher) -> None:
    kept = await hasher.hash("correct horse")
    assert await hasher.verify(kept, "correct horse")
    assert not await hasher.verify(kept, "correct horsf")
    assert not await hasher.verify(kept, "")


async def test_two_hashes_of_one_password_differ(hasher: Argon2Hasher) -> None:
    assert await hasher.hash("correct horse") != await hasher.hash("correct horse")


async def test_an_unknown_account_has_no_password_and_costs_a_whole_hash(hasher: Argon2Hasher) -> None:
    assert not await hasher.verify(None, "correct horse")
    assert not hasher.needs_rehash(hasher._nobodys_hash)


@pytest.mark.parametrize("password", ["", "пароль", "🎵" * 128, "\ud800", "a\x00b", "x" * 100_000], ids=ascii)
async def test_any_text_is_a_password(hasher: Argon2Hasher, password: str) -> None:
    kept = await hasher.hash(password)
    assert await hasher.verify(kept, password)
    assert not await hasher.verify(kept, password + "x")


async def test_the_default_is_the_minimum_that_owasp_gives() -> None:
    hasher = Argon2Hasher()
    kept = await hasher.hash("correct horse")
    hasher.close()
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_a_hash_of_other_parameters_still_verifies_and_wants_a_new_one(hasher: Argon2Hasher) -> None:
    old = Argon2Hasher(HashingCosts(memory=1, passes=2))
    kept = await old.hash("correct horse")
    old.close()
    assert await hasher.verify(kept, "correct horse")
    assert hasher.needs_rehash(kept)
    assert not hasher.needs_rehash(await hasher.hash("correct horse"))


async def test_a_damaged_hash_is_an_error_not_a_wrong_password(hasher: Argon2Hasher) -> None:
    with pytest.raises(InvalidHashError):
        await hasher.verify("no hash", "correct horse")


async def test_beyond_the_waiting_line_callers_are_turned_away_and_the_others_served(hasher: Argon2Hasher) -> None:
    outcomes: list[Any] = await asyncio.gather(*(hasher.hash(str(n)) for n in range(10)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Unavailable)]
    served = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert (len(served), len(refused)) == (2 + 4, 4)
    assert str(refused[0]) == "Auth Service is temporarily unavailable. Please try again later."
    assert await hasher.hash("later") not in served


async def test_callers_who_gave_up_leave_the_line(hasher: Argon2Hasher) -> None:
    tasks = [asyncio.create_task(hasher.hash(str(n))) for n in range(6)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    hashes = await asyncio.gather(*(hasher.hash(str(n)) for n in range(6)))
    assert len(set(hashes)) == 6


async def test_no_more_than_two_threads_work(hasher: Argon2Hasher) -> None:
    names: set[str] = set()
    for _ in range(5):
        await asyncio.gather(*(hasher.hash("x") for _ in range(6)))
        names |= {thread.name for thread in threading.enumerate() if thread in hasher._threads._threads}
    assert len(names) <= 2
