"""What every counter of attempts does, whatever its technology."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from tests.engines.redis import opened_redis

from pet.domain.errors import LimitState, RateLimited
from pet.domain.limits import LOGIN, REGISTER, Bucket, RateLimits
from pet.storage.embedded.limits import EmbeddedRateLimits
from pet.storage.redis.limits import RedisRateLimits

Make = Callable[[int], RateLimits]

TWICE = Bucket("twice", 2)


@asynccontextmanager
async def embedded(_request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    yield lambda window_seconds: EmbeddedRateLimits(window_seconds=window_seconds)


@asynccontextmanager
async def redis(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    async with opened_redis(request.getfixturevalue("redis_url")) as server:
        yield lambda window_seconds: RedisRateLimits(server, window_seconds=window_seconds)


ADAPTERS = {"embedded": embedded, "redis": redis}


@pytest.fixture(params=ADAPTERS)
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    async with ADAPTERS[request.param](request) as function:
        yield function


@pytest.fixture
def limits(make: Make) -> RateLimits:
    return make(60)


async def outcome(attempt: Awaitable[LimitState | None]) -> LimitState | None:
    """Return None for an attempt that passed, else the state that the refusal carries."""
    try:
        await attempt
    except RateLimited as refusal:
        return refusal.state
    return None


async def passed(limits: RateLimits, bucket: Bucket, key: str, attempts: int) -> list[bool]:
    return [await outcome(limits.spend(bucket, key)) is None for _ in range(attempts)]


async def test_the_budget_passes_and_the_next_attempt_is_refused(limits: RateLimits) -> None:
    assert await passed(limits, LOGIN, "10.0.0.1", 7) == [True] * 5 + [False] * 2


async def test_a_refusal_tells_where_the_caller_stands(limits: RateLimits) -> None:
    await passed(limits, TWICE, "10.0.0.1", 2)
    state = await outcome(limits.spend(TWICE, "10.0.0.1"))
    assert state is not None
    assert state == LimitState(
        bucket="twice", limit=2, window_seconds=60, remaining=0, reset_seconds=state.reset_seconds
    )
    assert 1 <= state.reset_seconds <= 60


async def test_five_of_ten_concurrent_attempts_pass(limits: RateLimits) -> None:
    outcomes = await asyncio.gather(*(outcome(limits.spend(LOGIN, "10.0.0.1")) for _ in range(10)))
    assert sum(state is None for state in outcomes) == 5


async def test_keys_and_buckets_have_budgets_of_their_own(limits: RateLimits) -> None:
    await passed(limits, TWICE, "10.0.0.1", 3)
    assert await passed(limits, TWICE, "10.0.0.2", 1) == [True]
    assert await passed(limits, REGISTER, "10.0.0.1", 1) == [True]


async def test_looking_counts_nothing(limits: RateLimits) -> None:
    for _ in range(10):
        await limits.check(TWICE, "10.0.0.1")
    assert await passed(limits, TWICE, "10.0.0.1", 3) == [True, True, False]


async def test_looking_at_a_spent_budget_is_refused(limits: RateLimits) -> None:
    await passed(limits, TWICE, "10.0.0.1", 2)
    state = await outcome(limits.check(TWICE, "10.0.0.1"))
    assert state is not None
    assert (state.bucket, state.remaining) == ("twice", 0)


async def test_a_refund_gives_one_attempt_back(limits: RateLimits) -> None:
    await passed(limits, TWICE, "10.0.0.1", 2)
    await limits.refund(TWICE, "10.0.0.1")
    assert await passed(limits, TWICE, "10.0.0.1", 2) == [True, False]


async def test_refused_attempts_do_not_use_up_a_refund(limits: RateLimits) -> None:
    await passed(limits, TWICE, "10.0.0.1", 9)
    await limits.refund(TWICE, "10.0.0.1")
    assert await passed(limits, TWICE, "10.0.0.1", 2) == [True, False]


async def test_refunds_never_raise_the_budget(limits: RateLimits) -> None:
    await passed(limits, TWICE, "10.0.0.1", 1)
    for _ in range(5):
        await limits.refund(TWICE, "10.0.0.1")
        await limits.refund(TWICE, "10.0.0.9")
    assert await passed(limits, TWICE, "10.0.0.1", 3) == [True, True, False]
    assert await passed(limits, TWICE, "10.0.0.9", 3) == [True, True, False]


async def test_concurrent_spends_and_refunds_balance(limits: RateLimits) -> None:
    await passed(limits, LOGIN, "10.0.0.1", 3)
    await asyncio.gather(
        limits.spend(LOGIN, "10.0.0.1"),
        limits.refund(LOGIN, "10.0.0.1"),
        limits.spend(LOGIN, "10.0.0.1"),
        limits.refund(LOGIN, "10.0.0.1"),
    )
    assert await passed(limits, LOGIN, "10.0.0.1", 3) == [True, True, False]


async def test_the_budget_is_whole_again_after_the_window(make: Make) -> None:
    limits = make(1)
    assert await passed(limits, TWICE, "10.0.0.1", 3) == [True, True, False]
    await asyncio.sleep(1.1)
    await limits.refund(TWICE, "10.0.0.1")
    assert await passed(limits, TWICE, "10.0.0.1", 3) == [True, True, False]


async def test_work_has_a_weight(limits: RateLimits) -> None:
    states = [await limits.spend(LOGIN, "10.0.0.1", amount=amount) for amount in (1, 3)]
    assert [state.remaining for state in states] == [4, 1]
    assert (states[0].bucket, states[0].limit, states[0].window_seconds) == ("login", 5, 60)
    assert await outcome(limits.spend(LOGIN, "10.0.0.1", amount=2)) == states[1]
    await limits.refund(LOGIN, "10.0.0.1", amount=2)
    assert (await limits.spend(LOGIN, "10.0.0.1", amount=3)).remaining == 0


async def test_work_that_is_heavier_than_the_budget_never_passes(limits: RateLimits) -> None:
    assert await outcome(limits.spend(LOGIN, "10.0.0.1", amount=6)) is not None
    assert await passed(limits, LOGIN, "10.0.0.1", 6) == [True] * 5 + [False]


async def test_a_refund_that_is_too_large_leaves_the_whole_budget(limits: RateLimits) -> None:
    await limits.spend(LOGIN, "10.0.0.1", amount=2)
    await limits.refund(LOGIN, "10.0.0.1", amount=9)
    assert await passed(limits, LOGIN, "10.0.0.1", 6) == [True] * 5 + [False]


@pytest.mark.parametrize("key", ["", "a/b", "user:ü@x", "\ud800", "x" * 100_000], ids=ascii)
async def test_any_text_is_a_key(limits: RateLimits, key: str) -> None:
    assert await passed(limits, TWICE, key, 3) == [True, True, False]
