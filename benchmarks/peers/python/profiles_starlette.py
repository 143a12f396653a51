"""One profile over REST by Starlette: with asyncpg's pool (`asyncpg_app`), with Tortoise's models (`tortoise_app`)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
from profiles import SELECT, shape
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tortoise import Tortoise

from pet.storage.sql.tables import FollowRow, ProfileRow


def answer(status: int, **parts: Any) -> Response:
    """Return an envelope."""
    return Response(orjson.dumps(parts), status, media_type="application/json")


def missing() -> Response:
    """Return the refusal."""
    return answer(404, success=False, error="User not found")


@asynccontextmanager
async def with_pool(app: Starlette) -> AsyncIterator[None]:
    """Keep asyncpg's pool open."""
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=10, max_size=10) as pool:
        app.state.pool = pool
        yield


async def by_asyncpg(request: Request) -> Response:
    """Answer from a row."""
    row = await request.app.state.pool.fetchrow(SELECT, request.path_params["id"])
    return answer(200, success=True, data=shape(row, row["followed"])) if row else missing()


@asynccontextmanager
async def with_tortoise(app: Starlette) -> AsyncIterator[None]:
    """Keep Tortoise's connections open."""
    del app
    url = os.environ["DATABASE_URL"]
    await Tortoise.init(db_url=url, modules={"models": ["pet.storage.sql.tables"]}, _enable_global_fallback=True)
    yield
    await Tortoise.close_connections()


async def by_tortoise(request: Request) -> Response:
    """Answer from a model, and a list of values."""
    user_id = request.path_params["id"]
    found = await ProfileRow.get_or_none(user_id=user_id)
    if found is None:
        return missing()
    follows = FollowRow.filter(follower_id=user_id, state="following").order_by("-created_ms", "-object_id")
    followed = await follows.values_list("following_id", flat=True)
    return answer(200, success=True, data=shape(found.__dict__, followed))


asyncpg_app = Starlette(routes=[Route("/users/{id}/profile", by_asyncpg)], lifespan=with_pool)
tortoise_app = Starlette(routes=[Route("/users/{id}/profile", by_tortoise)], lifespan=with_tortoise)
