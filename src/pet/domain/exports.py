"""Exports: one archive of everything that the network keeps of someone, for them alone.

It is made in the background by any process, which holds it by a lease: when that process dies, another one begins again
from the start. The bytes of an archive are found by its record alone, which therefore goes after them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from pet.domain.accounts import Accounts
from pet.domain.archives import OpenArchive, write_archive
from pet.domain.errors import NotFound, Unavailable
from pet.domain.ids import ExportId, UserId, new_uuid7
from pet.domain.limits import EXPORT, RateLimits, charged
from pet.domain.media import Blobs
from pet.domain.personal_data import PersonalData
from pet.domain.tasks import ended
from pet.domain.times import Clock
from pet.domain.viewers import Viewer

LEASE = timedelta(seconds=30)
"""How long a process has an archive in hand without a sign of life; afterwards another one takes it over."""

BEAT_SECONDS = 5.0
"""How often the process that makes an archive gives that sign, and tells how far it is."""

KEPT_FOR = timedelta(days=3)
"""How long an archive can be fetched, and how long it is told that one could not be made."""

PAUSE = timedelta(days=1)
"""How long after an archive was asked for a new one is made."""

MAX_ATTEMPTS = 10
FIRST_PAUSE = timedelta(seconds=10)
"""Doubles with each attempt: an outage of an hour is outlived."""

CLEANED_AT_ONCE = 20

log = logging.getLogger("pet.exports")


class ExportState(StrEnum):
    """Where an archive stands. An `ended` one is nobody's any more, and is about to be removed."""

    PREPARING = "preparing"
    READY = "ready"
    FAILED = "failed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class DataExport:
    """An archive of what is kept of a user.

    `attempt` counts how often it was begun: each attempt has bytes of its own. `due_at` is when something is to be done
    about it next: while it is prepared, when nobody has it in hand any more; afterwards, when it goes. `done_bytes` of
    `total_bytes` are those of the originals; `size_bytes` is the finished archive's.
    """

    export_id: ExportId
    user_id: UserId
    state: ExportState
    requested_at: datetime
    due_at: datetime
    attempt: int = 0
    done_bytes: int = 0
    total_bytes: int = 0
    size_bytes: int = 0
    ready_at: datetime | None = None

    @property
    def blob_keys(self) -> Sequence[str]:
        """The keys under which bytes may be: one for each attempt, the last one's last."""
        return [f"exports/{self.export_id[-2:]}/{self.export_id}-{number}.zip" for number in range(1, self.attempt + 1)]

    @property
    def progress(self) -> float:
        """How much of the originals is in it, from 0 to 1."""
        if self.state is ExportState.READY:
            return 1.0
        return min(1.0, self.done_bytes / self.total_bytes) if self.total_bytes else 0.0


class Exports(Protocol):
    """Keeps the records of archives. A user has one that is current; what is not current any more is to be removed."""

    async def begin(self, export: DataExport, *, gives_way: Callable[[DataExport], bool]) -> DataExport:
        """Make an export its user's current one and return it, in one transaction.

        A current one that does not give way is returned instead; one that does has ended.

        Raises:
            NotFound: the account is gone.
        """

    async def find(self, user_id: UserId) -> DataExport | None:
        """Return a user's current export, or None."""

    async def get(self, export_id: ExportId) -> DataExport:
        """Return an export that has not ended.

        Raises:
            NotFound: there is none.
        """

    async def claim(self, *, now: datetime, until: datetime) -> DataExport | None:
        """Take the export in hand that waits longest and that nobody has in hand, as its next attempt.

        Two claims at once never take the same one.
        """

    async def advance(self, export: DataExport, *, until: datetime, done_bytes: int, total_bytes: int) -> bool:
        """Keep an attempt in hand and note how far it is; False when it is another's by now, or has ended."""

    async def postpone(self, export: DataExport, *, until: datetime) -> None:
        """Let an attempt's export wait for the next attempt; nothing is done when it is another's, or has ended."""

    async def finish(self, export: DataExport, *, size_bytes: int, at: datetime, until: datetime) -> bool:
        """Note that an attempt's archive is there; False when the export is another's by now, or has ended."""

    async def give_up(self, export: DataExport, *, until: datetime) -> None:
        """Note that an attempt was the last one; nothing is done when the export is another's, or has ended."""

    async def end(self, *, now: datetime, user_id: UserId | None = None) -> None:
        """End the exports that are due to go, and all those of a user.

        What is in someone's hands stays due when that ends: until then bytes may still arrive.
        """

    async def ended(self, *, now: datetime, user_id: UserId | None = None, limit: int) -> Sequence[DataExport]:
        """Return ended exports, of a user or of anyone, that nobody has in hand."""

    async def remove(self, export_id: ExportId) -> None:
        """Remove the record of an ended export, once its bytes are gone; doing so twice does nothing."""


