"""A network on SQLite that commands look at, with people who follow each other."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from pet.app import Overrides, Parts, open_parts
from pet.domain.events import Event
from pet.domain.viewers import Role, Viewer
from pet.settings import Settings
from pet.storage.embedded.limits import UnlimitedRateLimits

T = TypeVar("T")


@pytest.fixture
def data_dir(tmp_path: Path, migrated_database: Path) -> Path:
    """A data directory with an empty network."""
    shutil.copy(migrated_database, tmp_path / "pet.sqlite3")
    return tmp_path


def within(data_dir: Path, work: Callable[[Parts], Awaitable[T]]) -> T:
    """Do something on the engines, as a process that runs beside the command would."""

    async def run() -> T:
        async with open_parts(Settings(data_dir=data_dir), Overrides(limits=UnlimitedRateLimits())) as parts:
            return await work(parts)

    return asyncio.run(run())


async def two_people(parts: Parts) -> tuple[Viewer, Viewer]:
    """Register Ann and Bob."""
    people = [
        await parts.services.accounts.create(
            email=f"{name}@example.com", username=name, password="correct horse 1", role=Role.MUSICIAN
        )
        for name in ("ann", "bob")
    ]
    ann, bob = [Viewer(account.user_id, account.role) for account in people]
    return ann, bob


async def failing_follow(parts: Parts, *, times: int = 1) -> Event:
    """Let Bob follow Ann while the projections have a bug that shows so many times; return the event."""
    ann, bob = await two_people(parts)
    really_apply = parts.engines.documents.projections.apply

    async def broken(*_: object) -> bool:
        raise ValueError("a bug of\nours")

    parts.engines.documents.projections.apply = broken  # type: ignore[method-assign, assignment]
    await parts.services.follows.follow(bob, ann.user_id)
    for _ in range(times - 1):
        await parts.delivery.relay(even_held=True)
    parts.engines.documents.projections.apply = really_apply  # type: ignore[method-assign]
    [stored] = await parts.engines.documents.outbox.troubled(limit=10)
    return stored.event
