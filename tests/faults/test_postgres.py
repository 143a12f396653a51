"""PostgreSQL fails in every way: the service says so in time, does nothing by halves, and goes on when it is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from tortoise.backends.asyncpg.client import TransactionWrapper

from pet.domain.errors import Unavailable
from pet.storage.sql.database import open_database
from pet.storage.sql.postgres import PostgresLimits
from tests.conftest import PASSWORD, Person, Service, StartService
from tests.engines.postgres import HOST, PostgresServer
from tests.faults.link import Fault, Link, faulty_link

TIMEOUT_SECONDS = 0.4
LASTING = [Fault.SLOW, Fault.HANG, Fault.RESET, Fault.REFUSE]
"""Faults that go on until they are mended."""


@dataclass
class Town:
    """A service whose database is reached through a link, with two people; `direct` goes around the link."""

    service: Service
    link: Link
    direct: asyncpg.Connection
    ann: Person
    bob: Person

    async def get(self, path: str, *, by: Person | None = None) -> tuple[int, Any]:
        """Ask for something; return the status and the body."""
        response = await self.service.client.get(path, headers=by.headers if by else {})
        return response.status_code, response.json()

    async def register(self, username: str) -> tuple[int, Any]:
        """Try to register."""
        given = {"email": f"{username}@example.com", "username": username, "password": PASSWORD}
        response = await self.service.client.post("/auth/register", json=given)
        return response.status_code, response.json()

    async def follow(self) -> tuple[int, Any]:
        """Let Ann follow Bob."""
        path = f"/social/follow/{self.bob.user_id}"
        response = await self.service.client.post(path, json={"followerId": self.ann.user_id}, headers=self.ann.headers)
        return response.status_code, response.json()

    async def tell(self, bio: str) -> tuple[int, Any]:
        """Let Ann tell something about herself."""
        path = f"/users/{self.ann.user_id}/profile"
        response = await self.service.client.put(path, json={"bio": bio}, headers=self.ann.headers)
        return response.status_code, response.json()

    async def eventually(self, path: str, is_right: Callable[[Any], bool], *, within: float) -> Any:
        """Ask again and again until the answer is right; return it."""
        async with asyncio.timeout(within):
            while True:
                status, body = await self.get(path)
                if status == 200 and is_right(body):
                    return body
                await asyncio.sleep(0.05)

    async def connections(self, state: str = "%") -> set[int]:
        """Return the service's connections in a state, as the server sees them."""
        select = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pet'"
        return {row["pid"] for row in await self.direct.fetch(f"{select} AND state LIKE $1", state)}


@pytest.fixture
async def start_town(
    postgres_server: PostgresServer, postgres_url: str, start_service: StartService
) -> AsyncIterator[Callable[..., Awaitable[Town]]]:
    """A function that builds a town."""
    direct = await asyncpg.connect(postgres_url)
    async with faulty_link(HOST, postgres_server.port) as link:

        async def start(**settings: Any) -> Town:
            name = postgres_url.rpartition("/")[2].partition("?")[0]
            url = postgres_server.url(name, port=link.port)
            service = await start_service(**{"database_url": url, "engine_timeout": TIMEOUT_SECONDS, **settings})
            return Town(service, link, direct, await service.register("ann"), await service.register("bob"))

        yield start
        await link.mend()
    await direct.close()


@pytest.fixture
async def town(start_town: Callable[..., Awaitable[Town]]) -> Town:
    """A town whose service has little patience."""
    return await start_town()


def down(service: str) -> tuple[int, dict[str, Any]]:
    return 500, {"success": False, "error": f"{service} Service is temporarily unavailable. Please try again later."}


READY = {"status": "ready", "checks": {"database": "up", "media": "up"}}
UNREADY = {"status": "unavailable", "checks": {"database": "down", "media": "up"}}


@pytest.mark.parametrize("fault", LASTING, ids=lambda fault: fault.name.lower())
async def test_requests_are_refused_in_time_and_served_again_when_the_engine_is_back(town: Town, fault: Fault) -> None:
    await town.link.fail(fault)
    began = time.monotonic()
    answers = await asyncio.gather(
        *(town.get("/users") for _ in range(15)),
        *(town.get(f"/users/{town.ann.user_id}/profile", by=town.ann) for _ in range(15)),
    )
    assert answers == [down("User")] * 30
    assert (await town.register("eve"), await town.follow()) == (down("Auth"), down("Social"))
    assert time.monotonic() - began < 3  # for the first thirty at once, and two more
    assert await town.get("/health/ready") == (503, UNREADY)
    assert (await town.get("/health/live"))[0] == 200
    assert await town.service.graphql("{ __typename }") == {"data": {"__typename": "Query"}}

    await town.link.mend()
    body = await town.eventually("/users", lambda _: True, within=2)
    assert [person["username"] for person in body["profiles"]] == ["bob", "ann"]
    assert await town.get("/health/ready") == (200, READY)
    assert [(await town.register("eve"))[0], (await town.follow())[0]] == [200, 200]
    assert await town.connections("idle in transaction%") == set()


async def test_a_request_is_refused_within_three_seconds_by_default(
    start_town: Callable[..., Awaitable[Town]],
) -> None:
    town = await start_town(engine_timeout=2.0)
    await town.link.fail(Fault.HANG)
    began = time.monotonic()
    assert await town.register("eve") == down("Auth")
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("fault", [Fault.CUT_ANSWERS, Fault.LOSE_ANSWERS], ids=lambda fault: fault.name.lower())
async def test_an_answer_that_breaks_off_is_no_answer(town: Town, fault: Fault) -> None:
    await town.link.fail(fault)
    assert await town.get("/users") == down("User")
    await town.link.mend()
    assert (await town.get("/users"))[0] == 200


