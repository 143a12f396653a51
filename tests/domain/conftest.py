"""What the rules are tried with: a moment, a store on SQLite, and the real parts around it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.contract_suites.conftest import sqlite
from tests.contract_suites.scene import Store

from pet.domain.delivery import Delivery
from pet.domain.events import Event
from pet.domain.files import FileService
from pet.domain.ids import UserId
from pet.storage.blobs import ObjectStoreBlobs, open_blobs
from pet.storage.embedded.broadcast import EmbeddedBroadcast


@dataclass
class House:
    """A store with the delivery of its events, the folder of its bytes, and what was made known."""

    store: Store
    blobs: ObjectStoreBlobs
    broadcast: EmbeddedBroadcast[Event] = field(default_factory=EmbeddedBroadcast)

    def __post_init__(self) -> None:
        self.delivery = Delivery(
            [self.store.outbox], self.store.projections, self.blobs, self.broadcast, self._purge_files
        )
        self.files = FileService(self.store.files, self.blobs, self.delivery, self.store.clock)

    async def _purge_files(self, user_id: UserId) -> None:
        await self.files.purge(user_id)

    async def keep_bytes(self, key: str) -> None:
        """Keep some bytes under a key."""
        async with self.blobs.stage() as staged:
            await staged.write(b"bytes")
            await staged.keep(key)


@pytest.fixture
async def store(migrated_database: Path) -> AsyncIterator[Store]:
    """Every repository on SQLite, empty."""
    async with sqlite(migrated_database) as opened:
        yield opened


@pytest.fixture
def house(store: Store, tmp_path: Path) -> House:
    """A store with everything that delivers its events."""
    return House(store, open_blobs(str(tmp_path / "media")))
