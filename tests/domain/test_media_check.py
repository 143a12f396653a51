"""The media check: what lacks its other half is found, and nothing else, whatever goes on at the same time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta

import pytest
from tests.contract_suites.scene import NOON, track
from tests.domain.conftest import House

from pet.domain.errors import Service, Unavailable
from pet.domain.events import TrackUploaded
from pet.domain.files import MediaFile
from pet.domain.ids import FileId, UserId, new_uuid7
from pet.domain.media_check import Lost, MediaCheckService, Orphan
from pet.domain.stats import Stats
from pet.domain.times import utc_now

SIZE = len(b"bytes")


@pytest.fixture(autouse=True)
def _now(house: House) -> None:
    """Let the clock show the time, as the folder does that bytes are kept in."""
    house.store.clock.now = utc_now()


@pytest.fixture
def check(house: House) -> MediaCheckService:
    return MediaCheckService(house.store.files, house.blobs, house.delivery, house.store.clock)


@pytest.fixture
async def ann(house: House) -> UserId:
    return await house.store.profile("ann")


async def whole(house: House, owner: UserId) -> MediaFile:
    """Publish a track that has its bytes."""
    song = track(owner, size_bytes=SIZE)
    await house.keep_bytes(song.blob_key)
    event = TrackUploaded(user_id=owner, occurred_at=NOON, file_id=song.file_id)
    await house.delivery.deliver(await house.store.files.add(song, event))
    return song


async def bytes_alone(house: House, *, age: timedelta = timedelta(hours=2)) -> str:
    """Keep bytes that have no record, some time ago."""
    file_id = new_uuid7()
    key = f"files/{file_id[-2:]}/{file_id}.mp3"
    await house.keep_bytes(key)
    set_age(house, key, age)
    return key


def set_age(house: House, key: str, age: timedelta) -> None:
    assert house.blobs.folder
    then = (utc_now() - age).timestamp()
    os.utime(house.blobs.folder / key, (then, then))


async def lost_records(check: MediaCheckService) -> list[Lost]:
    return [lost async for step in check.records() for lost in step.lost]


async def orphans(check: MediaCheckService) -> list[Orphan]:
    return [orphan async for step in check.objects() for orphan in step.orphans]


def lost_of(song: MediaFile, found: int | None = None) -> Lost:
    return Lost(song.file_id, song.user_id, song.blob_key, song.size_bytes, found)


async def test_a_network_that_is_whole_lacks_nothing(house: House, check: MediaCheckService, ann: UserId) -> None:
    songs = [await whole(house, ann) for _ in range(3)]
    for song in songs:
        set_age(house, song.blob_key, timedelta(days=2))
    assert (await lost_records(check), await orphans(check)) == ([], [])
    assert await check.count_records() == 3


async def test_records_that_lost_their_bytes_are_found_and_removed_with_their_counts(
    house: House, check: MediaCheckService, ann: UserId
) -> None:
    songs = [await whole(house, ann) for _ in range(3)]
    await house.blobs.remove(songs[1].blob_key)
    assert await lost_records(check) == [lost_of(songs[1])]
    assert await check.remove_record(lost_of(songs[1]))
    assert await lost_records(check) == []
    assert (await house.store.shown(ann)).stats == Stats(tracks=2)
    assert [await house.store.found(song) for song in songs] == [songs[0], None, songs[2]]
    assert not await check.remove_record(lost_of(songs[1]))
    assert (await house.store.shown(ann)).stats == Stats(tracks=2)


@pytest.mark.parametrize("size", [0, SIZE - 1, SIZE + 1])
async def test_bytes_of_another_size_are_not_the_records(
    house: House, check: MediaCheckService, ann: UserId, size: int
) -> None:
    song = await whole(house, ann)
    async with house.blobs.stage() as staged:
        await staged.write(bytes(size))
        await staged.keep(song.blob_key)
    assert await lost_records(check) == [lost_of(song, size)]
    assert await check.remove_record(lost_of(song, size))
    set_age(house, (key := await bytes_alone(house)), timedelta(hours=3))
    assert [orphan.key for orphan in await orphans(check)] == [key]


async def test_bytes_of_nobody_are_found_and_removed(house: House, check: MediaCheckService, ann: UserId) -> None:
    song = await whole(house, ann)
    set_age(house, song.blob_key, timedelta(days=2))
    key = await bytes_alone(house)
    assert await orphans(check) == [Orphan(key, SIZE)]
    assert await check.remove_object(Orphan(key, SIZE))
    assert (await orphans(check), await lost_records(check)) == ([], [])
    assert not await check.remove_object(Orphan(song.blob_key, SIZE))
    assert await house.blobs.size(song.blob_key) == SIZE


async def test_a_record_under_another_key_does_not_own_bytes(
    house: House, check: MediaCheckService, ann: UserId
) -> None:
    song = await whole(house, ann)
    other = f"files/{song.file_id[-2:]}/{song.file_id}.other"
    await house.keep_bytes(other)
    set_age(house, other, timedelta(hours=2))
    assert await orphans(check) == [Orphan(other, SIZE)]


async def test_what_may_belong_to_an_upload_passes(house: House, check: MediaCheckService, ann: UserId) -> None:
    await bytes_alone(house, age=timedelta(minutes=59))
    noted = await bytes_alone(house)
    await house.store.files.reserve([noted], house.store.clock.now)
    async with house.blobs.stage() as staged:
        await staged.write(b"arriving")
        assert await orphans(check) == []
    assert not await check.remove_object(Orphan(noted, SIZE))
    assert await house.blobs.size(noted) == SIZE


async def test_strange_names_are_counted_and_left_alone(house: House, check: MediaCheckService) -> None:
    for key in ("files/readme.txt", "files/aa/cover.jpg", f"files/aa/{new_uuid7()}", "exports/one.zip"):
        await house.keep_bytes(key)
        set_age(house, key, timedelta(days=2))
    steps = [step async for step in check.objects()]
    assert sum(step.count for step in steps) == 3
    assert sum(step.strange for step in steps) == 3
    assert not [orphan for step in steps for orphan in step.orphans]


async def test_pages_are_of_bounded_size(
    house: House, check: MediaCheckService, ann: UserId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pet.domain.media_check.PAGE", 2)
    monkeypatch.setattr("pet.storage.blobs.folder.LISTED_AT_ONCE", 2)
    songs = [await whole(house, ann) for _ in range(5)]
    for song in songs[::2]:
        await house.blobs.remove(song.blob_key)
    keys = {await bytes_alone(house) for _ in range(5)}
    assert [step.count async for step in check.records()] == [2, 2, 1]
    assert max([step.count async for step in check.objects()]) <= 2
    assert await lost_records(check) == [lost_of(song) for song in songs[::2]]
    assert {orphan.key for orphan in await orphans(check)} == keys


async def test_a_track_that_is_deleted_meanwhile_has_lost_nothing(
    house: House, check: MediaCheckService, ann: UserId, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = await whole(house, ann)
    walk = house.store.files.walk

    async def walk_and_delete(*, after: FileId | None, limit: int) -> Sequence[MediaFile]:
        found = await walk(after=after, limit=limit)
        await house.delivery.deliver(await house.store.files.remove(song.file_id, NOON))
        return found

    monkeypatch.setattr(house.store.files, "walk", walk_and_delete)
    assert await lost_records(check) == []


async def test_an_upload_that_ends_meanwhile_is_no_orphan(
    house: House, check: MediaCheckService, ann: UserId, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = track(ann, size_bytes=SIZE)
    await house.store.files.reserve([song.blob_key], NOON)
    await house.keep_bytes(song.blob_key)
    set_age(house, song.blob_key, timedelta(hours=2))  # its client is slow, or a clock is wrong
    get_many, reserved = house.store.files.get_many, house.store.files.reserved

    async def end_before(of: Sequence[FileId]) -> object:
        await house.store.keep(song)
        return await get_many(of)

    async def end_after(keys: Sequence[str]) -> object:
        found = await reserved(keys)
        await house.store.keep(song)
        return found

    for name, call in (("get_many", end_before), ("reserved", end_after)):
        with monkeypatch.context() as patch:
            patch.setattr(house.store.files, name, call)
            assert await orphans(check) == [], name
        await house.store.files.remove(song.file_id, NOON)
        await house.store.files.reserve([song.blob_key], NOON)


async def test_a_store_that_is_down_has_lost_nothing(
    house: House, check: MediaCheckService, ann: UserId, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = await whole(house, ann)

    async def size(key: str) -> int:
        raise Unavailable(Service.MEDIA)

    monkeypatch.setattr(house.blobs, "size", size)
    with pytest.raises(Unavailable):
        await lost_records(check)
    with pytest.raises(Unavailable):
        await check.remove_record(lost_of(song))
    assert await house.store.found(song) == song
