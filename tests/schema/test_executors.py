"""Both executors answer the contract's queries alike, on a network with people, tracks and follows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pet.context import Context
from pet.domain.ids import UserId
from pet.domain.viewers import Client
from pet.schema.executing import OperationRules, Schema
from pet.schema.root import build_schema
from tests.conftest import Person, Service
from tests.schema.operations import DOCUMENT, answer_of
from tests.schema.seeding import Seeds
from tests.setups import on_embedded

pytestmark = on_embedded


async def _answer(schema: Schema, service: Service, by: Person | None, name: str, variables: dict[str, Any]) -> str:
    """Return all that a client would see, order included."""
    headers = list(by.headers.values()) if by else []
    context = await Context.open(service.services, Client("203.0.113.1"), headers)
    result = await schema.execute(DOCUMENT, variables, context, operation_name=name)
    errors = [error.formatted for error in result.errors or ()]
    return json.dumps({"data": result.data, "errors": errors, "extensions": result.extensions})


@pytest.mark.usefixtures("fresh_schema")
async def test_the_contracts_queries_have_the_same_answers(
    service: Service, seeds: Seeds, ann: Person, bob: Person
) -> None:
    for number in range(3):
        follower = await seeds.person(f"person{number}")
        await seeds.follow(follower, UserId(ann.user_id))
        track_id = await seeds.track(UserId(ann.user_id), title=f"Song {number}")
    await answer_of(service, "Follow", {"userId": ann.user_id}, by=bob)
    feed = await answer_of(service, "Feed", by=bob)
    activity_id = feed["data"]["feed"]["edges"][0]["node"]["id"]
    asked: list[tuple[str, dict[str, Any]]] = [
        ("Me", {}),
        ("ProfilePage", {"by": {"userId": ann.user_id}, "first": 2}),
        ("ProfilePage", {"by": {"username": "nobody"}}),
        ("People", {"first": 3, "search": "p"}),
        ("People", {"first": 0}),
        ("AudioFiles", {"by": {"username": "ann"}}),
        ("TrackPage", {"fileId": track_id}),
        ("FollowRequests", {}),
        ("Followers", {"by": {"username": "ann"}, "first": 2}),
        ("Following", {"by": {"userId": bob.user_id}}),
        ("IsFollowing", {"followerId": bob.user_id, "followingId": ann.user_id}),
        ("Feed", {"first": 2}),
        ("Feed", {"after": "nonsense"}),
        ("NodeById", {"id": activity_id}),
        ("NodeById", {"id": 7}),
    ]
    compiled = build_schema()
    interpreted = build_schema(OperationRules(executor="graphql-core"))
    for by in (None, ann, bob):
        for name, variables in asked:
            expected = await _answer(interpreted, service, by, name, variables)
            assert await _answer(compiled, service, by, name, variables) == expected
            assert await _answer(compiled, service, by, name, variables) == expected
    assert interpreted.executor.compiled_runs == 0
    assert compiled.executor.compiled_runs > compiled.executor.fallback_runs