async def test_idle_connections_that_were_cut_fail_nobody(town: Town) -> None:
    await asyncio.gather(*(town.get("/users") for _ in range(5)))
    town.link.cut()
    await asyncio.sleep(0.05)
    answers = await asyncio.gather(*(town.get("/users") for _ in range(5)))
    assert [status for status, _ in answers] == [200] * 5


async def test_after_a_deadline_no_old_connection_is_tried_again(town: Town) -> None:
    await asyncio.gather(*(town.get("/users") for _ in range(5)))
    await town.link.fail(Fault.HANG)
    assert await town.get("/users") == down("User")
    await town.link.mend()
    before = town.link.connections
    await asyncio.gather(*(town.get("/users") for _ in range(3)))
    assert town.link.connections - before >= 3  # the relay may have needed one as well


@pytest.fixture
def at_next_commit(monkeypatch: pytest.MonkeyPatch) -> Callable[[Link, Fault], None]:
    """A function that makes a link fail when the next transaction is about to be committed."""
    original = TransactionWrapper.commit

    def arrange(link: Link, fault: Fault) -> None:
        async def commit(self: TransactionWrapper) -> None:
            monkeypatch.setattr(TransactionWrapper, "commit", original)
            await link.fail(fault)
            await original(self)

        monkeypatch.setattr(TransactionWrapper, "commit", commit)

    return arrange


async def test_a_follow_whose_acknowledgement_was_lost_counts_once(
    town: Town, at_next_commit: Callable[[Link, Fault], None]
) -> None:
    at_next_commit(town.link, Fault.LOSE_ANSWERS)
    assert await town.follow() == down("Social")
    await town.link.mend()
    status, body = await town.follow()
    assert (status, body["data"]["followingId"]) == (200, town.bob.user_id)
    path = f"/users/{town.bob.user_id}/profile"
    await town.eventually(path, lambda body: body["data"]["stats"]["followersCount"] == 1, within=8)
    assert await town.direct.fetchval("SELECT count(*) FROM follow") == 1
    assert await town.direct.fetchval("SELECT count(*) FROM outbox WHERE name = 'follow.created'") == 1


async def test_a_registration_whose_acknowledgement_was_lost_is_completed_without_its_client(
    town: Town, at_next_commit: Callable[[Link, Fault], None]
) -> None:
    at_next_commit(town.link, Fault.LOSE_ANSWERS)
    assert await town.register("eve") == down("Auth")
    await town.link.mend()
    status, body = await town.register("eve")
    assert (status, body["error"]) == (409, "Email already exists")
    await town.eventually("/users", lambda body: len(body["profiles"]) == 3, within=8)
    given = {"email": "eve@example.com", "password": PASSWORD}
    assert (await town.service.client.post("/auth/login", json=given)).status_code == 200


async def test_cancelled_requests_give_their_connections_back(start_town: Callable[..., Awaitable[Town]]) -> None:
    town = await start_town(database_pool_size=2)
    await town.link.fail(Fault.HANG)
    for pause in (0, 0.001, 0.01, 0.05):
        requests = [asyncio.create_task(town.get("/users")) for _ in range(6)]
        await asyncio.sleep(pause)
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)
    await town.link.mend()
    await town.eventually("/users", lambda _: True, within=2)
    answers = await asyncio.gather(*(town.get("/users") for _ in range(6)))
    assert [status for status, _ in answers] == [200] * 6
    assert await town.connections("idle in transaction%") == set()


async def test_a_link_that_dies_in_the_middle_of_a_transaction_leaves_no_lock(
    town: Town, at_next_commit: Callable[[Link, Fault], None]
) -> None:
    at_next_commit(town.link, Fault.HANG)
    assert await town.tell("lost") == down("User")
    async with asyncio.timeout(2):
        await town.direct.execute("UPDATE profile SET location = 'Oslo'")
    assert await town.direct.fetchval("SELECT bio FROM profile WHERE username = 'ann'") is None


async def test_a_lock_that_lasts_costs_a_request_but_no_connection(town: Town) -> None:
    before = await town.connections()
    async with town.direct.transaction():
        await town.direct.execute("SELECT * FROM profile FOR UPDATE")
        assert await town.tell("late") == down("User")
    assert before
    assert before <= await town.connections()
    assert (await town.tell("in time"))[0] == 200


async def test_the_database_is_closed_in_time_while_the_engine_hangs(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    name = postgres_url.rpartition("/")[2].partition("?")[0]
    async with faulty_link(HOST, postgres_server.port) as link:
        limits = PostgresLimits(call_seconds=TIMEOUT_SECONDS)
        async with open_database(postgres_server.url(name, port=link.port), limits) as database:
            await asyncio.gather(*(database.rows("SELECT 1") for _ in range(3)))
            await link.fail(Fault.HANG)
            callers = [asyncio.create_task(database.rows("SELECT 1")) for _ in range(3)]
            callers.append(asyncio.create_task(database.atomically(lambda sql: sql.rows("SELECT 1"))))
            await asyncio.sleep(0)
            began = time.monotonic()
        assert time.monotonic() - began < 3 * TIMEOUT_SECONDS
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Unavailable] * 4
