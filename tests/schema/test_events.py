"""GraphQL over Server-Sent Events: each operation on a connection of its own, the token in the header."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from strawberry.http.streaming import SSETransport

from tests.conftest import Person, Service
from tests.schema.operations import DOCUMENT, run
from tests.schema.talking import first_subscriber

EVENTS = {"accept": "text/event-stream"}
PATIENCE_SECONDS = 10


@asynccontextmanager
async def stream(
    address: str, method: str = "POST", *, by: Person | None = None, **parameters: Any
) -> AsyncIterator[tuple[httpx.Response, AsyncIterator[tuple[str, Any]]]]:
    """Send an operation, and give the response with its events as they come; `:` is a comment's name."""
    sent: dict[str, Any] = {"params": parameters} if method == "GET" else {"json": parameters}
    headers = EVENTS | (by.headers if by else {})
    async with (
        httpx.AsyncClient(base_url=f"http://{address}", trust_env=False, timeout=PATIENCE_SECONDS) as client,
        client.stream(method, "/graphql", headers=headers, **sent) as response,
    ):
        yield response, _events(response)


async def _events(response: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    event = ""
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if line.startswith(":"):
            yield ":", line[1:].strip()
        elif name == "event":
            event = value
        elif line.startswith("data:"):
            yield event, json.loads(value) if value else None


async def test_a_query_is_one_event_and_then_complete(live: str, ann: Person) -> None:
    async with stream(live, by=ann, query="{ me { username } }") as (response, events):
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["cache-control"] == "no-cache, no-transform"
        assert [event async for event in events] == [
            ("next", {"data": {"me": {"username": "ann"}}}),
            ("complete", None),
        ]


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_subscription_tells_what_happens(
    service: Service, live: str, ann: Person, bob: Person, method: str
) -> None:
    await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    async with first_subscriber() as listens:
        operation = {"query": DOCUMENT, "operationName": "FeedActivity"}
        async with stream(live, method, by=bob, **operation) as (_, events):
            await asyncio.wait_for(listens.wait(), PATIENCE_SECONDS)
            for bio in ("News.", "More news."):
                await run(service, "UpdateProfile", {"input": {"bio": bio}}, by=ann)
                name, told = await anext(events)
                activity = told["data"]["feedActivity"]
                assert (name, activity["__typename"], activity["actor"]["username"]) == (
                    "next",
                    "ProfileUpdated",
                    "ann",
                )


async def test_a_subscription_needs_a_token(live: str) -> None:
    async with stream(live, query="subscription { feedActivity { id } }") as (_, events):
        (name, told), (last, _) = [event async for event in events]
    assert (name, last) == ("next", "complete")
    assert [error["extensions"] for error in told["errors"]] == [{"code": "UNAUTHENTICATED"}]


async def test_what_cannot_run_is_told_in_an_event(live: str) -> None:
    for query, name in (("{ nobody }", None), ("{", None), ("{ ...A }", None), (DOCUMENT, None), (DOCUMENT, "Nobody")):
        async with stream(live, query=query, operationName=name) as (_, events):
            (event, told), (last, _) = [event async for event in events]
        assert (event, last) == ("next", "complete")
        assert [error["extensions"] for error in told["errors"]] == [{"code": "INVALID"}]


async def test_a_request_that_is_none_is_refused_without_a_stream(live: str, ann: Person) -> None:
    for parameters, status, code in (
        ({}, 400, "INVALID"),
        ({"query": 1}, 400, "INVALID"),
        ({"query": "{ __typename }", "variables": []}, 400, "INVALID"),
        ({"documentId": "0" * 64}, 200, "PERSISTED_QUERY_NOT_FOUND"),
    ):
        async with stream(live, by=ann, **parameters) as (response, _):
            await response.aread()
            assert response.status_code == status
            assert response.headers["content-type"] == "application/json; charset=utf-8"
            assert response.json()["errors"][0]["extensions"]["code"] == code


async def test_a_mutation_by_get_is_not_run(service: Service, live: str, ann: Person, bob: Person) -> None:
    query = f'mutation {{ follow(userId: "{bob.user_id}") {{ follow {{ state }} }} }}'
    async with stream(live, "GET", by=ann, query=query) as (_, events):
        (_, told), _ = [event async for event in events]
    assert told["errors"][0]["extensions"] == {"code": "INVALID"}
    following = {"followerId": ann.user_id, "followingId": bob.user_id}
    assert await run(service, "IsFollowing", following) is False


async def test_comments_keep_a_quiet_stream_alive(live: str, ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    transport = SSETransport.__init__
    monkeypatch.setattr(SSETransport, "__init__", lambda self: transport(self, heartbeat_interval=0.05))
    async with stream(live, by=ann, query="subscription { feedActivity { id } }") as (_, events):
        assert [await anext(events) for _ in range(3)] == [(":", "ping")] * 3


async def test_a_client_that_leaves_is_no_longer_listened_for(service: Service, live: str, ann: Person) -> None:
    async with first_subscriber() as listens:
        async with stream(live, by=ann, query="subscription { feedActivity { id } }"):
            await asyncio.wait_for(listens.wait(), PATIENCE_SECONDS)
        await asyncio.wait_for(listens.gone(), PATIENCE_SECONDS)


async def test_a_subscription_without_a_stream_is_told_how(service: Service, ann: Person) -> None:
    for accept in ("application/json", "application/graphql-response+json", "*/*"):
        response = await service.client.post(
            "/graphql",
            json={"query": "subscription { feedActivity { id } }"},
            headers={**ann.headers, "accept": accept},
        )
        (error,) = response.json()["errors"]
        assert (response.status_code, error["extensions"]) == (406, {"code": "INVALID"})
        assert error["message"] == (
            "A subscription is answered by events: send Accept: text/event-stream, or use a WebSocket."
        )


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("text/event-stream", "text/event-stream"),
        ("text/*", "text/event-stream"),
        ("application/json;q=0.5, text/event-stream", "text/event-stream"),
        ("application/json, text/event-stream", "application/json"),
        (
            "application/graphql-response+json, application/graphql+json, application/json, text/event-stream,"
            " multipart/mixed",
            "application/graphql-response+json",
        ),
        ("text/event-stream;q=0, */*", "application/json"),
        ("TEXT/EVENT-STREAM;Q=0.1, text/html", "text/event-stream"),
        ("application/graphql-response+json;q=0.1, application/*;q=0.2", "application/json"),
        ("application/json;q=x, application/graphql-response+json;q=0.1", "application/graphql-response+json"),
    ],
)
async def test_the_client_chooses_the_media_type(service: Service, accept: str, media_type: str) -> None:
    response = await service.client.post("/graphql", json={"query": "{ __typename }"}, headers={"accept": accept})
    assert response.headers["content-type"].removesuffix("; charset=utf-8") == media_type


