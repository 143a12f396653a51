"""MongoDB fails: what a request is told and how soon, that nothing is half-done, and that its return is used."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from pymongo.asynchronous.client_session import AsyncClientSession

from pet.domain.effects import Effect
from pet.domain.events import Event
from pet.domain.ids import new_uuid7
from pet.storage.mongo.effects import MongoProjections
from tests.conftest import PASSWORD, Person, Service, starting
from tests.engines.mongo import leftovers_of_the_driver_collected
from tests.faults.link import Fault, Link, faulty_link
from tests.media_factory import mp3
from tests.setups import EMBEDDED, Prepare, prepare_on

TIMEOUT = 1.0
"""The engine timeout of these tests, in seconds; the default is twice that."""

PROMPT = TIMEOUT + 1.0
"""Within which a request is answered, whatever the engine does: 3 seconds at the default timeout."""

RETURN = 2.0
"""Seconds after which an engine that is back is used again."""

RELAY = 10.0
"""Seconds after which what a request could not deliver is delivered: the relay's pause and its age, and a turn."""

SONG = mp3(1.0)

DOWN = [Fault.HANG, Fault.REFUSE, Fault.RESET, Fault.SLOW, Fault.CUT_ANSWERS]


@dataclass
class House:
    """A whole service whose documents are behind a link."""

    service: Service
    link: Link
    database: Any
    ann: Person
    bob: Person
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def timed(self, method: str, path: str, **parts: Any) -> httpx.Response:
        """Send a request as Ann that must be answered in time."""
        started = time.monotonic()
        response = await self.service.client.request(method, path, headers=self.ann.headers, **parts)
        assert time.monotonic() - started < PROMPT, path
        return response

    async def follow(self) -> httpx.Response:
        """Let Ann follow Bob."""
        return await self.timed("POST", f"/social/follow/{self.bob.user_id}", json={"followerId": self.ann.user_id})

    async def stats(self) -> tuple[int, int] | None:
        """Return whom Ann follows and who follows Bob, as their profiles count it; None while that cannot be read."""
        found = []
        for person, counter in ((self.ann, "followingCount"), (self.bob, "followersCount")):
            response = await self.service.client.get(f"/users/{person.user_id}/profile")
            if response.status_code != 200:
                return None
            found.append(response.json()["data"]["stats"][counter])
        return found[0], found[1]

    async def ready(self) -> tuple[int, dict[str, Any]]:
        """Return what `/health/ready` tells."""
        response = await self.timed("GET", "/health/ready")
        return response.status_code, response.json()

    async def status_of_a_follow(self) -> int:
        """Let Ann follow Bob, and return the status alone."""
        return (await self.follow()).status_code

    def events(self) -> list[str]:
        """Return the names of all events that are stored, in their order."""
        return [event["name"] for event in self.database.outbox.find(sort=[("_id", 1)])]

    def follows(self) -> int:
        """Return how many follows are stored."""
        count: int = self.database.follows.count_documents({})
        return count


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    with leftovers_of_the_driver_collected():
        yield


@pytest.fixture
def embedded(request: pytest.FixtureRequest) -> Prepare:
    """What prepares the rest of the service."""
    return prepare_on(EMBEDDED, request)


@pytest.fixture
async def house(tmp_path: Path, embedded: Prepare, mongo_url: str) -> AsyncIterator[House]:
    """A service with two people in it."""
    name = f"faults_{new_uuid7().replace('-', '')}"
    async with AsyncExitStack() as stack:
        admin = stack.enter_context(MongoClient[Any](mongo_url))
        stack.callback(admin.drop_database, name)
        stack.callback(admin.admin.command, {"killAllSessions": []})  # what a test has cut off would hold up the drop
        link = await stack.enter_async_context(faulty_link("127.0.0.1", int(mongo_url.rpartition(":")[2])))
        start = await stack.enter_async_context(starting(tmp_path, embedded))
        url = f"mongodb://127.0.0.1:{link.port}/{name}?directConnection=true"
        service: Service = await start(documents_url=url, engine_timeout=TIMEOUT)
        stack.push_async_callback(link.mend)
        yield House(service, link, admin[name], await service.register("ann"), await service.register("bob"))


def sentence(service: str) -> dict[str, Any]:
    return {"success": False, "error": f"{service} Service is temporarily unavailable. Please try again later."}


