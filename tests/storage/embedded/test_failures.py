"""What is the embedded failures' own: memory under a flood of keys, and the switch that turns them off."""

from __future__ import annotations

import asyncio

import pytest

from pet.domain.errors import RateLimited
from pet.storage.embedded.failures import EmbeddedFailures, UncountedFailures


async def test_memory_is_bounded_and_the_last_failures_stay() -> None:
    failures = EmbeddedFailures(pauses_seconds=(50,), capacity=100)
    for number in range(1_000):
        await failures.begin(str(number))
    assert len(failures._entries) == 100
    await failures.begin("899")
    with pytest.raises(RateLimited):
        await failures.begin("999")


async def test_what_is_forgotten_takes_no_memory() -> None:
    failures = EmbeddedFailures(pauses_seconds=(0,), memory_seconds=0.05)
    for number in range(100):
        await failures.begin(str(number))
    await asyncio.sleep(0.1)
    await failures.begin("another")
    await failures.forget("another")
    assert len(failures._entries) == 0


async def test_failures_that_are_not_counted_let_everything_pass() -> None:
    failures = UncountedFailures()
    for _ in range(50):
        await failures.begin("ann")
        await failures.take_back("ann")
        await failures.forget("ann")
