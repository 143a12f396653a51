"""What every counter of failures in a row does, whatever its technology."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from tests.engines.redis import opened_redis

from pet.domain.errors import LimitState, RateLimited
from pet.domain.failures import Failures
from pet.storage.embedded.failures import EmbeddedFailures
from pet.storage.redis.failures import RedisFailures

Make = Callable[[tuple[int, ...], int], Failures]
"""From pauses and a memory, in seconds."""

ANN = "ann 192.0.2.1"


@asynccontextmanager
async def embedded(_request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    yield lambda pauses, memory: EmbeddedFailures(pauses_seconds=pauses, memory_seconds=memory)


@asynccontextmanager
async def redis(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    async with opened_redis(request.getfixturevalue("redis_url")) as server:
        yield lambda pauses, memory: RedisFailures(server, pauses_seconds=pauses, memory_seconds=memory)


ADAPTERS = {"embedded": embedded, "redis": redis}


@pytest.fixture(params=ADAPTERS)
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    async with ADAPTERS[request.param](request) as function:
        yield function


@pytest.fixture
def failures(make: Make) -> Failures:
    """Two failures cost nothing; the third makes one wait."""
    return make((0, 0, 50, 100), 1000)


async def state(failures: Failures, key: str = ANN) -> LimitState | None:
    """Begin an attempt; return None when it may be made, else what the refusal tells."""
    try:
        await failures.begin(key)
    except RateLimited as refusal:
        return refusal.state
    return None


async def passed(failures: Failures, attempts: int, key: str = ANN) -> list[bool]:
    return [await state(failures, key) is None for _ in range(attempts)]


async def test_after_some_failures_a_pause_begins(failures: Failures) -> None:
    assert await passed(failures, 5) == [True] * 3 + [False] * 2
    told = await state(failures)
    assert told is not None
    assert told == LimitState("login-failures", 1, 50, 0, told.reset_seconds)
    assert 45 <= told.reset_seconds <= 50


async def test_pauses_grow(make: Make) -> None:
    failures = make((0, 1, 50), 1000)
    assert await passed(failures, 3) == [True, True, False]
    await asyncio.sleep(1.1)
    assert await passed(failures, 1) == [True]
    told = await state(failures)
    assert told is not None
    assert told.window_seconds == 50


async def test_the_last_pause_stays(make: Make) -> None:
    failures = make((1,), 1000)
    assert await passed(failures, 2) == [True, False]
    await asyncio.sleep(1.1)
    assert await passed(failures, 2) == [True, False]


async def test_of_many_attempts_at_once_no_more_pass(failures: Failures) -> None:
    states = await asyncio.gather(*(state(failures) for _ in range(20)))
    assert sum(told is None for told in states) == 3


async def test_success_begins_anew(failures: Failures) -> None:
    await passed(failures, 2)
    await failures.forget(ANN)
    assert await passed(failures, 4) == [True] * 3 + [False]
    await failures.forget(ANN)
    assert await passed(failures, 4) == [True] * 3 + [False]


async def test_what_could_not_be_tried_is_taken_back_with_its_pause(failures: Failures) -> None:
    await passed(failures, 3)
    await failures.take_back(ANN)
    assert await passed(failures, 2) == [True, False]


async def test_no_more_is_taken_back_than_was_counted(failures: Failures) -> None:
    await passed(failures, 1)
    for _ in range(5):
        await failures.take_back(ANN)
        await failures.take_back("nobody")
    assert await passed(failures, 4) == [True] * 3 + [False]
    assert await passed(failures, 4, "nobody") == [True] * 3 + [False]


async def test_keys_do_not_know_each_other(failures: Failures) -> None:
    await passed(failures, 3)
    assert await passed(failures, 1, "ann 192.0.2.2") == [True]
    await failures.forget("ann 192.0.2.2")
    assert await passed(failures, 1) == [False]


async def test_failures_are_forgotten_some_time_after_the_last_one(make: Make) -> None:
    failures = make((0, 0, 50), 1)
    await passed(failures, 2)
    await asyncio.sleep(0.6)
    assert await passed(failures, 1, "another") == [True]
    await asyncio.sleep(0.6)
    assert await passed(failures, 4) == [True] * 3 + [False]


@pytest.mark.parametrize("key", ["", "a/b", "ü@x", "\ud800", "x" * 100_000], ids=ascii)
async def test_any_text_is_a_key(failures: Failures, key: str) -> None:
    assert await passed(failures, 4, key) == [True] * 3 + [False]
