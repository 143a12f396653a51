"""graphql-transport-ws on a real server: odd frames close with a code, and the token is looked at each time."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from pet.domain.ids import UserId
from pet.operation_limits import OperationLimits
from pet.schema.endpoint import INIT_WAIT
from pet.schema.sockets import IDLE_SECONDS
from tests.conftest import PASSWORD, Person, Service, StartService
from tests.schema.operations import DOCUMENT, run
from tests.schema.talking import close_code, first_subscriber, greet, hear, listening, say, serving, talking
from tests.setups import on_embedded

INIT = {"type": "connection_init"}
SUBSCRIBE: dict[str, Any] = {"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }"}}

ODD: dict[str, list[str | bytes]] = {
    "null": ["null"],
    "list": ["[]"],
    "number": ["1"],
    "no_json": ["{nope"],
    "no_type": ["{}"],
    "type_null": ['{"type": null}'],
    "unknown_type": [json.dumps({"type": "z" * 1000})],
    "binary": [b"\xff\xfe"],
    "deep": ['{"type": "connection_init", "payload": ' + "[" * 50_000 + "]" * 50_000 + "}"],
    "init_with_a_list": [json.dumps({**INIT, "payload": []})],
    "no_id": [json.dumps({"type": "subscribe", "payload": {"query": "{ __typename }"}})],
    "id_list": [json.dumps({**SUBSCRIBE, "id": []})],
    "payload_null": [json.dumps({**SUBSCRIBE, "payload": None})],
    "no_query": [json.dumps({**SUBSCRIBE, "payload": {}})],
    "query_number": [json.dumps({**SUBSCRIBE, "payload": {"query": 1}})],
    "variables_list": [json.dumps({**SUBSCRIBE, "payload": {"query": "{ __typename }", "variables": []}})],
    "operation_name_list": [json.dumps({**SUBSCRIBE, "payload": {"query": "{ __typename }", "operationName": []}})],
    "id_empty": [json.dumps({**SUBSCRIBE, "id": ""})],
    "extensions_list": [json.dumps({**SUBSCRIBE, "payload": {"query": "{ __typename }", "extensions": []}})],
    "lone_surrogate": [r'{"type": "connection_init", "payload": {"x": "\ud800"}}'],
    "lists": ['{"type": "connection_init", "payload": {"x": [' + "[]," * 30_000 + "[]]}}"],
    "complete_without_id": ['{"type": "complete"}'],
    "complete_with_an_object": ['{"type": "complete", "id": {}}'],
}


async def test_odd_frames_close_with_4400(live: str) -> None:
    for name, frames in ODD.items():
        async with talking(live) as socket:
            if "init" not in str(frames[0][:30]):
                await greet(socket)
            for frame in frames:
                await socket.send(frame)
            assert await close_code(socket) == 4400, name


async def test_a_payload_may_be_null(live: str) -> None:
    async with talking(live) as socket:
        await say(socket, "connection_init", payload=None)
        assert await hear(socket) == {"type": "connection_ack"}
        await say(socket, "ping", payload=None)
        assert await hear(socket) == {"type": "pong"}


async def test_text_that_is_no_utf_8_closes_with_1007(live: str) -> None:
    async with talking(live) as socket:
        await socket.send(b"\xff\xfe", text=True)
        assert await close_code(socket) == 1007


async def test_the_order_of_the_protocol_is_kept(live: str) -> None:
    async with talking(live) as socket:
        await socket.send(json.dumps(SUBSCRIBE))
        assert await close_code(socket) == 4401
    async with talking(live) as socket:
        await greet(socket)
        await say(socket, "connection_init")
        assert await close_code(socket) == 4429


async def test_an_id_that_is_in_use_closes_with_4409(live: str, ann: Person) -> None:
    async with talking(live) as socket:
        await greet(socket, ann)
        for _ in range(2):
            await say(socket, "subscribe", id="1", payload={"query": "subscription { feedActivity { id } }"})
        assert await close_code(socket) == 4409


async def test_another_protocol_closes_with_4406(live: str) -> None:
    async with connect(f"ws://{live}/graphql", subprotocols=[Subprotocol("graphql-ws")], proxy=None) as socket:
        assert await close_code(socket) == 4406


async def test_silence_closes_with_4408(start_service: StartService, monkeypatch: pytest.MonkeyPatch) -> None:
    assert timedelta(seconds=10) == INIT_WAIT
    monkeypatch.setattr("pet.schema.endpoint.INIT_WAIT", timedelta(seconds=0.1))
    service: Service = await start_service()
    async with serving(service.app) as address, talking(address) as socket:
        assert await close_code(socket) == 4408


async def test_a_bad_token_closes_with_4403(live: str, ann: Person) -> None:
    for token in ("Bearer a.b.c", f"Bearer {ann.access_token}x", ann.access_token, "", 5, ["Bearer"]):
        async with talking(live) as socket:
            await say(socket, "connection_init", payload={"Authorization": token})
            assert await close_code(socket) == 4403, token


async def test_a_message_that_is_too_large_closes_with_1009(live: str) -> None:
    async with talking(live) as socket:
        await say(socket, "connection_init", payload={"x": "y" * 1024**2})
        assert await close_code(socket) == 1009


async def test_a_foreign_page_is_refused_before_the_socket_opens(live: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with talking(live, origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403
    async with talking(live, origin="http://localhost:5173") as socket:
        await greet(socket)


async def ask(socket: Any, query: str, name: str | None = None, **variables: Any) -> dict[str, Any]:
    """Run one operation over a socket, to its end."""
    await say(socket, "subscribe", id="q", payload={"query": query, "operationName": name, "variables": variables})
    message = await hear(socket)
    if message["type"] == "next":
        assert await hear(socket) == {"type": "complete", "id": "q"}
    return message


async def test_queries_and_mutations_run_over_the_socket(live: str, ann: Person, bob: Person) -> None:
    async with talking(live) as socket:
        await greet(socket, ann)
        me = await ask(socket, "{ me { username } }")
        assert me == {"type": "next", "id": "q", "payload": {"data": {"me": {"username": "ann"}}}}
        stats = '{ profile(by: {username: "bob"}) { stats { followersCount } } }'
        counts = []
        for _ in range(2):
            answer = await ask(socket, stats)
            counts.append(answer["payload"]["data"]["profile"]["stats"]["followersCount"])
            await ask(socket, DOCUMENT, "Follow", userId=bob.user_id)
        assert counts == [0, 1]
        invalid = await ask(socket, "{ nobody }")
        assert invalid["type"] == "error"
        assert [error["extensions"] for error in invalid["payload"]] == [{"code": "INVALID"}]


async def test_a_session_that_has_ended_ends_for_an_open_socket_too(service: Service, live: str, ann: Person) -> None:
    async with talking(live) as socket:
        await greet(socket, ann)
        assert (await ask(socket, "{ me { username } }"))["payload"]["data"] == {"me": {"username": "ann"}}
        await run(service, "Logout", {"refreshToken": ann.refresh_token})
        (error,) = (await ask(socket, "{ me { username } }"))["payload"]["errors"]
        assert error["extensions"] == {"code": "UNAUTHENTICATED"}


async def test_a_subscription_needs_a_token(live: str) -> None:
    async with talking(live) as socket:
        await greet(socket)
        message = await ask(socket, DOCUMENT, "FeedActivity")
        errors = message["payload"]["errors"] if message["type"] == "next" else message["payload"]
        assert [error["extensions"] for error in errors] == [{"code": "UNAUTHENTICATED"}]


async def test_a_subscription_tells_what_one_may_see_and_nothing_else(
    service: Service, live: str, ann: Person, bob: Person
) -> None:
    eve = await service.register("eve")
    await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    async with listening(live, DOCUMENT, "FeedActivity", by=bob) as heard:
        await run(service, "UpdateProfile", {"input": {"bio": "A stranger's."}}, by=eve)
        await run(service, "UpdateProfile", {"input": {"bio": "Their own."}}, by=bob)
        await run(service, "UpdateProfile", {"input": {"preferences": {"privateProfile": True}}}, by=ann)
        await run(service, "UpdateProfile", {"input": {"bio": "News."}}, by=ann)
        first = (await heard())["data"]["feedActivity"]
        await run(service, "UpdateProfile", {"input": {"bio": "More news."}}, by=ann)
        second = (await heard())["data"]["feedActivity"]
    for activity in (first, second):
        assert (activity["__typename"], activity["actor"]["username"]) == ("ProfileUpdated", "ann")
    (edge,) = (await run(service, "Feed", by=bob))["edges"]
    assert edge["node"]["id"] == second["id"]


@on_embedded
async def test_an_operation_that_an_engine_fails_is_told_and_the_next_one_runs(
    service: Service, live: str, ann: Person
) -> None:
    async with talking(live) as socket:
        await greet(socket, ann)
        async with broken_sessions(service, ann):
            refused = await ask(socket, DOCUMENT, "Me")
        assert refused["type"] == "error"
        assert [error["extensions"]["code"] for error in refused["payload"]] == ["UNAVAILABLE"]
        answer = await ask(socket, DOCUMENT, "Me")
    assert answer["payload"]["data"]["me"]["username"] == "ann"


@asynccontextmanager
async def broken_sessions(service: Service, person: Person) -> AsyncIterator[None]:
    """Let the engine fail whatever asks for a session, as one that is down does."""
    assert service.settings.database_file is not None
    with closing(sqlite3.connect(service.settings.database_file)) as database:
        database.execute("ALTER TABLE session RENAME TO lost")
        await service.services.accounts.sessions.forget_user(UserId(person.user_id))
        try:
            yield
        finally:
            database.execute("ALTER TABLE lost RENAME TO session")


@on_embedded
async def test_a_socket_that_opens_while_an_engine_is_down_is_told_to_come_back(
    service: Service, live: str, ann: Person
) -> None:
    async with broken_sessions(service, ann):
        async with talking(live, additional_headers=ann.headers) as socket:
            assert await close_code(socket) == 1013
        async with talking(live) as socket:
            await say(socket, "connection_init", payload=ann.headers)
            assert await close_code(socket) == 1013
    async with talking(live, additional_headers=ann.headers) as socket:
        await greet(socket)
        assert (await ask(socket, "{ me { username } }"))["payload"]["data"] == {"me": {"username": "ann"}}


async def test_a_failure_that_nobody_foresaw_has_a_close_code(
    live: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("secret text")

    monkeypatch.setattr("pet.schema.endpoint.Context.open", fail)
    async with talking(live) as socket:
        await socket.wait_closed()
        assert (socket.close_code, socket.close_reason) == (1011, "Something went wrong on our side.")
    assert "secret text" in caplog.text


async def test_a_document_that_cannot_run_leaves_the_others_of_the_socket(live: str, ann: Person) -> None:
    bad: list[tuple[str, str | None]] = [
        ("{", None),
        ("{ nobody }", None),
        ("", None),
        (DOCUMENT, None),
        (DOCUMENT, "Nobody"),
        ("{ __typename } " + " " * 100_000, None),
        ("{ " + "__typename " * 5000 + "}", None),
    ]
    async with talking(live) as socket:
        await greet(socket, ann)
        for query, name in bad:
            message = await ask(socket, query, name)
            assert message["type"] == "error"
            assert [error["extensions"]["code"] for error in message["payload"]] == ["INVALID"]
        many = await ask(socket, "{ __typename }", None, values=[0] * 1001)
        assert many["payload"][0]["message"] == "variables may hold 1000 values."
        assert (await ask(socket, "{ me { username } }"))["payload"]["data"] == {"me": {"username": "ann"}}


async def test_a_connection_runs_a_hundred_operations_at_once(start_service: StartService) -> None:
    service: Service = await start_service(subscriptions_per_user=200)
    ann = await service.register("ann")
    async with serving(service.app) as address, talking(address) as socket:
        await greet(socket, ann)
        for number in range(101):
            await say(socket, "subscribe", id=str(number), payload={"query": "subscription { feedActivity { id } }"})
        sentence = "A connection runs at most 100 operations at once."
        refusal = [{"message": sentence, "extensions": {"code": "INVALID"}}]
        assert await hear(socket) == {"type": "error", "id": "100", "payload": refusal}
        await say(socket, "complete", id="0")
        assert (await ask(socket, "{ me { username } }"))["payload"]["data"] == {"me": {"username": "ann"}}


@pytest.mark.usefixtures("known_documents")
async def test_operations_over_a_socket_spend_of_the_same_budget(start_service: StartService) -> None:
    service: Service = await start_service(rate_limits=True, graphql_limits=OperationLimits(cost=10, budget=10))
    ann = await service.register("ann")
    async with serving(service.app) as address, talking(address) as socket:
        await greet(socket, ann)
        first = await ask(socket, "{ profiles(first: 5) { edges { cursor } } }")
        assert first["payload"]["extensions"]["cost"]["remaining"] == 8
        second = await ask(socket, "{ profiles(first: 9) { edges { cursor } } }")
    assert [error["extensions"]["code"] for error in second["payload"]] == ["RATE_LIMITED"]
    assert (second["type"], second["id"]) == ("error", "q")


async def test_logins_over_a_socket_spend_of_the_same_bucket(start_service: StartService) -> None:
    service: Service = await start_service(rate_limits=True)
    ann = await service.register("ann")
    given = {"email": ann.email, "password": PASSWORD}
    for _ in range(4):
        assert (await service.client.post("/auth/login", json=given)).status_code == 200
    async with serving(service.app) as address, talking(address) as socket:
        await greet(socket)
        fifth, sixth = [await ask(socket, DOCUMENT, "Login", input=given) for _ in range(2)]
    assert fifth["payload"]["data"]["login"]["session"]["user"]["userId"] == ann.user_id
    assert sixth["payload"]["data"] == {"login": None}
    assert [error["extensions"]["code"] for error in sixth["payload"]["errors"]] == ["RATE_LIMITED"]


ENDINGS: dict[str, tuple[str, Callable[[Person], dict[str, Any]]]] = {
    "logout": ("Logout", lambda person: {"refreshToken": person.refresh_token}),
    "another_password": (
        "ChangePassword",
        lambda _: {"input": {"oldPassword": PASSWORD, "newPassword": "another horse 2"}},
    ),
    "deletion": ("DeleteAccount", lambda _: {"password": PASSWORD}),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_session_that_ends_closes_its_subscriptions_with_4403_within_two_seconds(
    service: Service, live: str, ann: Person, ending: str
) -> None:
    login = await run(service, "Login", {"input": {"email": ann.email, "password": PASSWORD}})
    elsewhere = replace(ann, access_token=login["session"]["accessToken"])
    name, variables = ENDINGS[ending]
    async with talking(live) as socket, first_subscriber() as listens:
        await greet(socket, ann)
        await say(socket, "subscribe", id="1", payload={"query": "subscription { feedActivity { id } }"})
        await asyncio.wait_for(listens.wait(), 5)
        await run(service, name, variables(ann), by=elsewhere)
        async with asyncio.timeout(2.5):
            assert await close_code(socket) == 4403
        assert socket.close_reason == "The session has ended. Please log in again."
        await asyncio.wait_for(listens.gone(), 5)


async def test_a_user_has_a_capped_number_of_subscriptions_over_all_sockets(start_service: StartService) -> None:
    service: Service = await start_service(subscriptions_per_user=2)
    ann, bob = await service.register("ann"), await service.register("bob")
    query = {"query": "subscription { feedActivity { id } }"}

    async def opens(socket: Any, id_: str) -> bool:
        async with first_subscriber() as listens:
            await say(socket, "subscribe", id=id_, payload=query)
            waits = [asyncio.ensure_future(listens.wait()), asyncio.ensure_future(hear(socket))]
            done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED, timeout=5)
            for task in pending:
                task.cancel()
        if waits[0] in done:
            return True
        sentence = "You have 2 subscriptions open, and may not have more. Close one first."
        message = cast("dict[str, Any]", await waits[1])
        (error,) = message["payload"]["errors"]
        assert (error["message"], error["extensions"]) == (sentence, {"code": "INVALID"})
        assert await hear(socket) == {"type": "complete", "id": id_}
        return False

    async with serving(service.app) as address, talking(address) as one, talking(address) as two:
        await greet(one, ann)
        assert [await opens(one, id_) for id_ in ("a", "b")] == [True, True]
        await greet(two, ann)
        assert not await opens(two, "c")
        async with talking(address) as other:
            await greet(other, bob)
            assert await opens(other, "a")
        await say(one, "complete", id="a")
        await ask(one, "{ __typename }")
        assert await opens(two, "d")


async def test_a_socket_over_which_nothing_runs_closes_with_4408(
    service: Service, live: str, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert IDLE_SECONDS == 600
    monkeypatch.setattr("pet.schema.sockets.IDLE_SECONDS", 0.3)
    async with talking(live) as busy, talking(live) as idle, first_subscriber() as listens:
        await greet(busy, ann)
        await say(busy, "subscribe", id="1", payload={"query": "subscription { feedActivity { id } }"})
        await asyncio.wait_for(listens.wait(), 5)
        await greet(idle, ann)
        await ask(idle, "{ __typename }")
        assert await close_code(idle) == 4408
        assert idle.close_reason == "Nothing has run here for long."
        assert (await ask(busy, "{ me { username } }"))["payload"]["data"] == {"me": {"username": "ann"}}
        await say(busy, "complete", id="1")
        assert await close_code(busy) == 4408
