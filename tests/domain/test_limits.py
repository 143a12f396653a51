"""What an attempt costs, and which failures are given back."""

from __future__ import annotations

import pytest

from pet.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    LimitState,
    NotFound,
    RateLimited,
    Service,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
)
from pet.domain.limits import Bucket, charged
from pet.storage.embedded.limits import EmbeddedRateLimits

ONCE = Bucket("once", 1)


async def is_spent(limits: EmbeddedRateLimits, key: str) -> bool:
    try:
        await limits.check(ONCE, key)
    except RateLimited:
        return True
    return False


async def failing(limits: EmbeddedRateLimits, error: BaseException) -> None:
    async with charged(limits, ONCE, "here", "account"):
        raise error


async def test_every_key_is_charged_for_work_that_succeeds() -> None:
    limits = EmbeddedRateLimits()
    async with charged(limits, ONCE, "here", "account"):
        assert [await is_spent(limits, key) for key in ("here", "account")] == [True, True]
    assert [await is_spent(limits, key) for key in ("here", "account")] == [True, True]


@pytest.mark.parametrize(
    "error",
    [Invalid("no"), Unauthenticated("no"), Forbidden("no"), NotFound("no"), Conflict("no"), TooLarge("no"),
     UnsupportedMedia("no"), KeyboardInterrupt()],
    ids=repr,
)  # fmt: skip
async def test_the_callers_own_failure_is_charged(error: BaseException) -> None:
    limits = EmbeddedRateLimits()
    with pytest.raises(type(error)):
        await failing(limits, error)
    assert [await is_spent(limits, key) for key in ("here", "account")] == [True, True]


@pytest.mark.parametrize("error", [Unavailable(Service.AUTH), RuntimeError("bug"), OSError("disk")], ids=repr)
async def test_the_servers_own_failure_is_given_back(error: Exception) -> None:
    limits = EmbeddedRateLimits()
    with pytest.raises(type(error)):
        await failing(limits, error)
    assert [await is_spent(limits, key) for key in ("here", "account")] == [False, False]


async def test_work_does_not_begin_when_any_budget_is_spent() -> None:
    limits = EmbeddedRateLimits()
    await limits.spend(ONCE, "account")
    with pytest.raises(RateLimited):
        await failing(limits, AssertionError("the work began"))


async def test_what_was_spent_before_the_counter_failed_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = EmbeddedRateLimits()
    spend = limits.spend

    async def fail_at_the_second(bucket: Bucket, key: str) -> LimitState:
        if key == "account":
            raise Unavailable(Service.AUTH)
        return await spend(bucket, key)

    monkeypatch.setattr(limits, "spend", fail_at_the_second)
    with pytest.raises(Unavailable):
        await failing(limits, AssertionError("the work began"))
    assert await is_spent(limits, "here") is False
