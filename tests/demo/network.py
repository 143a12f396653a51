"""A demo network for tests: the whole of it, with tracks of a fifth of a second that are rendered once."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from pet.app import Overrides, Parts, open_parts
from pet.demo.fill import Filling
from pet.demo.people import PEOPLE, Person
from pet.demo.recording import Take, record
from pet.settings import Settings
from pet.storage.embedded.limits import UnlimitedRateLimits

PASSWORD = "demo password"
SECONDS = 0.2

recorded = cache(record)
"""Songs are long to render and always the same."""


@asynccontextmanager
async def opened(data_dir: Path, migrated_database: Path) -> AsyncIterator[Parts]:
    """Open the engines on a folder, which is made when it is missing."""
    _make(data_dir, migrated_database)
    async with open_parts(Settings(data_dir=data_dir), Overrides(limits=UnlimitedRateLimits())) as parts:
        yield parts


def _make(data_dir: Path, migrated_database: Path) -> None:
    if not data_dir.exists():
        data_dir.mkdir()
        shutil.copy(migrated_database, data_dir / "pet.sqlite3")


async def fill(parts: Parts, people: Sequence[Person] = PEOPLE) -> int:
    """Fill the network to the end; return how many things were made."""
    filling = Filling(parts.services, PASSWORD, begin, lambda: None)
    await filling.fill(people, seconds=SECONDS)
    return filling.made


def begin(take: Take) -> asyncio.Future[bytes]:
    """Record at once, in this process."""
    recording: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    recording.set_result(recorded(take))
    return recording
