"""What the tests of the REST front share: a clock to turn, golden files, and files that many of them upload."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from pet.app import Overrides
from tests.clock import HandClock
from tests.conftest import Person, Service, StartService, starting
from tests.media_factory import jpeg, mp3
from tests.rest_compat.golden import Golden
from tests.setups import Prepare

FOLDER = Path(__file__).parent

session_fixture = pytest_asyncio.fixture(loop_scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this folder in one event loop: the workers that look into media belong to a loop, and each new
    one costs a fifth of a second of CPU time.
    """
    for item in items:
        if item.path.is_relative_to(FOLDER) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture
def clock() -> HandClock:
    """The clock of `service`."""
    return HandClock()


@session_fixture
async def start_service(tmp_path: Path, prepare: Prepare) -> AsyncIterator[StartService]:
    """The shared fixture of that name, in the loop of the whole session."""
    async with starting(tmp_path, prepare) as start:
        yield start


@session_fixture
async def service(start_service: StartService, clock: HandClock) -> Service:
    """A service without rate limits, on each set-up in turn, with a clock to turn."""
    started: Service = await start_service(overrides=Overrides(clock=clock))
    return started


@session_fixture
async def limited(start_service: StartService) -> Service:
    """A service with the documented rate limits."""
    started: Service = await start_service(rate_limits=True)
    return started


@pytest.fixture
def golden(service: Service) -> Golden:
    """Golden files for answers of `service`."""
    return Golden(service)


@session_fixture
async def ann(service: Service) -> Person:
    """A musician."""
    return await service.register("ann")


@session_fixture
async def bob(service: Service) -> Person:
    """A listener."""
    return await service.register("bob", role="listener")


SONG = "my-song.mp3"


async def upload_song(service: Service, by: Person, **tags: Any) -> dict[str, Any]:
    """Publish a track of two seconds and return its record."""
    return await stored(service, "track", mp3(2.0, **tags), by, name=SONG)


async def upload_image(service: Service, kind: str, by: Person, content: bytes = b"", **fields: str) -> dict[str, Any]:
    """Upload an image, by default a JPEG of 64 x 48, and return its record."""
    return await stored(service, kind, content or jpeg(), by, name="image.jpg", **fields)


async def stored(
    service: Service, kind: str, content: bytes, by: Person, *, name: str, **fields: str
) -> dict[str, Any]:
    """Upload a file and return its record."""
    response = await service.upload(kind, content, by=by, name=name, **fields)
    assert response.status_code == 200, response.text
    record: dict[str, Any] = response.json()["file"]
    return record


async def make_private(service: Service, person: Person) -> None:
    """Close someone's profile."""
    change = {"preferences": {"privateProfile": True}}
    response = await service.client.put(f"/users/{person.user_id}/profile", json=change, headers=person.headers)
    assert response.status_code == 200, response.text


async def follow(service: Service, follower: Person, followed: Person) -> dict[str, Any]:
    """Follow someone and return the follow."""
    given = {"followerId": follower.user_id}
    response = await service.client.post(f"/social/follow/{followed.user_id}", json=given, headers=follower.headers)
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


async def accept(service: Service, owner: Person, follower: Person) -> None:
    """Let someone in who asked to follow; the legacy routes have no way to do it."""
    accepting = "mutation ($id: ID!) { acceptFollow(followerId: $id) { follow { state } userErrors { message } } }"
    answer = await service.graphql(accepting, {"id": follower.user_id}, by=owner)
    assert answer["data"]["acceptFollow"] == {"follow": {"state": "FOLLOWING"}, "userErrors": []}


async def profile_of(service: Service, person: Person, *, by: Person | None = None) -> dict[str, Any]:
    """Return someone's profile as somebody sees it."""
    response = await service.client.get(f"/users/{person.user_id}/profile", headers=by.headers if by else {})
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


def refusal(message: str) -> dict[str, Any]:
    """Return the envelope of an error."""
    return {"success": False, "error": message}


async def promote(service: Service, person: Person) -> None:
    """Make someone an admin, as the command line does; before their token is used for the first time."""
    await service.services.accounts.promote(person.username)
