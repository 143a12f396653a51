"""Real processes that share a Redis server, and what an operator reads when it cannot be used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.conftest import PASSWORD, Person, RunningService
from tests.e2e.server import Server, free_port, serve, start
from tests.engines.redis import until
from tests.schema.operations import DOCUMENT
from tests.schema.talking import PROTOCOL, greet, hear, say

pytestmark = pytest.mark.slow

SECRET = "s" * 40


@pytest.fixture
async def servers(tmp_path: Path, redis_url: str) -> AsyncIterator[tuple[Server, Server]]:
    """Two processes on one database, one media folder and one Redis."""
    secret = SECRET + tmp_path.name
    async with (
        serve(tmp_path, redis_url=redis_url, secret_key=secret, rate_limits="on") as one,
        serve(tmp_path, redis_url=redis_url, secret_key=secret, rate_limits="on") as another,
    ):
        yield one, another


async def log_in(service: RunningService, person: Person) -> tuple[int, str, str]:
    response = await service.client.post("/auth/login", json={"email": person.email, "password": PASSWORD})
    answer = response.json()
    return response.status_code, answer.get("accessToken", ""), answer.get("refreshToken", "")


async def is_open(service: RunningService, token: str) -> bool:
    response = await service.client.post(
        "/graphql", json={"query": "{ me { username } }"}, headers={"Authorization": f"Bearer {token}"}
    )
    return bool((response.json().get("data") or {}).get("me"))


async def test_processes_share_limits_sessions_and_what_happens(servers: tuple[Server, Server]) -> None:
    one, another = (server.service for server in servers)
    ann, bob = await one.register("ann"), await another.register("bob")
    logins = [await log_in(service, ann) for service in (one, another, one, another, one, another, one)]
    assert [status for status, _, _ in logins] == [200] * 5 + [429] * 2

    _, access, refresh = logins[0]
    assert (await is_open(one, access), await is_open(another, access)) == (True, True)
    await one.client.post("/auth/logout", json={"refreshToken": refresh})

    async def is_dead() -> bool:
        return not await is_open(another, access)

    await until(is_dead)
    assert not await is_open(one, access)

    await another.client.post(f"/social/follow/{ann.user_id}", json={"followerId": bob.user_id}, headers=bob.headers)
    address = str(another.client.base_url).replace("http:", "ws:")
    async with connect(f"{address}/graphql", subprotocols=[PROTOCOL], proxy=None) as socket:
        await greet(socket, bob)
        await say(socket, "subscribe", id="1", payload={"query": DOCUMENT, "operationName": "FeedActivity"})
        await asyncio.sleep(0.5)
        await one.client.put(f"/users/{ann.user_id}/profile", json={"bio": "News."}, headers=ann.headers)
        message = await hear(socket)
    activity = message["payload"]["data"]["feedActivity"]
    assert (activity["__typename"], activity["actor"]["username"]) == ("ProfileUpdated", "ann")


async def require_refusal(data_dir: Path, sentence: str, **settings: str) -> None:
    """Start a server that must end at once, with one sentence."""
    process = await start(data_dir, free_port(), log_level="error", **settings)
    _, told = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, told.decode()) == (1, f"Error: {sentence}\n")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (
            "redis://pet:hush@127.0.0.1:1/0",
            "127.0.0.1:1 does not answer as a Redis server does. Start it, or correct the URL.",
        ),
        (
            "redis://pet:hush@127.0.0.1:{port}/0",
            "127.0.0.1:{port} refuses the user or the password. Correct them in the URL.",
        ),
        (
            "redis://127.0.0.1:{port}/99",
            "127.0.0.1:{port} has no database of that number. Correct the end of the URL; the first is 0.",
        ),
    ],
    ids=["nothing listens", "wrong password", "wrong database"],
)
async def test_a_redis_that_cannot_be_used_is_told_in_one_sentence(
    tmp_path: Path, redis_url: str, url: str, reason: str
) -> None:
    port = redis_url.rpartition(":")[2].partition("/")[0]
    sentence = f"The Redis server (PET_REDIS_URL) cannot be used: {reason.format(port=port)}"
    await require_refusal(tmp_path, sentence, redis_url=url.format(port=port), secret_key=SECRET)


async def test_redis_without_a_secret_key_is_told_in_one_sentence(tmp_path: Path, redis_url: str) -> None:
    sentence = "PET_REDIS_URL needs PET_SECRET_KEY: one key, of at least 32 bytes, that all processes share."
    await require_refusal(tmp_path, sentence, redis_url=redis_url)
