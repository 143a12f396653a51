"""What is the embedded limits' own: memory under a flood of callers, and the switch that turns them off."""

from __future__ import annotations

import asyncio

from pet.domain.limits import LOGIN, Bucket
from pet.storage.embedded.limits import EmbeddedRateLimits, UnlimitedRateLimits


def counted(limits: EmbeddedRateLimits) -> int:
    """Return how many entries of any kind the library holds."""
    return sum(len(shard.storage) + len(shard.expirations) + len(shard.locks) for shard in limits._shards)


async def test_a_flood_of_callers_is_forgotten_after_its_window() -> None:
    limits = EmbeddedRateLimits(window_seconds=1)
    for number in range(2_000):
        await limits.spend(LOGIN, f"10.0.{number}")
    assert counted(limits) >= 3 * 2_000
    await asyncio.sleep(1.1)
    for number in range(2_000):
        await limits.check(LOGIN, f"10.1.{number}")
    for number in range(2_000):
        await limits.spend(LOGIN, f"10.2.{number}")
    await asyncio.sleep(0)
    assert counted(limits) == 3 * 2_000


async def test_looking_and_refunding_hold_no_memory() -> None:
    limits = EmbeddedRateLimits()
    for number in range(100):
        await limits.check(LOGIN, f"10.0.{number}")
        await limits.refund(LOGIN, f"10.0.{number}")
    assert counted(limits) == 0


async def test_limits_that_are_off_let_everything_pass() -> None:
    limits, never = UnlimitedRateLimits(), Bucket("never", 0)
    for _ in range(10):
        await limits.spend(never, "10.0.0.1")
        await limits.check(never, "10.0.0.1")
        await limits.refund(never, "10.0.0.1")
