"""What is the Redis limits' own: several processes, keys, and what happens when Redis goes and comes."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis
from tests.engines.redis import opened_redis, until
from tests.faults.link import Fault, Link, faulty_link

from pet.domain.errors import RateLimited
from pet.domain.limits import LOGIN, Bucket
from pet.storage.redis.client import RedisServer
from pet.storage.redis.limits import RedisRateLimits

ADDRESS = "192.0.2.1"


@dataclass
class Scene:
    """Two processes, the first of which reaches Redis over a link that can fail."""

    link: Link
    server: RedisServer
    here: RedisRateLimits
    there: RedisRateLimits
    client: Redis
    fingerprint: str

    async def counted(self) -> int:
        """Return how many attempts Redis has counted."""
        keys = [key async for key in self.client.scan_iter(f"pet:{self.fingerprint}:limits:*")]
        return sum([int(await self.client.get(key) or 0) for key in keys])


@pytest.fixture
async def scene(redis_url: str) -> AsyncIterator[Scene]:
    fingerprint, port = secrets.token_hex(6), int(redis_url.rpartition(":")[2].partition("/")[0])
    async with (
        faulty_link("127.0.0.1", port) as link,
        opened_redis(f"redis://127.0.0.1:{link.port}/0", fingerprint=fingerprint) as here,
        opened_redis(redis_url, fingerprint=fingerprint) as there,
        Redis.from_url(redis_url, protocol=2, decode_responses=True) as client,
    ):
        yield Scene(link, here, RedisRateLimits(here), RedisRateLimits(there), client, fingerprint)


async def passed(limits: RedisRateLimits, attempts: int, bucket: Bucket = LOGIN) -> list[bool]:
    outcomes = []
    for _ in range(attempts):
        try:
            await limits.spend(bucket, ADDRESS)
            outcomes.append(True)
        except RateLimited:
            outcomes.append(False)
    return outcomes


async def test_processes_share_one_budget(scene: Scene) -> None:
    assert await passed(scene.here, 3) == [True] * 3
    assert await passed(scene.there, 3) == [True, True, False]
    assert await passed(scene.here, 1) == [False]
    await scene.here.refund(LOGIN, ADDRESS)
    assert await passed(scene.there, 2) == [True, False]


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.REFUSE, Fault.RESET], ids=lambda fault: fault.name)
async def test_without_redis_each_process_counts_alone_and_then_together_again(scene: Scene, fault: Fault) -> None:
    await passed(scene.there, 5)
    await scene.link.fail(fault)
    assert await passed(scene.here, 6) == [True] * 5 + [False]
    await scene.here.refund(LOGIN, ADDRESS)
    await scene.here.check(LOGIN, ADDRESS)
    assert await passed(scene.here, 2) == [True, False]
    await scene.link.mend()
    await until(lambda: not scene.server.is_away)
    assert await passed(scene.here, 1) == [False]  # as Redis has counted


async def test_an_attempt_whose_answer_was_lost_is_counted_once(scene: Scene) -> None:
    await scene.here.check(LOGIN, ADDRESS)
    await passed(scene.there, 1)  # the script is known now
    await scene.link.fail(Fault.LOSE_ANSWERS)
    assert await passed(scene.here, 1) == [True]
    assert await scene.counted() == 2


async def test_an_outage_is_told_once(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pet.redis")
    await scene.link.fail(Fault.REFUSE)
    await passed(scene.here, 20)
    await scene.link.mend()
    await until(lambda: not scene.server.is_away)
    assert [record.levelname for record in caplog.records if record.name == "pet.redis"] == ["WARNING", "INFO"]
    assert [record.getMessage() for record in caplog.records if record.name == "pet.redis"] == [
        "Redis is away: limits count in this process alone, and sessions are looked up in the database",
        "Redis is back",
    ]


async def test_no_key_stays_for_ever(scene: Scene) -> None:
    await passed(scene.here, 7)
    await scene.here.refund(LOGIN, ADDRESS)
    await scene.here.refund(LOGIN, "never seen")
    await scene.here.check(LOGIN, "never seen either")
    keys = [key async for key in scene.client.scan_iter(f"pet:{scene.fingerprint}:limits:*")]
    assert len(keys) == 1
    assert 55 <= await scene.client.ttl(keys[0]) <= 60
    assert (ADDRESS in keys[0], len(keys[0]) < 100) == (False, True)


async def test_an_amount_is_spent_and_given_back_as_a_whole(scene: Scene) -> None:
    cost = Bucket("cost", 100)
    await scene.here._spend(cost, ADDRESS, amount=70)
    with pytest.raises(RateLimited) as refusal:
        await scene.here._spend(cost, ADDRESS, amount=40)
    assert (refusal.value.state.remaining, await scene.counted()) == (30, 70)
    await scene.here._give_back(cost, ADDRESS, amount=50)
    await scene.here._spend(cost, ADDRESS, amount=80)
    assert await scene.counted() == 100
    await scene.here._give_back(cost, ADDRESS, amount=500)
    assert await scene.counted() == 0
