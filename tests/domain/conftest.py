"""What the rules are tried with: a moment, a store on SQLite, and the real parts around it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.contract_suites.conftest import sqlite_copy
from tests.contract_suites.scene import Store

from pet.domain.delivery import Delivery
from pet.domain.events import Event
from pet.domain.exports import ExportService
from pet.domain.files import FileService
from pet.domain.ids import UserId
from pet.domain.media import Blobs
from pet.domain.outbox import Outbox
from pet.domain.personal_data import PersonalData
from pet.domain.purging import Purge
from pet.domain.uploads import UploadService
from pet.inspection.pool import WorkerInspector
from pet.storage.archives import open_zip
from pet.storage.blobs.folder import FolderBlobs, open_folder
from pet.storage.embedded.broadcast import EmbeddedBroadcast
from pet.storage.embedded.limits import UnlimitedRateLimits
from pet.storage.embedded.session_cache import EmbeddedSessionCache


def exporting(store: Store, blobs: Blobs) -> ExportService:
    """Return what makes archives of what a store holds."""
    data = PersonalData(
        store.accounts, store.sessions, store.profiles, store.files, store.follows, store.activities, store.clock
    )
    return ExportService(store.exports, store.accounts, data, blobs, open_zip, UnlimitedRateLimits(), store.clock)


@dataclass
class House:
    """A store with the delivery of its events, the folder of its bytes, and what was made known."""

    store: Store
    blobs: FolderBlobs
    broadcast: EmbeddedBroadcast[Event] = field(default_factory=EmbeddedBroadcast)

    def __post_init__(self) -> None:
        self.delivery = self.delivering([self.store.outbox])
        self.files = FileService(self.store.files, self.blobs, self.delivery, self.store.clock)
        self.exports = exporting(self.store, self.blobs)
        self.purge = Purge(
            EmbeddedSessionCache(),
            self.store.projections,
            self.files,
            self.store.plays,
            self.exports,
            self.store.accounts,
        )

    def delivering(self, outboxes: Sequence[Outbox]) -> Delivery:
        """Return what delivers the events of some outboxes."""
        return Delivery(
            outboxes,
            self.store.projections,
            self.broadcast,
            self.store.clock,
            purge=self._purge,
            remove_bytes=self._remove_bytes,
        )

    async def _remove_bytes(self, blob_key: str) -> None:
        await self.files.remove_bytes(blob_key)

    async def _purge(self, user_id: UserId) -> None:
        await self.purge(user_id)

    @property
    def uploads(self) -> UploadService:
        """What takes uploads in, and removes bytes that are nobody's."""
        return UploadService(
            self.store.files,
            self.blobs,
            WorkerInspector(),
            UnlimitedRateLimits(),
            self.delivery,
            self.store.clock,
        )

    async def keep_bytes(self, key: str) -> None:
        """Keep some bytes under a key."""
        async with self.blobs.stage() as staged:
            await staged.write(b"bytes")
            await staged.keep(key)


@pytest.fixture
async def store(tmp_path: Path, migrated_database: Path) -> AsyncIterator[Store]:
    """Every repository on SQLite, empty."""
    async with sqlite_copy(migrated_database, tmp_path) as opened:
        yield opened


@pytest.fixture
def house(store: Store, tmp_path: Path) -> House:
    """A store with everything that delivers its events."""
    return House(store, open_folder(str(tmp_path / "media")))
