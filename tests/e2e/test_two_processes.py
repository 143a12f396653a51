"""Two `pet serve` processes on one set of engines: whichever a client meets, it is one service."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from tests.conftest import PASSWORD, Person, RunningService
from tests.e2e.server import Server, serve
from tests.media_factory import mp3
from tests.schema.talking import greet, hear, say, talking
from tests.setups import MANY, Prepare

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("prepare", [MANY], indirect=True)]

REVOKED_WITHIN_SECONDS = 2.0


@pytest.fixture
def shared(prepare: Prepare, tmp_path: Path) -> dict[str, Any]:
    """The settings that both processes share."""
    return {name: str(value) for name, value in prepare(tmp_path).items()}


@pytest.fixture
async def pair(shared: dict[str, Any], tmp_path: Path) -> AsyncIterator[tuple[Server, Server]]:
    """Two processes, each with a data directory of its own, as on two machines."""
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(serve(tmp_path / name, public_url="http://pet.example", **shared))
            for name in ("first", "second")
        ]
        yield first, second


async def test_a_track_uploaded_through_one_plays_through_the_other(pair: tuple[Server, Server]) -> None:
    first, second = pair
    ann = await first.service.register("ann")
    song = mp3(2.0)
    record = (await first.service.upload("track", song, by=ann, name="song.mp3")).json()["file"]
    played = await second.client.get(f"/media/track/{record['fileId']}", headers={"Range": "bytes=100-199"})
    assert (played.status_code, played.content) == (206, song[100:200])
    whole = await second.client.get(f"/media/track/{record['fileId']}")
    assert (whole.status_code, whole.content) == (200, song)
    profile = (await first.client.get(f"/users/{ann.user_id}/profile")).json()["data"]
    assert (profile["stats"]["tracksCount"], profile["stats"]["totalPlays"]) == (1, 1)


async def test_a_session_revoked_in_one_is_dead_in_the_other(pair: tuple[Server, Server]) -> None:
    """By each of the ways in which a session ends, since each of them tells the other process by itself."""
    first, second = pair
    for name, end in ENDINGS.items():
        person = await first.service.register(name)
        own = f"/users/{person.user_id}/profile"
        for server in pair:
            response = await server.client.put(own, json={"bio": "mine"}, headers=person.headers)
            assert response.status_code == 200
        await end(first.service, person)
        ended = monotonic()
        statuses = [0]
        while statuses[-1] != 401:
            assert monotonic() - ended < REVOKED_WITHIN_SECONDS, (name, statuses)
            statuses.append((await second.client.put(own, json={"bio": "mine"}, headers=person.headers)).status_code)
            await asyncio.sleep(0.05)
        assert (await first.client.put(own, json={"bio": "mine"}, headers=person.headers)).status_code == 401
        given = {"refreshToken": person.refresh_token}
        assert (await second.client.post("/auth/refresh", json=given)).status_code == 401


async def log_out(service: RunningService, person: Person) -> None:
    given = {"refreshToken": person.refresh_token}
    assert (await service.client.post("/auth/logout", json=given)).status_code == 200


async def revoke(service: RunningService, person: Person) -> None:
    listed = await service.graphql("{ me { sessions { id } } }", by=person)
    (session,) = listed["data"]["me"]["sessions"]
    mutation = "mutation ($id: ID!) { revokeSession(sessionId: $id) { success } }"
    answer = await service.graphql(mutation, {"id": session["id"]}, by=person)
    assert answer["data"]["revokeSession"]["success"] is True


async def revoke_all(service: RunningService, person: Person) -> None:
    answer = await service.graphql("mutation { revokeSessions(keepCurrent: false) { success } }", by=person)
    assert answer["data"]["revokeSessions"]["success"] is True


async def change_password(service: RunningService, person: Person) -> None:
    given = {"userId": person.user_id, "oldPassword": PASSWORD, "newPassword": "another horse 2"}
    assert (await service.client.post("/auth/change_pass", json=given)).status_code == 200


async def use_a_token_twice(service: RunningService, person: Person) -> None:
    """Refresh from a token that was used two refreshes ago, as a thief would."""
    token, statuses = person.refresh_token, []
    for _ in range(2):
        answer = await service.client.post("/auth/refresh", json={"refreshToken": token})
        statuses.append(answer.status_code)
        token = answer.json()["refreshToken"]
    statuses.append(
        (await service.client.post("/auth/refresh", json={"refreshToken": person.refresh_token})).status_code
    )
    assert statuses == [200, 200, 401]


ENDINGS = {
    "logout": log_out,
    "revoked": revoke,
    "everywhere": revoke_all,
    "password": change_password,
    "stolen": use_a_token_twice,
}


async def test_fifty_refreshes_through_both_give_one_successor(pair: tuple[Server, Server]) -> None:
    ann = await pair[0].service.register("ann")
    given = {"refreshToken": ann.refresh_token}
    answers = await asyncio.gather(*(pair[n % 2].client.post("/auth/refresh", json=given) for n in range(50)))
    assert [answer.status_code for answer in answers] == [200] * 50
    successors = {answer.json()["refreshToken"] for answer in answers}
    assert len(successors) == 1
    given = {"refreshToken": successors.pop()}
    assert (await pair[1].client.post("/auth/refresh", json=given)).status_code == 200


async def test_an_account_deleted_in_one_is_unknown_in_the_other(pair: tuple[Server, Server]) -> None:
    first, second = pair
    ann = await first.service.register("ann")
    own = f"/users/{ann.user_id}/profile"
    assert (await second.client.put(own, json={"bio": "mine"}, headers=ann.headers)).status_code == 200
    deletion = "mutation M($password: String!) { deleteAccount(password: $password) { success } }"
    answer = await first.service.graphql(deletion, {"password": PASSWORD}, by=ann)
    assert answer["data"]["deleteAccount"]["success"] is True
    ended = monotonic()
    statuses = [0]
    while statuses[-1] != 401:
        assert monotonic() - ended < REVOKED_WITHIN_SECONDS, statuses
        statuses.append((await second.client.put(own, json={"bio": "mine"}, headers=ann.headers)).status_code)
        await asyncio.sleep(0.05)
    assert set(statuses) <= {0, 401, 404}  # the profile was gone when the deletion was acknowledged
    assert (await second.client.get(own)).status_code == 404


async def test_limits_are_shared(shared: dict[str, Any], tmp_path: Path) -> None:
    async with (
        serve(tmp_path / "first", **{**shared, "rate_limits": "on"}) as first,
        serve(tmp_path / "second", **{**shared, "rate_limits": "on"}) as second,
    ):
        await first.service.register("ann")
        given = {"email": "ann@example.com", "password": "wrong horse 1"}
        servers = [first, second] * 3
        statuses = [(await server.client.post("/auth/login", json=given)).status_code for server in servers]
        assert statuses == [401] * 5 + [429]
        refused = await first.client.post("/auth/login", json=given | {"password": PASSWORD})
        assert refused.status_code == 429


async def test_a_subscription_in_one_hears_what_happens_in_the_other(pair: tuple[Server, Server]) -> None:
    first, second = pair
    ann, bob = await first.service.register("ann"), await second.service.register("bob")
    given = {"followerId": bob.user_id}
    followed = await second.client.post(f"/social/follow/{ann.user_id}", json=given, headers=bob.headers)
    assert followed.status_code == 200
    async with talking(second.client.base_url.netloc.decode()) as socket:
        await greet(socket, bob)
        await say(socket, "subscribe", id="s", payload={"query": SUBSCRIPTION})
        await heard_first(socket, lambda: publish(first.service, ann, "first.mp3"))
        await publish(first.service, ann, "one.mp3")
        await publish(second.service, ann, "two.mp3")
        titles: list[str] = []
        while titles[-1:] != ["two"]:
            titles.append(title_of(await hear(socket)))
    assert [title for title in titles if title != "first"] == ["one", "two"]


SUBSCRIPTION = "subscription { feedActivity { ... on TrackPublished { track { title } } } }"


async def heard_first(socket: ClientConnection, act: Callable[[], Awaitable[None]]) -> None:
    """Act until it is heard: the protocol does not tell when a subscription has begun."""
    hearing = asyncio.create_task(hear(socket))
    while not hearing.done():
        await act()
        await asyncio.wait([hearing], timeout=0.5)
    assert title_of(hearing.result()) == "first"


def title_of(message: dict[str, Any]) -> str:
    title: str = message["payload"]["data"]["feedActivity"]["track"]["title"]
    return title


async def publish(service: RunningService, person: Any, name: str) -> None:
    response = await service.upload("track", mp3(1.0), by=person, name=name)
    assert response.status_code == 200, response.text


async def test_when_one_is_killed_the_other_goes_on(pair: tuple[Server, Server]) -> None:
    first, second = pair
    ann = await first.service.register("ann")
    uploads = [asyncio.create_task(publish(first.service, ann, f"{number}.mp3")) for number in range(6)]
    await asyncio.sleep(0.3)
    await first.stop(signal.SIGKILL)
    results = await asyncio.gather(*uploads, return_exceptions=True)
    done = sum(not isinstance(result, BaseException) for result in results)
    async with asyncio.timeout(60):  # an engine may hold what the dead process had begun for some seconds
        while True:
            tracks = (await second.client.get("/users/ann/tracks")).json()["data"]
            counted = (await second.client.get(f"/users/{ann.user_id}/profile")).json()["data"]["stats"]["tracksCount"]
            if counted == len(tracks) >= done:
                break
            await asyncio.sleep(0.2)
    for track in tracks:
        assert (await second.client.get(f"/media/track/{track['fileId']}")).status_code == 200
