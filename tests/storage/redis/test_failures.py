"""What is the Redis failures' own: several processes, keys that expire, and what happens when Redis goes and comes."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis
from tests.engines.redis import opened_redis, until
from tests.faults.link import Fault, Link, faulty_link

from pet.domain.errors import RateLimited
from pet.storage.redis.client import RedisServer
from pet.storage.redis.failures import RedisFailures

ANN = "ann 192.0.2.1"
PAUSES = (0, 0, 50)


@dataclass
class Scene:
    """Two processes, the first of which reaches Redis over a link that can fail."""

    link: Link
    server: RedisServer
    here: RedisFailures
    there: RedisFailures
    client: Redis
    fingerprint: str


@pytest.fixture
async def scene(redis_url: str) -> AsyncIterator[Scene]:
    fingerprint, port = secrets.token_hex(6), int(redis_url.rpartition(":")[2].partition("/")[0])
    async with (
        faulty_link("127.0.0.1", port) as link,
        opened_redis(f"redis://127.0.0.1:{link.port}/0", fingerprint=fingerprint) as here,
        opened_redis(redis_url, fingerprint=fingerprint) as there,
        Redis.from_url(redis_url, protocol=2, decode_responses=True) as client,
    ):
        mine, theirs = (RedisFailures(server, pauses_seconds=PAUSES) for server in (here, there))
        yield Scene(link, here, mine, theirs, client, fingerprint)


async def passed(failures: RedisFailures, attempts: int) -> list[bool]:
    outcomes = []
    for _ in range(attempts):
        try:
            await failures.begin(ANN)
            outcomes.append(True)
        except RateLimited:
            outcomes.append(False)
    return outcomes


async def test_processes_count_together(scene: Scene) -> None:
    assert await passed(scene.here, 2) == [True] * 2
    assert await passed(scene.there, 2) == [True, False]
    await scene.there.forget(ANN)
    assert await passed(scene.here, 1) == [True]


async def test_every_key_expires_and_names_nobody(scene: Scene) -> None:
    await passed(scene.here, 4)
    keys = [key async for key in scene.client.scan_iter(f"pet:{scene.fingerprint}:failures:*")]
    assert len(keys) == 2
    assert sorted([await scene.client.ttl(key) > 40 for key in keys]) == [True, True]
    assert not [key for key in keys if "ann" in key or "192" in key]
    await scene.here.forget(ANN)
    assert await scene.client.exists(*keys) == 0


async def test_without_redis_each_process_counts_alone_and_then_together_again(scene: Scene) -> None:
    await passed(scene.there, 3)
    await scene.link.fail(Fault.REFUSE)
    assert await passed(scene.here, 4) == [True] * 3 + [False]
    await scene.here.take_back(ANN)
    assert await passed(scene.here, 2) == [True, False]
    await scene.here.forget(ANN)
    assert await passed(scene.here, 1) == [True]
    await scene.link.mend()
    await until(lambda: not scene.server.is_away)
    assert await passed(scene.here, 1) == [False]
