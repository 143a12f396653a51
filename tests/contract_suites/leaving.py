"""Someone who leaves: what an account may have, and a process that carries out its deletion and can be interrupted.

A step is a transaction or a call of the store of bytes. A process dies before one, or after one that was carried out;
an engine fails at one, or its answer is lost, and the next one succeeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.contract_suites.scene import NOON, Store, account, media, session, track
from tests.domain.conftest import exporting

from pet.domain.delivery import OUTAGE_PAUSE, Delivery
from pet.domain.errors import Conflict, NotFound
from pet.domain.events import TrackPlayed, TrackUploaded, UserCreated, UserDeleted, UserUpdated
from pet.domain.exports import DataExport
from pet.domain.files import FileService, FileType, MediaFile
from pet.domain.ids import SessionId, UserId
from pet.domain.media import Blobs
from pet.domain.plays import PLAY_WINDOW
from pet.domain.purging import Purge
from pet.domain.stats import Stats
from pet.domain.uploads import UploadService
from pet.domain.viewers import Role, Viewer
from pet.inspection.pool import WorkerInspector
from pet.storage.blobs.folder import FolderBlobs
from pet.storage.embedded.broadcast import EmbeddedBroadcast
from pet.storage.embedded.limits import UnlimitedRateLimits
from pet.storage.embedded.session_cache import EmbeddedSessionCache
from pet.storage.mongo.database import Database as MongoDatabase
from pet.storage.sql.database import Database as SqlDatabase


class Killed(BaseException):
    """The process dies here: nothing catches it."""


@dataclass
class Steps:
    """Counts the calls that a deletion makes, and interrupts one of them."""

    interrupt_at: int | None = None
    interruption: Callable[[], BaseException] = Killed
    is_carried_out: bool = False
    taken: list[str] = field(default_factory=list)

    async def take(self, name: str, call: Callable[[], Any]) -> Any:
        """Carry out one call, or not."""
        self.taken.append(name)
        if len(self.taken) != self.interrupt_at:
            return await call()
        if self.is_carried_out:
            await call()
        raise self.interruption()


class Watched:
    """A store of bytes whose calls are steps."""

    def __init__(self, real: object, steps: Steps, *, unwatched: Sequence[str] = ()) -> None:
        self._real = real
        self._steps = steps
        self._unwatched = unwatched

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)
        if name in self._unwatched:
            return method

        async def step(*given: object, **named: object) -> object:
            return await self._steps.take(name, lambda: method(*given, **named))

        return step


@dataclass
class Process:
    """What delivers in one process over a store."""

    store: Store
    blobs: Blobs

    def __post_init__(self) -> None:
        store = self.store
        self.delivery = Delivery(
            store.outboxes,
            store.projections,
            EmbeddedBroadcast(store.clock),
            store.clock,
            purge=self._purge,
            remove_bytes=self._remove_bytes,
        )
        self.exports = exporting(store, self.blobs)
        self.files = FileService(store.files, self.blobs, self.delivery, store.clock)
        self.everything_of = Purge(
            EmbeddedSessionCache(), store.projections, self.files, store.plays, self.exports, store.accounts
        )
        self.uploads = UploadService(
            store.files, self.blobs, WorkerInspector(), UnlimitedRateLimits(), self.delivery, store.clock
        )

    async def _purge(self, user_id: UserId) -> None:
        await self.everything_of(user_id)

    async def _remove_bytes(self, blob_key: str) -> None:
        await self.files.remove_bytes(blob_key)


@dataclass
class Town:
    """Someone who leaves, and someone who stays."""

    store: Store
    blobs: FolderBlobs
    ann: UserId
    bob: UserId
    name: str
    files: list[MediaFile]
    export: DataExport
    left: UserDeleted

    async def require_names_taken_until_purged(self) -> None:
        """Check that nobody gets the names of who left as long as the profile may be there."""
        if self.ann in await self.store.profiles.get_many([self.ann]):
            with pytest.raises(Conflict):
                await self.store.accounts.add(account(self.name), UserUpdated(user_id=self.ann, occurred_at=NOON))

    async def require_clean_after_recovery(self) -> None:
        """Let another process begin, and check that it finished what the first one left."""
        other = Process(self.store, self.blobs)
        self.store.clock.now += OUTAGE_PAUSE
        await other.delivery.relay(even_held=True)
        await other.uploads.remove_abandoned()
        await other.exports.sweep()
        await self.require_clean()

    async def require_clean(self) -> None:
        """Check that nothing of who left is there, and that who stays is counted right."""
        store = self.store
        assert await store.pending() == []
        assert list(await store.profiles.get_many([self.ann, self.bob])) == [self.bob]
        assert (await store.shown(self.bob)).stats == Stats(tracks=1)
        assert await store.files.of_user(self.ann, limit=10) == []
        assert await store.follows.states(self.bob, [self.ann]) == {}
        assert await store.follows.states(self.ann, [self.bob]) == {}
        assert await store.activities.of_events([self.left]) == {}
        assert await store.sessions.find(SessionId(self.name)) is None
        assert await store.files.abandoned(before=NOON, limit=10) == []
        assert await store.exports.ended(now=store.clock(), limit=10) == []
        for key in [*(file.blob_key for file in self.files), *self.export.blob_keys]:
            with pytest.raises(NotFound):
                await self.blobs.size(key)
        # What ann had listened to is forgotten, and her names are free.
        [theirs] = (await store.files.of_user(self.bob, limit=10))[:1]
        again = TrackPlayed(user_id=self.bob, file_id=theirs.file_id, occurred_at=store.clock())
        assert await store.plays.record(theirs.file_id, self.ann, again, window=PLAY_WINDOW)
        await store.deliver(again)
        newer = account(self.name)
        registered = UserCreated(user_id=newer.user_id, occurred_at=NOON, username=self.name, role="listener")
        await store.accounts.add(newer, registered)
        await store.deliver(registered)
        await Process(store, self.blobs).delivery.deliver_at_once([self.left])
        assert list(await store.profiles.get_many([self.ann, newer.user_id])) == [newer.user_id]


async def leaving(store: Store, blobs: FolderBlobs, name: str) -> Town:
    """Let someone register, do everything, and end their account; the last change of their profile is undelivered."""
    person = account(name)
    ann = person.user_id
    created = UserCreated(user_id=ann, occurred_at=NOON, username=name, role="musician")
    await store.accounts.add(person, created)
    await store.deliver(created)
    await store.sessions.add(session(name, ann))
    bob = await store.profile(f"of-{name}")
    for pair in ((ann, bob), (bob, ann)):
        await store.follow(*pair)
    theirs = track(bob)
    await store.deliver(
        *await store.files.add(theirs, TrackUploaded(user_id=bob, occurred_at=NOON, file_id=theirs.file_id))
    )
    played = TrackPlayed(user_id=bob, file_id=theirs.file_id, occurred_at=NOON)
    assert await store.plays.record(theirs.file_id, ann, played, window=PLAY_WINDOW)
    await store.settle(played)
    files = [track(ann), media(ann, FileType.AVATAR)]
    for file in files:
        async with blobs.stage() as staged:
            await staged.write(b"bytes")
            await staged.keep(file.blob_key)
        event = TrackUploaded(user_id=ann, occurred_at=NOON, file_id=file.file_id)
        await store.deliver(*await store.files.add(file, event if file.type is FileType.TRACK else None))
    await store.store_events([UserUpdated(user_id=ann, occurred_at=NOON, is_news=True)])
    exports = exporting(store, blobs)
    await exports.start(Viewer(ann, Role.MUSICIAN))
    assert await exports.make_next()
    export = await exports.find(ann)
    assert export is not None
    assert await blobs.size(export.blob_keys[-1]) == export.size_bytes
    left = UserDeleted(user_id=ann, occurred_at=NOON)
    assert await store.accounts.remove(ann, left)
    return Town(store, blobs, ann, bob, name, files, export, left)


async def interrupted_at_every_step(
    store: Store, blobs: FolderBlobs, interruption: Callable[[], BaseException], *, is_carried_out: bool
) -> int:
    """Interrupt a deletion at its first step, another one at its second, and so on; check what recovery makes of each.

    Return how many steps a deletion takes.
    """
    number, is_over = 0, False
    while not is_over:
        number += 1
        town = await leaving(store, blobs, f"ann{number}")
        steps = Steps(number, interruption, is_carried_out)
        watched: Any = Watched(blobs, steps)
        with pytest.MonkeyPatch.context() as patch, suppress(Killed):
            for kind, method in ((SqlDatabase, "atomically"), (MongoDatabase, "atomically"), (MongoDatabase, "run")):
                patch.setattr(kind, method, stepping(getattr(kind, method), steps))
            await Process(store, watched).delivery.deliver([town.left])
        is_over = len(steps.taken) < number
        await town.require_names_taken_until_purged()
        await town.require_clean_after_recovery()
    return number - 1


def stepping(method: Callable[..., Any], steps: Steps) -> Callable[..., Any]:
    """Return a method of a database whose calls are steps."""

    async def step(self: object, *given: object) -> object:
        return await steps.take(method.__name__, lambda: method(self, *given))

    return step