@dataclass(slots=True)
class Progress:
    """How far an archive is that is being made."""

    done_bytes: int = 0
    total_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ExportService:
    """Makes archives, hands them out, and removes them."""

    exports: Exports
    accounts: Accounts
    data: PersonalData
    blobs: Blobs
    open_archive: OpenArchive
    limits: RateLimits
    clock: Clock
    pauses: Sequence[timedelta] = field(default=tuple(FIRST_PAUSE * 2**number for number in range(MAX_ATTEMPTS)))

    async def start(self, viewer: Viewer) -> DataExport:
        """Have an archive of the viewer's data made, and return how it stands.

        There is one at a time: the one that is being made, or that was asked for within a day, is returned instead.

        Raises:
            RateLimited: the viewer has asked too often this minute.
        """
        now = self.clock()
        new = DataExport(ExportId(new_uuid7()), viewer.user_id, ExportState.PREPARING, requested_at=now, due_at=now)

        def gives_way(current: DataExport) -> bool:
            is_old = current.requested_at + PAUSE <= now
            return current.state is ExportState.FAILED or (current.state is ExportState.READY and is_old)

        async with charged(self.limits, EXPORT, viewer.user_id):
            return await self.exports.begin(new, gives_way=gives_way)

    async def find(self, user_id: UserId) -> DataExport | None:
        """Return how a user's archive stands; None when there is none."""
        return await self.exports.find(user_id)

    async def opened(self, export_id: ExportId, user_id: UserId) -> DataExport:
        """Return an archive that its owner may fetch now.

        Raises:
            NotFound: there is no such archive of that user's, or it is not ready, or not any more.
        """
        export = await self.exports.get(export_id)
        is_there = export.state is ExportState.READY and export.due_at > self.clock()
        if export.user_id != user_id or not is_there or await self.accounts.find(user_id) is None:
            raise NotFound("Export not found")
        return export

    def read(self, export: DataExport, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield an archive's bytes from `start` up to `end` (exclusive), in chunks."""
        return self.blobs.read(export.blob_keys[-1], start, end)

    async def make_next(self) -> bool:
        """Make the archive that waits longest; False when none waits.

        What fails is tried again later, by whichever process, and given up after some hours.
        """
        export = await self.exports.claim(now=self.clock(), until=self.clock() + LEASE)
        if export is None:
            return False
        try:
            await self._make_in_hand(export)
        except asyncio.CancelledError:
            await self.exports.postpone(export, until=self.clock())  # this process stops: another one may go on now
            raise
        except Exception as error:  # noqa: BLE001 - it is logged, and the archive is tried again or given up
            await self._note_failure(export, error)
        return True

    async def purge(self, user_id: UserId) -> None:
        """End the exports of a deleted user and remove their bytes; those that are being made are removed by the sweep.

        Doing so twice does nothing.
        """
        await self.exports.end(now=self.clock(), user_id=user_id)
        try:
            await self._remove_ended(user_id)
        except Unavailable:
            log.warning("an archive cannot be removed now, the sweep will do it")

    async def sweep(self) -> None:
        """Remove the archives whose time is over, and what was left of others.

        Raises:
            Unavailable: a store cannot be reached; what is left is removed the next time.
        """
        await self.exports.end(now=self.clock())
        await self._remove_ended(None)

    async def _remove_ended(self, user_id: UserId | None) -> None:
        while ended := await self.exports.ended(now=self.clock(), user_id=user_id, limit=CLEANED_AT_ONCE):
            for export in ended:
                for key in export.blob_keys:
                    await self.blobs.remove(key)
                await self.exports.remove(export.export_id)

    async def _make_in_hand(self, export: DataExport) -> None:
        """Make an archive, and give signs of life; stop when it is not ours any more."""
        progress = Progress()
        making = asyncio.create_task(self._make(export, progress))
        try:
            while not (await asyncio.wait({making}, timeout=BEAT_SECONDS))[0]:
                until = self.clock() + LEASE
                if not await self.exports.advance(
                    export, until=until, done_bytes=progress.done_bytes, total_bytes=progress.total_bytes
                ):
                    log.info("an archive is not wanted any more, or is made by another process")
                    return
            making.result()
        finally:
            await ended(making)

    async def _make(self, export: DataExport, progress: Progress) -> None:
        key = export.blob_keys[-1]
        async with self.blobs.stage_at(key, content_type="application/zip") as staged:
            async with self.open_archive(staged.write) as archive:
                await write_archive(archive, self.data, self.blobs, export.user_id, export.requested_at, progress)
            await staged.keep(key, content_type="application/zip")
            now = self.clock()
            if not await self.exports.finish(export, size_bytes=staged.size_bytes, at=now, until=now + KEPT_FOR):
                await self.blobs.remove(key)

    async def _note_failure(self, export: DataExport, error: Exception) -> None:
        said = {"export_id": export.export_id, "attempt": export.attempt}
        if isinstance(error, Unavailable):
            log.warning("an archive cannot be made now", extra=said | {"reason": repr(error.__cause__)})
        else:
            log.error("making an archive failed", exc_info=error, extra=said)
        if export.attempt < MAX_ATTEMPTS:
            await self.exports.postpone(export, until=self.clock() + self.pauses[export.attempt - 1])
        else:
            await self.exports.give_up(export, until=self.clock() + KEPT_FOR)
