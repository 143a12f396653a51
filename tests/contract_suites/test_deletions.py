"""The deletion of an account, interrupted at every step that it takes: the relay of any process finishes it.

A step is a call of a repository or of the store of bytes. A process dies before one, and after one that was carried
out; an engine fails at one and is there again for the next.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.contract_suites.scene import NOON, Store, account, media, session, track

from pet.domain.delivery import OUTAGE_PAUSE, Delivery
from pet.domain.errors import Conflict, NotFound, Service, Unavailable
from pet.domain.events import TrackPlayed, TrackUploaded, UserCreated, UserDeleted, UserUpdated
from pet.domain.files import FileService, FileType, MediaFile
from pet.domain.ids import SessionId, UserId
from pet.domain.plays import PLAY_WINDOW
from pet.domain.purging import Purge
from pet.domain.stats import Stats
from pet.domain.uploads import UploadService
from pet.inspection.pool import WorkerInspector
from pet.storage.blobs.folder import FolderBlobs, open_folder
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
    """Any repository, whose calls are steps."""

    def __init__(self, real: object, steps: Steps) -> None:
        self._real = real
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)

        async def step(*given: object, **named: object) -> object:
            return await self._steps.take(name, lambda: method(*given, **named))

        return step


@dataclass
class Process:
    """What delivers in one process over a store, with every call a step."""

    store: Store
    blobs: FolderBlobs
    steps: Steps = field(default_factory=Steps)

    def __post_init__(self) -> None:
        store, steps = self.store, self.steps
        projections: Any = Watched(store.projections, steps)
        plays: Any = Watched(store.plays, steps)
        accounts: Any = Watched(store.accounts, steps)
        outboxes: Any = [Watched(outbox, steps) for outbox in store.outboxes]
        files: Any = Watched(store.files, steps)
        blobs: Any = Watched(self.blobs, steps)
        self.delivery = Delivery(
            outboxes,
            projections,
            EmbeddedBroadcast(store.clock),
            store.clock,
            purge=self._purge,
            remove_bytes=self._remove_bytes,
        )
        self.files = FileService(files, blobs, self.delivery, store.clock)
        self.everything_of = Purge(EmbeddedSessionCache(), projections, self.files, plays, accounts)
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
        for file in self.files:
            with pytest.raises(NotFound):
                await self.blobs.size(file.blob_key)
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
    left = UserDeleted(user_id=ann, occurred_at=NOON)
    assert await store.accounts.remove(ann, left)
    return Town(store, blobs, ann, bob, name, files, left)


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    """A folder for bytes."""
    return open_folder(str(tmp_path / "media"))


async def test_a_deletion_takes_more_than_a_dozen_steps_and_leaves_nothing(store: Store, blobs: FolderBlobs) -> None:
    town, process = await leaving(store, blobs, "ann"), Process(store, blobs)
    with pytest.raises(Conflict):
        await store.accounts.add(account("ann"), UserUpdated(user_id=town.ann, occurred_at=NOON))
    await process.delivery.deliver([town.left])
    assert {"purge", "remove", "apply", "settle", "release", "forget"} <= set(process.steps.taken)
    await town.require_clean()


INTERRUPTIONS: dict[str, tuple[Callable[[], BaseException], bool]] = {
    "killed_before": (Killed, False),
    "killed_after": (Killed, True),
    "engine_down": (lambda: Unavailable(Service.MEDIA), False),
    "answer_lost": (lambda: Unavailable(Service.USER), True),
}


@pytest.mark.parametrize(("interruption", "is_carried_out"), INTERRUPTIONS.values(), ids=INTERRUPTIONS.keys())
async def test_a_deletion_interrupted_at_any_step_is_finished_by_another_process(
    store: Store, blobs: FolderBlobs, interruption: Callable[[], BaseException], is_carried_out: bool
) -> None:
    number, is_over = 0, False
    while not is_over:
        number += 1
        town = await leaving(store, blobs, f"ann{number}")
        steps = Steps(number, interruption, is_carried_out)
        with suppress(Killed):
            await Process(store, blobs, steps).delivery.deliver([town.left])
        is_over = len(steps.taken) < number
        await town.require_names_taken_until_purged()
        await town.require_clean_after_recovery()
    assert number > 12


@pytest.mark.parametrize("is_carried_out", [False, True])
async def test_a_deletion_killed_between_any_two_transactions_is_finished_by_another_process(
    store: Store, blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch, is_carried_out: bool
) -> None:
    number, is_over = 0, False
    while not is_over:
        number += 1
        town = await leaving(store, blobs, f"ann{number}")
        steps = Steps(number, Killed, is_carried_out)
        with monkeypatch.context() as patch, suppress(Killed):
            for kind, method in ((SqlDatabase, "atomically"), (MongoDatabase, "atomically"), (MongoDatabase, "run")):
                patch.setattr(kind, method, stepping(getattr(kind, method), steps))
            await Process(store, blobs).delivery.deliver([town.left])
        is_over = len(steps.taken) < number
        await town.require_names_taken_until_purged()
        await town.require_clean_after_recovery()
    assert number > 20


def stepping(method: Callable[..., Any], steps: Steps) -> Callable[..., Any]:
    """Return a method of a database whose calls are steps."""

    async def step(self: object, work: object) -> object:
        return await steps.take(method.__name__, lambda: method(self, work))

    return step
