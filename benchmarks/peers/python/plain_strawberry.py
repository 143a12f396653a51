"""Strawberry as its documentation shows it, with the caches for parsing and validation, on asyncpg's pool."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import asyncpg
import strawberry
from starlette.applications import Starlette
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache

COLUMNS = (
    "user_id, username, display_name, role, is_private, bio, location, genres, instruments, created_ms, tracks,"
    " followers"
)


@strawberry.enum
class Role(Enum):
    """What a person is."""

    musician = "musician"
    listener = "listener"
    admin = "admin"


@strawberry.type
class ProfileStats:
    """Counters."""

    tracks_count: int
    followers_count: int


@strawberry.type
class Profile:
    """A person."""

    user_id: strawberry.ID
    username: str
    display_name: str | None
    role: Role
    is_private: bool
    bio: str | None
    location: str | None
    genres: list[str]
    instruments: list[str]
    created_at: str
    stats: ProfileStats

    @classmethod
    def of(cls, row: Any) -> Profile:
        """Return the profile of a row."""
        at = datetime.fromtimestamp(row["created_ms"] / 1000, UTC)
        return cls(
            user_id=strawberry.ID(row["user_id"]),
            username=row["username"],
            display_name=row["display_name"],
            role=Role(row["role"]),
            is_private=row["is_private"],
            bio=row["bio"],
            location=row["location"],
            genres=json.loads(row["genres"]),
            instruments=json.loads(row["instruments"]),
            created_at=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            stats=ProfileStats(tracks_count=row["tracks"], followers_count=row["followers"]),
        )


@strawberry.type
class ProfileEdge:
    """A person in a list."""

    node: Profile


@strawberry.type
class ProfileConnection:
    """A page of people."""

    edges: list[ProfileEdge]


@strawberry.input
class ProfileBy:
    """Whose profile."""

    user_id: strawberry.ID | None = None
    username: str | None = None


@strawberry.type
class Query:
    """Reads."""

    @strawberry.field
    async def profile(self, info: strawberry.Info, by: ProfileBy) -> Profile | None:
        """Return a person, or None."""
        column, value = ("user_id", by.user_id) if by.user_id else ("username_key", (by.username or "").lower())
        row = await _pool(info).fetchrow(f"SELECT {COLUMNS} FROM profile WHERE {column} = $1", value)
        return Profile.of(row) if row else None

    @strawberry.field
    async def profiles(self, info: strawberry.Info, first: int = 20) -> ProfileConnection:
        """Return people, the newest first."""
        rows = await _pool(info).fetch(
            f"SELECT {COLUMNS} FROM profile ORDER BY created_ms DESC, user_id DESC LIMIT $1", first
        )
        return ProfileConnection(edges=[ProfileEdge(node=Profile.of(row)) for row in rows])


def _pool(info: strawberry.Info) -> Any:
    return info.context["request"].app.state.pool


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Keep a pool open."""
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=10, max_size=10) as app.state.pool:
        yield


schema = strawberry.Schema(Query, extensions=[ParserCache(), ValidationCache()])
app = Starlette(routes=[Route("/graphql", GraphQL(schema))], lifespan=lifespan)
