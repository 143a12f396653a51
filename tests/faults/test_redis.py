"""A whole service whose Redis fails in every way: it goes on without, and with it again, and tells the truth."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from pet.domain.events import TrackUploaded
from pet.domain.ids import FileId, SessionId, UserId
from pet.domain.times import utc_now
from pet.security.keys import derive_key
from tests.conftest import PASSWORD, Person, Service, StartService, starting
from tests.engines.redis import broadcasting, caching, opened_redis, running_redis, until
from tests.faults.link import Fault, Link, faulty_link
from tests.media_factory import mp3
from tests.schema.operations import DOCUMENT, run
from tests.schema.talking import listening, serving
from tests.setups import Prepare

pytestmark = pytest.mark.slow

FAULTS = [fault for fault in Fault if fault is not Fault.NONE]
SLOWEST_SECONDS = 3.0
"""What a request may take with an engine down."""

RETURN_SECONDS = 2.0


@pytest.fixture
def secret() -> str:
    return secrets.token_urlsafe(32)


@pytest.fixture
def fingerprint(secret: str) -> str:
    """By which another process of the same installation names what it shares."""
    return derive_key(secret.encode(), "redis names").hex()[:12]


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[Link]:
    async with faulty_link("127.0.0.1", int(redis_url.rpartition(":")[2].partition("/")[0])) as opened:
        yield opened


@pytest.fixture
async def service(start_service: StartService, link: Link, secret: str) -> Service:
    """A service with rate limits, on a Redis that can fail."""
    url = f"redis://127.0.0.1:{link.port}/0"
    started: Service = await start_service(rate_limits=True, redis_url=url, secret_key=secret)
    return started


async def timed(request: Awaitable[httpx.Response]) -> httpx.Response:
    """Return the answer of a request that is quick enough with an engine down."""
    began = time.monotonic()
    response = await request
    assert time.monotonic() - began < SLOWEST_SECONDS
    return response


async def log_in(service: Service, person: Person) -> httpx.Response:
    return await service.client.post("/auth/login", json={"email": person.email, "password": PASSWORD})


async def is_open(service: Service, person: Person) -> bool:
    answer = await service.graphql("{ me { username } }", by=person)
    return bool((answer.get("data") or {}).get("me"))


async def readiness(service: Service) -> tuple[int, dict[str, Any]]:
    response = await service.client.get("/health/ready")
    return response.status_code, response.json()


def ready(redis: str) -> tuple[int, dict[str, Any]]:
    status = "ready" if redis == "up" else "degraded"
    return 200, {"status": status, "checks": {"database": "up", "media": "up", "redis": redis}}


async def until_back(service: Service) -> None:
    async def is_back() -> bool:
        return await readiness(service) == ready("up")

    await until(is_back, seconds=RETURN_SECONDS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_the_service_goes_on_without_redis_and_with_it_again(service: Service, link: Link, fault: Fault) -> None:
    ann = await service.register("ann")
    assert await readiness(service) == ready("up")
    await link.fail(fault)
    login = await timed(log_in(service, ann))
    assert login.status_code == 200
    upload = await timed(service.upload("track", mp3(1.0), by=ann))
    assert upload.status_code == 200, upload.text
    ended = await timed(service.client.post("/auth/logout", json={"refreshToken": login.json()["refreshToken"]}))
    assert ended.status_code == 200
    assert await readiness(service) == ready("down")
    await link.mend()
    await until_back(service)
    assert (await log_in(service, ann)).status_code == 200
    profile = await service.client.get(f"/users/{ann.user_id}/profile")
    assert profile.json()["data"]["stats"]["tracksCount"] == 1


async def test_many_requests_at_once_wait_for_a_hanging_redis_no_longer_than_one(service: Service, link: Link) -> None:
    ann = await service.register("ann")
    await asyncio.sleep(2.1)  # nothing of the session is left in the process
    await link.fail(Fault.HANG)
    began = time.monotonic()
    assert await asyncio.gather(*(is_open(service, ann) for _ in range(30))) == [True] * 30
    assert await is_open(service, ann)
    assert time.monotonic() - began < SLOWEST_SECONDS


async def test_limits_are_counted_in_the_process_with_one_warning(
    service: Service, link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    ann = await service.register("ann")
    await link.fail(Fault.REFUSE)
    caplog.clear()
    assert [(await log_in(service, ann)).status_code for _ in range(7)] == [200] * 5 + [429] * 2
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["Redis is away: limits count in this process alone, and sessions are looked up in the database"]
    await link.mend()
    await until_back(service)
    assert (await log_in(service, ann)).status_code == 200  # Redis has counted none of them


async def test_a_login_whose_counting_was_not_confirmed_is_one_login(
    service: Service, link: Link, redis_url: str, fingerprint: str
) -> None:
    ann = await service.register("ann")
    assert (await log_in(service, ann)).status_code == 200  # the script is known now
    await link.fail(Fault.LOSE_ANSWERS)
    assert (await log_in(service, ann)).status_code == 200
    async with Redis.from_url(redis_url, protocol=2) as client:
        counters = [key async for key in client.scan_iter(f"pet:{fingerprint}:limits:login/*")]
        assert [int(await client.get(key) or 0) for key in counters] == [2]  # the address's: the network is familiar
    assert len(await service.services.accounts.sessions.listed(UserId(ann.user_id))) == 3


async def test_a_session_that_another_process_ends_is_dead_at_once(
    service: Service, redis_url: str, fingerprint: str
) -> None:
    ann = await service.register("ann")
    session_id = (await service.services.accounts.sessions.authenticate(ann.access_token)).session_id
    async with caching(redis_url, fingerprint) as other:
        assert await is_open(service, ann)
        assert await other.find(session_id) is not None
        await ended_elsewhere(service, session_id)
        await other.forget(session_id)

        async def is_dead() -> bool:
            return not await is_open(service, ann)

        await until(is_dead, seconds=1.2)  # sooner than the process forgets by itself


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.REFUSE], ids=lambda fault: fault.name)
async def test_a_session_that_ends_without_redis_is_dead_within_two_seconds_and_stays_dead(
    service: Service, link: Link, redis_url: str, fingerprint: str, fault: Fault
) -> None:
    ann = await service.register("ann")
    session_id = (await service.services.accounts.sessions.authenticate(ann.access_token)).session_id
    async with caching(redis_url, fingerprint) as other:
        assert await is_open(service, ann)
        assert await other.find(session_id) is not None
        await link.fail(fault)
        await ended_elsewhere(service, session_id)

        async def is_dead() -> bool:
            return not await is_open(service, ann)

        await until(is_dead, seconds=2.6)  # where Redis hangs, one request waits for it
        await link.mend()
        await until_back(service)
        for _ in range(10):
            assert await is_dead()
            await asyncio.sleep(0.1)


async def test_an_emptied_redis_logs_nobody_out(service: Service, redis_url: str, fingerprint: str) -> None:
    ann = await service.register("ann")
    assert await is_open(service, ann)
    async with Redis.from_url(redis_url, protocol=2) as client:
        for key in [key async for key in client.scan_iter(f"pet:{fingerprint}:*")]:
            await client.delete(key)
    assert await is_open(service, ann)
    await asyncio.sleep(2.1)
    assert await is_open(service, ann)


async def test_a_listener_misses_nothing_and_hears_nothing_twice_over_an_outage(
    service: Service, link: Link, redis_url: str, fingerprint: str
) -> None:
    ann, bob = await service.register("ann"), await service.register("bob")
    await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    async with serving(service.app) as address, listening(address, DOCUMENT, "FeedActivity", by=bob) as heard:
        for number, fault in enumerate([Fault.NONE, Fault.HANG, Fault.REFUSE]):
            await link.fail(fault)
            await service.upload("track", mp3(1.0, title=f"Song {number}"), by=ann)
        async with asyncio.timeout(2):
            titles = [(await heard())["data"]["feedActivity"]["track"]["title"] for _ in range(3)]
        assert titles == ["Song 0", "Song 1", "Song 2"]
        await link.mend()
        await until_back(service)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await heard()


async def test_a_redis_that_is_restarted_is_used_again(
    start_service: StartService, tmp_path: Path, secret: str
) -> None:
    with running_redis(tmp_path / "redis") as url:
        service = await start_service(rate_limits=True, redis_url=url, secret_key=secret)
        ann = await service.register("ann")
        assert await is_open(service, ann)
    assert (await timed(log_in(service, ann))).status_code == 200
    assert await is_open(service, ann)
    assert await readiness(service) == ready("down")
    with running_redis(tmp_path / "redis", port=int(url.rpartition(":")[2].partition("/")[0])):
        await until_back(service)
        assert await is_open(service, ann)
        assert [(await log_in(service, ann)).status_code for _ in range(6)] == [200] * 5 + [429]


async def test_connections_that_are_killed_are_replaced(service: Service, redis_url: str, fingerprint: str) -> None:
    ann = await service.register("ann")
    async with Redis.from_url(redis_url, protocol=2) as operator:
        for kind in ("normal", "pubsub"):
            await operator.client_kill_filter(_type=kind, skipme=True)
        assert await is_open(service, ann)
        await until_back(service)
    async with opened_redis(redis_url, fingerprint=fingerprint) as server, broadcasting(server) as other:
        await other.publish(TrackUploaded(user_id=UserId(ann.user_id), occurred_at=utc_now(), file_id=FileId("x")))
    assert await readiness(service) == ready("up")


async def test_stopping_while_redis_hangs_leaves_no_task_behind(
    link: Link, secret: str, tmp_path: Path, prepare: Prepare
) -> None:
    before = asyncio.all_tasks()
    began = 0.0
    async with starting(tmp_path, prepare) as start:
        service = await start(redis_url=f"redis://127.0.0.1:{link.port}/0", secret_key=secret)
        ann = await service.register("ann")
        await link.fail(Fault.HANG)
        await log_in(service, ann)
        began = time.monotonic()
    assert time.monotonic() - began < SLOWEST_SECONDS
    await link.fail(Fault.REFUSE)
    await asyncio.sleep(0.05)
    assert {task.get_name() for task in asyncio.all_tasks() - before if "link.py" not in repr(task)} == set()


async def ended_elsewhere(service: Service, session_id: SessionId) -> None:
    """End a session in the database alone, as another process does before it tells."""
    await service.services.accounts.sessions._sessions.remove(session_id)
