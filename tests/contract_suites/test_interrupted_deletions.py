"""A deletion that is killed at any call of any store: what it began is brought to its end by whoever starts next."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from tests.contract_suites.conftest import ENGINES
from tests.contract_suites.scene import NOON, Store, media, track
from tests.engines.s3 import Bucket

from pet.domain.delivery import Delivery
from pet.domain.errors import NotFound, Service, Unavailable
from pet.domain.events import Event, TrackUploaded
from pet.domain.files import FileService, FileType, MediaFile
from pet.domain.ids import UserId
from pet.domain.media import Blobs
from pet.domain.stats import Stats
from pet.domain.uploads import UploadService
from pet.domain.viewers import Role, Viewer
from pet.domain.waveforms import POINTS
from pet.inspection.pool import WorkerInspector
from pet.storage.blobs import open_blobs
from pet.storage.embedded.broadcast import EmbeddedBroadcast
from pet.storage.embedded.limits import UnlimitedRateLimits

PLACES = {
    "sqlite-folder": ("sqlite", "folder"),
    "postgres-folder": ("postgres", "folder"),
    "mongo-s3": ("mongo", "s3"),
}


class Killed(BaseException):
    """The process is dead: nothing catches that."""


@dataclass
class Life:
    """The life of a process, which ends at a call of a store: before it is made, or after it without its answer."""

    ends_at: int | None = None
    has_effect: bool = False
    calls: int = 0

    def lived(self, store: Any) -> Any:
        """Return a store as the process uses it."""
        return _Lived(self, store)

    async def call(self, work: Callable[..., Awaitable[Any]], *given: Any, **named: Any) -> Any:
        """Make a call, or die at it."""
        self.calls += 1
        if self.ends_at is None or self.calls < self.ends_at:
            return await work(*given, **named)
        if self.calls == self.ends_at and self.has_effect:
            await work(*given, **named)
        raise Killed


class _Lived:
    def __init__(self, life: Life, store: Any) -> None:
        self._life = life
        self._store = store

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        work = getattr(self._store, name)

        async def call(*given: Any, **named: Any) -> Any:
            return await self._life.call(work, *given, **named)

        return call


class Process:
    """What a process deletes with."""

    def __init__(self, store: Store, blobs: Blobs, life: Life) -> None:
        self.store = store
        kept, clock = life.lived(store.files), store.clock
        lived_blobs = life.lived(blobs)
        self._projections = life.lived(store.projections)
        self.delivery = Delivery(
            [life.lived(store.outbox)],
            self._projections,
            EmbeddedBroadcast[Event](clock),
            clock,
            purge=self._purge,
            remove_bytes=self._remove_bytes,
        )
        self.files = FileService(kept, lived_blobs, self.delivery, clock)
        self._lived_files = kept
        self.uploads = UploadService(kept, lived_blobs, WorkerInspector(), UnlimitedRateLimits(), self.delivery, clock)

    async def start(self) -> None:
        """Do what a process does at its start, alone."""
        await self.uploads.sweep(is_alone=True)
        await self.delivery.relay(even_held=True)
        await self.uploads.sweep(is_alone=True)

    async def delete(self, file: MediaFile) -> None:
        """Delete a file as its owner does."""
        await self.files.delete(Viewer(file.user_id, Role.MUSICIAN), file.file_id)

    async def replace(self, file: MediaFile) -> None:
        """Put another avatar into the place of one."""
        new = media(file.user_id, FileType.AVATAR, minutes=1)
        await self.delivery.deliver(await self._lived_files.add(new, None))

    async def _purge(self, user_id: UserId) -> None:
        await self._projections.purge(user_id)
        await self.files.purge(user_id)

    async def _remove_bytes(self, blob_key: str) -> None:
        await self.files.remove_bytes(blob_key)


@dataclass
class Place:
    """A store of records and one of bytes."""

    store: Store
    blobs: Blobs

    def process(self, life: Life | None = None) -> Process:
        """Return a process, which lives for ever where nothing else is said."""
        return Process(self.store, self.blobs, life or Life())

    async def keep(self, *files: MediaFile) -> None:
        """Keep records with bytes."""
        for file in files:
            async with self.blobs.stage() as staged:
                await staged.write(b"bytes")
                await staged.keep(file.blob_key)
            await self.store.keep(file)

    async def has_bytes(self, file: MediaFile) -> bool:
        try:
            return await self.blobs.size(file.blob_key) > 0
        except NotFound:
            return False

    async def left_of(self, *files: MediaFile) -> list[tuple[bool, bool]]:
        """Return of each file whether there is a record, and whether there are bytes."""
        return [(await self.store.found(file) is not None, await self.has_bytes(file)) for file in files]

    async def published(self, owner: UserId) -> tuple[MediaFile, MediaFile]:
        """Publish a track that has a waveform and a cover of its own."""
        song = track(owner)
        cover = media(owner, FileType.COVER, track_id=song.file_id)
        await self.keep(song, cover)
        await self.store.deliver(TrackUploaded(user_id=owner, occurred_at=NOON, file_id=song.file_id))
        claim = await self.store.waveforms.claim(NOON, until=NOON)
        assert claim is not None
        assert await self.store.waveforms.finish(claim, bytes(POINTS))
        return song, cover


@pytest.fixture(params=PLACES)
def opening(request: pytest.FixtureRequest) -> tuple[AbstractAsyncContextManager[Store], str]:
    """A place that is not open yet; engines start here, outside the event loop."""
    engine, bytes_in = PLACES[request.param]
    tmp_path: Path = request.getfixturevalue("tmp_path")
    bucket = cast("Bucket", request.getfixturevalue("s3_bucket")) if bytes_in == "s3" else None
    return ENGINES[engine](request), bucket.url if bucket else str(tmp_path / "media")


@pytest.fixture
async def place(opening: tuple[AbstractAsyncContextManager[Store], str], tmp_path: Path) -> AsyncIterator[Place]:
    opening_store, url = opening
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(opening_store)
        blobs = await stack.enter_async_context(open_blobs(url, spool=tmp_path / "spool", timeout_seconds=10))
        yield Place(store, blobs)


async def survives(act: Callable[[], Awaitable[None]]) -> bool:
    """Do something in a process; tell whether it lives on."""
    try:
        await act()
    except Killed:
        return False
    return True


def deaths() -> list[Life]:
    """Return every way to die within so many calls."""
    return [Life(ends_at=call, has_effect=has_effect) for call in range(1, 30) for has_effect in (False, True)]


async def test_a_killed_deletion_of_a_track_is_finished(place: Place) -> None:
    ann, stats, kills = await place.store.profile("ann"), Stats(), 0
    for life in deaths():
        song, cover = await place.published(ann)
        assert (await place.store.shown(ann)).stats == Stats(tracks=1)
        lived_on = await survives(lambda song=song, life=life: place.process(life).delete(song))  # type: ignore[misc]
        if await place.store.found(song) is None:  # unreachable from now on, and for good
            assert await place.store.waveforms.get_many([song.file_id]) == {}
            await place.process().start()
        else:
            assert await place.left_of(song, cover) == [(True, True)] * 2
            await place.process().start()
            assert await place.left_of(song, cover) == [(True, True)] * 2
            assert (await place.store.shown(ann)).stats == Stats(tracks=1)
            await place.process().delete(song)
        assert await place.left_of(song, cover) == [(False, False)] * 2, life
        assert (await place.store.shown(ann)).stats == stats, life
        assert await place.store.pending() == [], life
        assert await place.store.files.reserved([song.blob_key, cover.blob_key]) == set(), life
        if lived_on:
            break
        kills += 1
    assert kills >= 20


async def test_a_killed_replacement_of_an_avatar_is_finished(place: Place) -> None:
    ann, kills = await place.store.profile("ann"), 0
    for life in deaths():
        old = media(ann, FileType.AVATAR)
        await place.keep(old)
        lived_on = await survives(lambda old=old, life=life: place.process(life).replace(old))  # type: ignore[misc]
        was_replaced = await place.store.found(old) is None
        await place.process().start()
        assert await place.left_of(old) == [(not was_replaced, not was_replaced)], life
        assert await place.store.pending() == [], life
        assert await place.store.files.reserved([old.blob_key]) == set(), life
        if lived_on:
            break
        kills += 1
    assert kills >= 6


async def test_bytes_that_cannot_be_removed_go_when_their_store_is_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(key: str) -> None:
        raise Unavailable(Service.MEDIA)

    ann = await place.store.profile("ann")
    song, cover = await place.published(ann)
    process = place.process()
    with monkeypatch.context() as patch:
        patch.setattr(place.blobs, "remove", down)
        await process.delete(song)
        assert await place.left_of(song, cover) == [(False, True)] * 2
        assert (await place.store.shown(ann)).stats == Stats()
        assert await place.store.pending() == []
        with pytest.raises(Unavailable):
            await process.uploads.remove_abandoned()
    assert await process.uploads.remove_abandoned() == 2
    assert await place.left_of(song, cover) == [(False, False)] * 2
    assert await process.uploads.remove_abandoned() == 0
