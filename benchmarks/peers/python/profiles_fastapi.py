"""One profile over REST, by FastAPI with a response model, and asyncpg's pool."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from fastapi import FastAPI, HTTPException, Request
from profiles import SELECT, shape
from pydantic import BaseModel, Field


class SocialLinks(BaseModel):
    """Where else someone is found."""

    youtube: str | None = None
    vk: str | None = None
    telegram: str | None = None


class Stats(BaseModel):
    """Counters."""

    tracksCount: int  # noqa: N815 - the document's names
    followersCount: int  # noqa: N815
    followingCount: int  # noqa: N815
    totalPlays: int  # noqa: N815


class Preferences(BaseModel):
    """What others see of them."""

    emailNotifications: bool  # noqa: N815
    showOnlineStatus: bool  # noqa: N815
    privateProfile: bool  # noqa: N815


class Profile(BaseModel):
    """A person."""

    id: str = Field(alias="_id")
    userId: str  # noqa: N815
    username: str
    displayName: str | None = None  # noqa: N815
    bio: str | None = None
    avatarUrl: str | None = None  # noqa: N815
    coverImageUrl: str | None = None  # noqa: N815
    location: str | None = None
    genres: list[str]
    instruments: list[str]
    socialLinks: SocialLinks  # noqa: N815
    stats: Stats
    preferences: Preferences
    role: str
    following: list[str]
    createdAt: str  # noqa: N815
    updatedAt: str  # noqa: N815


class Found(BaseModel):
    """The envelope."""

    success: bool
    data: Profile


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep the pool open."""
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=10, max_size=10) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/users/{user_id}/profile", response_model=Found, response_model_exclude_none=True)
async def profile(user_id: str, request: Request) -> Any:
    """Answer with a profile."""
    row = await request.app.state.pool.fetchrow(SELECT, user_id)
    if row is None:
        raise HTTPException(404, "User not found")
    return {"success": True, "data": shape(row, row["followed"])}
