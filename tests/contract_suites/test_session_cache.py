"""What every session cache does, whatever its technology."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.engines.redis import opened_redis

from pet.domain.ids import SessionId, UserId
from pet.domain.session_cache import CachedSession, SessionCache
from pet.domain.times import utc_now
from pet.storage.embedded.session_cache import EmbeddedSessionCache
from pet.storage.redis.session_cache import RedisSessionCache

Make = Callable[[float], SessionCache]


@asynccontextmanager
async def embedded(_request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    yield lambda ttl_seconds: EmbeddedSessionCache(ttl_seconds=ttl_seconds)


@asynccontextmanager
async def redis(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    async with opened_redis(request.getfixturevalue("redis_url")) as server:
        yield lambda ttl_seconds: RedisSessionCache(
            server, ttl_seconds=ttl_seconds, local=EmbeddedSessionCache(ttl_seconds=ttl_seconds / 4)
        )


@asynccontextmanager
async def redis_alone(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Redis, where nothing is remembered in the process."""
    async with opened_redis(request.getfixturevalue("redis_url")) as server:
        yield lambda ttl_seconds: RedisSessionCache(
            server, ttl_seconds=ttl_seconds, local=EmbeddedSessionCache(ttl_seconds=0)
        )


ADAPTERS = {"embedded": embedded, "redis": redis, "redis alone": redis_alone}


@pytest.fixture(params=ADAPTERS)
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    async with ADAPTERS[request.param](request) as function:
        yield function


@pytest.fixture
def cache(make: Make) -> SessionCache:
    return make(60)


def session(session_id: str, user_id: str = "ann") -> CachedSession:
    return CachedSession(SessionId(session_id), UserId(user_id), "listener", utc_now() + timedelta(days=30))


async def test_a_remembered_session_is_found_and_another_is_not(cache: SessionCache) -> None:
    phone = session("phone")
    await cache.remember(phone)
    assert await cache.find(phone.session_id) == phone
    assert await cache.find(SessionId("laptop")) is None


async def test_what_is_remembered_last_counts(cache: SessionCache) -> None:
    phone = session("phone")
    promoted = replace(phone, role="admin")
    await cache.remember(phone)
    await cache.remember(promoted)
    assert await cache.find(phone.session_id) == promoted


async def test_forgetting_one_session_leaves_the_others(cache: SessionCache) -> None:
    phone, laptop = session("phone"), session("laptop")
    await cache.remember(phone)
    await cache.remember(laptop)
    await cache.forget(phone.session_id)
    await cache.forget(phone.session_id)
    assert (await cache.find(phone.session_id), await cache.find(laptop.session_id)) == (None, laptop)


async def test_forgetting_a_user_leaves_other_users(cache: SessionCache) -> None:
    phone, laptop, bobs = session("phone"), session("laptop"), session("tablet", "bob")
    for each in (phone, laptop, bobs):
        await cache.remember(each)
    await cache.forget_user(UserId("ann"))
    await cache.forget_user(UserId("nobody"))
    assert [await cache.find(each.session_id) for each in (phone, laptop, bobs)] == [None, None, bobs]


async def test_a_session_is_forgotten_after_its_time_even_when_it_is_used(
    make: Make,
) -> None:
    cache, phone = make(0.1), session("phone")
    await cache.remember(phone)
    for _ in range(4):
        await cache.find(phone.session_id)
        await asyncio.sleep(0.05)
    assert await cache.find(phone.session_id) is None


async def test_an_expired_session_is_never_found(cache: SessionCache) -> None:
    expired = replace(session("phone"), expires_at=utc_now() - timedelta(seconds=1))
    await cache.remember(session("phone"))
    await cache.remember(expired)
    assert await cache.find(expired.session_id) is None


async def test_a_session_that_ends_soon_is_not_remembered_beyond_its_end(cache: SessionCache) -> None:
    ending = replace(session("phone"), expires_at=utc_now() + timedelta(seconds=0.05))
    await cache.remember(ending)
    await asyncio.sleep(0.1)
    assert await cache.find(ending.session_id) is None
