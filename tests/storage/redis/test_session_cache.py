"""What is the Redis session cache's own: several processes, marks, epochs, and what Redis may lose."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from tests.engines.redis import caching, opened_redis, until
from tests.faults.link import Fault, faulty_link

from pet.domain.errors import Service, Unavailable
from pet.domain.ids import SessionId, UserId
from pet.domain.session_cache import CachedSession
from pet.domain.sessions import Session, SessionService
from pet.domain.times import utc_now
from pet.domain.tokens import ACCESS_LIFETIME, AccessClaims
from pet.domain.viewers import Role, Viewer
from pet.security.tokens import JwtSigner
from pet.storage.redis.session_cache import RedisSessionCache

PHONE, LAPTOP, TABLET = SessionId("phone"), SessionId("laptop"), SessionId("tablet")


def session(session_id: SessionId, user_id: str = "ann", role: str = "listener") -> CachedSession:
    return CachedSession(session_id, UserId(user_id), role, utc_now() + timedelta(days=30))


@pytest.fixture
def fingerprint() -> str:
    return secrets.token_hex(6)


@pytest.fixture
async def caches(redis_url: str, fingerprint: str) -> AsyncIterator[tuple[RedisSessionCache, RedisSessionCache]]:
    """The caches of two processes."""
    async with caching(redis_url, fingerprint) as here, caching(redis_url, fingerprint) as there:
        yield here, there


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, protocol=2, decode_responses=True) as opened:
        yield opened


Caches = tuple[RedisSessionCache, RedisSessionCache]


async def test_what_one_process_has_read_spares_the_other_the_store(caches: Caches) -> None:
    here, there = caches
    await there.find(PHONE)
    await here.find(PHONE)
    await here.remember(phone := session(PHONE))
    assert await there.find(PHONE) == phone


async def test_an_ended_session_is_forgotten_in_every_process_at_once(caches: Caches) -> None:
    here, there = caches
    await there.find(PHONE)
    for each in (session(PHONE), session(LAPTOP)):
        await there.remember(each)
    await here.forget(PHONE)

    async def is_forgotten() -> bool:
        return await there.find(PHONE) is None

    await until(is_forgotten, seconds=0.5)
    assert await there.find(LAPTOP) is not None


async def test_all_sessions_of_a_user_are_forgotten_in_every_process_at_once(caches: Caches) -> None:
    here, there = caches
    await there.find(PHONE)
    for each in (session(PHONE), session(LAPTOP), session(TABLET, "bob")):
        await there.remember(each)
    await here.forget_user(UserId("ann"))

    async def are_forgotten() -> bool:
        return [await there.find(PHONE), await there.find(LAPTOP)] == [None, None]

    await until(are_forgotten, seconds=0.5)
    assert await there.find(TABLET) is not None


@pytest.mark.parametrize("ends_all", [False, True], ids=["one session", "all sessions"])
async def test_what_was_read_before_the_end_and_is_written_after_it_is_not_believed(
    redis_url: str, fingerprint: str, *, ends_all: bool
) -> None:
    async with (
        caching(redis_url, fingerprint) as late,
        caching(redis_url, fingerprint) as ending,
        caching(redis_url, fingerprint, local_seconds=0) as other,
    ):
        assert await late.find(PHONE) is None  # now it asks the store, which still has the session
        await (ending.forget_user(UserId("ann")) if ends_all else ending.forget(PHONE))
        await late.remember(session(PHONE))
        assert (await ending.find(PHONE), await other.find(PHONE)) == (None, None)


async def test_a_user_whose_sessions_were_ended_is_still_remembered_in_each_process(caches: Caches) -> None:
    here, there = caches
    await here.forget_user(UserId("ann"))
    assert await here.find(PHONE) is None
    await here.remember(phone := session(PHONE))
    assert (await here.find(PHONE), await there.find(PHONE)) == (phone, None)


async def test_an_emptied_redis_forgets_and_goes_on(redis_url: str, fingerprint: str, client: Redis) -> None:
    async with caching(redis_url, fingerprint, local_seconds=0) as here, caching(redis_url, fingerprint) as there:
        await here.find(PHONE)
        await here.remember(phone := session(PHONE))
        for key in [key async for key in client.scan_iter(f"pet:{fingerprint}:*")]:
            await client.delete(key)
        assert await here.find(PHONE) is None
        await here.remember(phone)
        assert (await here.find(PHONE), await there.find(PHONE)) == (phone, phone)


async def test_what_ended_while_redis_was_away_does_not_come_back_with_it(redis_url: str, fingerprint: str) -> None:
    host, port = "127.0.0.1", int(redis_url.rpartition(":")[2].partition("/")[0])
    async with (
        faulty_link(host, port) as link,
        caching(f"redis://{host}:{link.port}/0", fingerprint) as cut_off,
        caching(redis_url, fingerprint, local_seconds=0) as other,
    ):
        await other.remember(session(PHONE))
        await link.fail(Fault.HANG)
        await cut_off.forget(PHONE)  # in vain: nobody hears of it
        assert await other.find(PHONE) is not None
        await link.mend()

        async def is_forgotten() -> bool:
            return await other.find(PHONE) is None

        await until(is_forgotten)


async def test_what_was_kept_before_a_process_started_is_not_believed(redis_url: str, fingerprint: str) -> None:
    async with caching(redis_url, fingerprint, local_seconds=0) as here:
        await here.remember(session(PHONE))
        assert await here.find(PHONE) is not None
        async with caching(redis_url, fingerprint):  # perhaps killed before it could tell what it had ended
            assert await here.find(PHONE) is None


async def test_a_request_that_is_cancelled_has_told_all_the_same(caches: Caches) -> None:
    here, there = caches
    await there.find(PHONE)
    await there.remember(session(PHONE))
    request = asyncio.create_task(here.forget(PHONE))
    for _ in range(2):
        await asyncio.sleep(0)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request

    async def is_forgotten() -> bool:
        return await there.find(PHONE) is None

    await until(is_forgotten, seconds=0.5)


async def test_without_redis_each_process_remembers_for_itself(redis_url: str, fingerprint: str) -> None:
    async with opened_redis(redis_url, fingerprint=fingerprint) as server:
        cache = RedisSessionCache(server)
        await server.close()
        assert await cache.find(PHONE) is None
        await cache.remember(phone := session(PHONE))
        assert await cache.find(PHONE) == phone
        await cache.forget(PHONE)
        assert await cache.find(PHONE) is None


class DownSessions:
    """A store of sessions that cannot be reached."""

    async def find(self, session_id: SessionId) -> Session | None:
        raise Unavailable(Service.AUTH)


async def test_with_the_database_down_a_cached_session_goes_on(redis_url: str, fingerprint: str) -> None:
    async def role_of(user_id: UserId) -> str | None:
        raise Unavailable(Service.AUTH)

    async with caching(redis_url, fingerprint, local_seconds=0) as cache:
        await cache.remember(session(PHONE))
        store: Any = DownSessions()
        sessions = SessionService(store, cache, JwtSigner(b"0" * 32, "pet"), utc_now)
        viewer = await sessions.viewer(AccessClaims(UserId("ann"), PHONE), role_of)
        assert viewer == Viewer(UserId("ann"), Role.LISTENER, PHONE)
        with pytest.raises(Unavailable):
            await sessions.viewer(AccessClaims(UserId("ann"), LAPTOP), role_of)


@pytest.mark.parametrize(
    "entry",
    [
        *(b"", b"\xff", b"{}", b"[]", b"null", b'["e","u","r"]', b"[" * 10_000),
        *(b'["epoch","ann","listener","x"]', b'["epoch","ann","listener",1e99]', b'["epoch","ann","newer role",1]'),
    ],
    ids=ascii,
)
async def test_what_is_no_session_is_none(redis_url: str, fingerprint: str, client: Redis, entry: bytes) -> None:
    async with caching(redis_url, fingerprint) as cache:
        await client.set(f"pet:{fingerprint}:epoch", b"epoch")
        await client.set(f"pet:{fingerprint}:session:{PHONE}", b'["epoch","ann","listener",1]')
        assert await cache._find(PHONE) is not None
        await client.set(f"pet:{fingerprint}:session:{PHONE}", entry)
        assert await cache.find(PHONE) is None


@pytest.mark.parametrize("message", [b"", b"session", b"user:", b"\xff\xfe", b"x:y", b"session:" + b"x" * 100_000])
async def test_what_is_no_message_is_ignored(caches: Caches, message: bytes) -> None:
    here, _ = caches
    await here.remember(phone := session(PHONE))
    await here.receive(message)
    assert await here.find(PHONE) == phone


async def test_every_key_ends_by_itself(redis_url: str, fingerprint: str, client: Redis) -> None:
    async with caching(redis_url, fingerprint) as cache:
        await cache.find(PHONE)
        await cache.remember(session(PHONE))
        await cache.remember(replace(session(LAPTOP), expires_at=utc_now() + timedelta(seconds=5)))
        await cache.forget(TABLET)
        await cache.forget_user(UserId("bob"))
        keys = [key async for key in client.scan_iter(f"pet:{fingerprint}:*")]
        seconds = {key.removeprefix(f"pet:{fingerprint}:"): await client.ttl(key) for key in keys}
    limits = {
        "epoch": 86_400,
        "session:phone": 60,
        "session:laptop": 5,
        "ended:session:tablet": 960,
        "ended:user:bob": 960,
    }
    assert seconds.keys() == limits.keys()
    assert all(limits[name] - 2 <= left <= limits[name] for name, left in seconds.items()), seconds
    assert seconds["ended:user:bob"] > ACCESS_LIFETIME.total_seconds()
