"""What a file is called, where its bytes lie, and what deleting it tells."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.contract_suites.scene import ANN, NOON, after, media, track
from tests.domain.conftest import House

from pet.domain.errors import Forbidden, Invalid, NotFound
from pet.domain.events import AvatarDeleted, FileDeleted, TrackDeleted, TrackUploaded
from pet.domain.files import FileType, MediaFile, TrackChange, removal_of
from pet.domain.ids import FileId, UserId
from pet.domain.stats import Stats
from pet.domain.viewers import Role, Viewer

STRANGER = Viewer(UserId("bob"), Role.MUSICIAN)
ADMIN = Viewer(UserId("root"), Role.ADMIN)


@pytest.mark.parametrize(
    ("title", "original_name", "shown"),
    [
        ("Theme", "a.mp3", "Theme"),
        (None, "a.mp3", "a"),
        (None, "a.b.mp3", "a.b"),
        (None, "песня.FLAC", "песня"),
        (None, "no extension", "no extension"),
        (None, ".mp3", ".mp3"),
        (None, "a.", "a"),
        ("", "a.mp3", "a"),
    ],
)
def test_the_shown_title_is_the_title_else_the_name_without_its_extension(
    title: str | None, original_name: str, shown: str
) -> None:
    assert track(ANN, title=title, original_name=original_name).shown_title == shown


def test_bytes_lie_under_the_generated_name_alone() -> None:
    file = media(ANN, FileType.OTHER, file_name="0197-abcd.png", original_name="../../etc/passwd")
    assert file.blob_key == "files/cd/0197-abcd.png"


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        (FileType.TRACK, TrackDeleted),
        (FileType.AVATAR, AvatarDeleted),
        (FileType.COVER, FileDeleted),
        (FileType.OTHER, FileDeleted),
    ],
)
def test_a_removal_tells_what_goes_with_it(kind: FileType, event: type[FileDeleted]) -> None:
    file = media(ANN, kind)
    told = removal_of(file, NOON)
    assert type(told) is event
    assert (told.user_id, told.occurred_at, told.file_id, told.blob_key) == (ANN, NOON, file.file_id, file.blob_key)


async def uploaded(house: House, owner: UserId) -> MediaFile:
    """Publish a track with bytes."""
    song = track(owner)
    await house.keep_bytes(song.blob_key)
    event = TrackUploaded(user_id=owner, occurred_at=NOON, file_id=song.file_id)
    await house.delivery.deliver(await house.store.files.add(song, event))
    return song


async def has_bytes(house: House, file: MediaFile) -> bool:
    try:
        return await house.blobs.size(file.blob_key) > 0
    except NotFound:
        return False


@pytest.mark.parametrize("is_admin", [False, True])
async def test_a_file_is_deleted_with_its_bytes_and_its_count(house: House, is_admin: bool) -> None:
    ann = await house.store.profile("ann")
    song = await uploaded(house, ann)
    assert ((await house.store.shown(ann)).stats, await has_bytes(house, song)) == (Stats(tracks=1), True)
    await house.files.delete(ADMIN if is_admin else Viewer(ann, Role.MUSICIAN), song.file_id)
    assert await house.files.find(song.file_id) is None
    assert ((await house.store.shown(ann)).stats, await has_bytes(house, song)) == (Stats(), False)
    assert await house.store.pending() == []


async def test_someone_elses_file_is_neither_deleted_nor_edited(house: House) -> None:
    song = await uploaded(house, await house.store.profile("ann"))
    with pytest.raises(Forbidden):
        await house.files.delete(STRANGER, song.file_id)
    with pytest.raises(Forbidden):
        await house.files.update_track(STRANGER, song.file_id, TrackChange(title="Mine"))
    assert await house.files.find(song.file_id) == song
    assert await has_bytes(house, song)


async def test_a_file_that_is_not_there_is_not_found(house: House) -> None:
    ann = Viewer(await house.store.profile("ann"), Role.MUSICIAN)
    image = await house.store.keep(media(ann.user_id, FileType.COVER))
    with pytest.raises(NotFound):
        await house.files.delete(ann, FileId("none"))
    with pytest.raises(NotFound):
        await house.files.update_track(ann, image.file_id, TrackChange(title="No track"))


async def test_texts_of_a_track_change_by_field(house: House) -> None:
    ann = Viewer(await house.store.profile("ann"), Role.MUSICIAN)
    song = await uploaded(house, ann.user_id)
    house.store.clock.now = after(5)
    changed = await house.files.update_track(ann, song.file_id, TrackChange(title=" Новая ", album=None))
    assert changed == replace(song, title="Новая", album=None, updated_at=after(5))
    with pytest.raises(Invalid) as refusal:
        await house.files.update_track(ann, song.file_id, TrackChange(artist="x" * 201))
    assert refusal.value.field == "artist"
    assert await house.files.find(song.file_id) == changed


async def test_a_cover_is_the_tracks_own_else_the_newest_else_none(house: House) -> None:
    ann = await house.store.profile("ann")
    song = await house.store.keep(track(ann))
    assert await house.files.cover_for(song.file_id) is None
    newest = await house.store.keep(media(ann, FileType.COVER))
    assert await house.files.cover_for(song.file_id) == newest
    own = await house.store.keep(media(ann, FileType.COVER, track_id=song.file_id))
    assert await house.files.cover_for(song.file_id) == own
    assert await house.files.cover_for(newest.file_id) == newest
    other = await house.store.keep(media(ann, FileType.OTHER))
    assert [await house.files.cover_for(file_id) for file_id in (other.file_id, FileId("none"))] == [None, None]


async def test_a_purge_removes_any_number_of_files_with_their_bytes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pet.domain.files.PURGE_BATCH", 2)
    ann, bob = await house.store.profile("ann"), await house.store.profile("bob")
    own, others = [await uploaded(house, ann) for _ in range(5)], await uploaded(house, bob)
    for _ in range(2):
        await house.files.purge(ann)
    assert await house.store.files.of_user(ann, limit=10) == []
    assert [await has_bytes(house, file) for file in (*own, others)] == [False] * 5 + [True]
    assert (await house.store.shown(ann)).stats == Stats()
