"""Fifty people who are in memory: Strawberry alone, and with PET's executor in the place of graphql-core.

The first is served as Strawberry's documentation shows it; so is the second, and once more behind a plain route, where
nothing is left but JSON and the execution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import strawberry
from plain_strawberry import Profile, ProfileConnection, ProfileEdge, ProfileStats, Role
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache

from pet.compiler.executor import Executor

PEOPLE = 50


def person(number: int) -> Profile:
    """Return one of the people, as complete as they get."""
    return Profile(
        user_id=strawberry.ID(f"018bcfe5-0000-7000-8000-{number:012}"),
        username=f"user{number}",
        display_name=f"User Number {number}",
        role=Role.musician if number % 3 else Role.listener,
        is_private=False,
        bio=f"I am number {number}, and this is what I have to say about my music.",
        location="Berlin, Kreuzberg",
        genres=["rock", "jazz", "electronic"],
        instruments=["guitar", "piano"],
        created_at=f"2023-11-14T22:13:{number:02}.000Z",
        stats=ProfileStats(tracks_count=number, followers_count=5),
    )


EDGES = [ProfileEdge(node=person(number)) for number in reversed(range(PEOPLE))]


@strawberry.type
class Query:
    """Reads."""

    @strawberry.field
    def profiles(self, first: int = 20) -> ProfileConnection:
        """Return people, the newest first."""
        return ProfileConnection(edges=EDGES[:first])


class CompilingSchema(strawberry.Schema):
    """Strawberry's schema, whose operations are compiled."""

    def __init__(self, *types: Any, **options: Any) -> None:
        super().__init__(*types, **options)
        self._executor = Executor(self, "compiled")

    def _get_execute_function(self) -> Callable[..., Any]:
        return self._executor.execute


plain = strawberry.Schema(Query, extensions=[ParserCache(), ValidationCache()])
compiling = CompilingSchema(Query, extensions=[ParserCache(), ValidationCache()])


async def bare(request: Request) -> Response:
    """Run an operation, with nothing around it."""
    asked = orjson.loads(await request.body())
    result = await compiling.execute(asked["query"], asked["variables"])
    assert not result.errors, result.errors
    return Response(orjson.dumps({"data": result.data}), media_type="application/json")


app = Starlette(routes=[Route("/graphql", GraphQL(plain))])
compiled_app = Starlette(routes=[Route("/graphql", GraphQL(compiling))])
bare_app = Starlette(routes=[Route("/graphql", bare, methods=["POST"])])