async def within(seconds: float, attempt: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Repeat an attempt until it gives what is wanted."""
    deadline = time.monotonic() + seconds
    while (found := await attempt()) != wanted:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)


async def mend_later(link: Link, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await link.mend()


def on_commit(house: House, monkeypatch: pytest.MonkeyPatch, *, lost_seconds: float) -> None:
    """Let the answer to the next commit be lost, and all answers for some time."""
    commit = AsyncClientSession.commit_transaction

    async def losing(session: AsyncClientSession) -> None:
        monkeypatch.undo()
        await house.link.fail(Fault.LOSE_ANSWERS)
        house.tasks.append(asyncio.create_task(mend_later(house.link, lost_seconds)))
        await commit(session)

    monkeypatch.setattr(AsyncClientSession, "commit_transaction", losing)


@pytest.mark.parametrize("fault", DOWN)
async def test_requests_are_told_soon_and_nothing_is_half_done(house: House, fault: Fault) -> None:
    before = house.events()
    await house.link.fail(fault)
    for _ in range(2):
        refused = [
            ("Social", await house.follow()),
            ("User", await house.timed("GET", "/users")),
            ("Media", await house.timed("GET", f"/media/avatar/{house.ann.user_id}")),
        ]
        assert [(answer.status_code, answer.json()) for _, answer in refused] == [
            (500, sentence(service)) for service, _ in refused
        ]
        assert {answer.headers["retry-after"] for _, answer in refused} == {"5"}
    assert await house.ready() == (
        503,
        {"status": "unavailable", "checks": {"database": "up", "documents": "down", "media": "up"}},
    )
    login = await house.timed("POST", "/auth/login", json={"email": house.ann.email, "password": PASSWORD})
    assert login.status_code == 200
    upload = await house.service.upload("track", SONG, by=house.ann)
    assert (upload.status_code, upload.json()) == (500, sentence("Media"))
    assert (house.events(), house.follows(), house.database.files.count_documents({})) == (before, 0, 0)
    await house.link.mend()
    await within(RETURN, house.status_of_a_follow, 200)
    assert (await house.ready())[0] == 200
    assert (house.events(), house.follows()) == ([*before, "follow.created"], 1)
    await within(RELAY, house.stats, (1, 1))


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.LOSE_ANSWERS, Fault.CUT_ANSWERS])
async def test_a_short_interruption_is_bridged(house: House, fault: Fault) -> None:
    await house.link.fail(fault)
    following = asyncio.create_task(house.follow())
    await asyncio.sleep(0.2)
    await house.link.mend()
    assert (await following).status_code == 200
    assert (house.events(), house.follows(), await house.stats()) == (["follow.created"], 1, (1, 1))


async def test_idle_connections_that_were_cut_are_replaced(house: House) -> None:
    house.link.cut()
    assert (await house.follow()).status_code == 200
    assert (house.events(), house.follows(), await house.stats()) == (["follow.created"], 1, (1, 1))


async def test_a_commit_whose_answer_is_lost_is_asked_for_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    on_commit(house, monkeypatch, lost_seconds=0.2)
    assert (await house.follow()).status_code == 200
    assert (house.events(), house.follows(), await house.stats()) == (["follow.created"], 1, (1, 1))


async def test_a_commit_that_nobody_can_confirm_has_no_double_effect(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_commit(house, monkeypatch, lost_seconds=TIMEOUT + 0.2)
    assert (await house.follow()).status_code == 500
    await within(RETURN, house.status_of_a_follow, 200)
    await within(RELAY, house.stats, (1, 1))
    assert (house.events(), house.follows()) == (["follow.created"], 1)


async def test_a_transaction_that_could_not_be_ended_holds_up_nobody(house: House) -> None:
    await house.link.fail(Fault.LOSE_ANSWERS)
    assert (await house.follow()).status_code == 500
    await house.link.mend()
    await within(RETURN, house.status_of_a_follow, 200)
    assert (house.events(), house.follows()) == (["follow.created"], 1)
    await within(RELAY, house.stats, (1, 1))


async def test_an_engine_that_goes_after_the_commit_does_not_make_a_request_wait_twice(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = MongoProjections.apply

    async def hanging(projections: MongoProjections, event: Event, effects: Sequence[Effect]) -> bool:
        monkeypatch.undo()
        await house.link.fail(Fault.HANG)
        return await apply(projections, event, effects)

    monkeypatch.setattr(MongoProjections, "apply", hanging)
    await house.follow()
    await house.link.mend()
    await within(RELAY, house.stats, (1, 1))
    assert (house.events(), house.follows()) == (["follow.created"], 1)


async def test_someone_who_registers_meanwhile_finds_their_profile_later(house: House) -> None:
    await house.link.fail(Fault.REFUSE)
    given = {"email": "eve@example.com", "username": "eve", "password": PASSWORD}
    await house.timed("POST", "/auth/register", json=given)
    await house.link.mend()
    login = await house.timed("POST", "/auth/login", json=given)
    assert login.status_code == 200

    async def status() -> int:
        return (await house.timed("GET", "/users/username/eve")).status_code

    await within(RELAY, status, 200)