@pytest.mark.parametrize("accept", ["text/html", "image/*, multipart/mixed", "application/json;q=0", ";", ","])
async def test_a_client_that_takes_none_of_them_gets_a_406(service: Service, accept: str) -> None:
    response = await service.client.post("/graphql", json={"query": "{ __typename }"}, headers={"accept": accept})
    (error,) = response.json()["errors"]
    assert (response.status_code, error["extensions"]) == (406, {"code": "INVALID"})
    assert error["message"] == ("Answers are application/graphql-response+json, application/json or text/event-stream.")


async def test_a_session_that_ends_ends_the_stream_with_an_error(service: Service, live: str, ann: Person) -> None:
    async with (
        first_subscriber() as listens,
        stream(live, by=ann, query="subscription { feedActivity { id } }") as (_, events),
    ):
        await asyncio.wait_for(listens.wait(), PATIENCE_SECONDS)
        await run(service, "Logout", {"refreshToken": ann.refresh_token})
        async with asyncio.timeout(2.5):
            (name, told), (last, _) = [event async for event in events if event[0] != ":"]
    assert (name, last) == ("next", "complete")
    (error,) = told["errors"]
    assert (told.get("data"), error["extensions"]) == (None, {"code": "UNAUTHENTICATED"})
    assert error["message"] == "The session has ended. Please log in again."


async def test_a_stream_goes_on_after_its_cursor(service: Service, live: str, ann: Person, bob: Person) -> None:
    query = "subscription Live($after: String) { feedActivity(after: $after) { cursor actor { bio } } }"
    await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    after, bios = None, []
    for number in range(3):
        async with (
            first_subscriber() as listens,
            stream(live, by=bob, query=query, variables={"after": after}) as (
                _,
                events,
            ),
        ):
            await asyncio.wait_for(listens.wait(), PATIENCE_SECONDS)
            if number == 0:
                await run(service, "UpdateProfile", {"input": {"bio": f"{number}"}}, by=ann)
            _, told = await anext(events)
            after = told["data"]["feedActivity"]["cursor"]
            bios.append(told["data"]["feedActivity"]["actor"]["bio"])
        await run(service, "UpdateProfile", {"input": {"bio": f"{number + 1}"}}, by=ann)
    assert bios == ["0", "1", "2"]
