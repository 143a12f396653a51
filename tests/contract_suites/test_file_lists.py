"""What every `Files` does, whatever its engine: lists, counts and reserved keys."""

from __future__ import annotations

import pytest
from tests.contract_suites.scene import NOON, Store, after, media, stub, track

from pet.domain.files import FileList, FileType, MediaFile
from pet.domain.ids import FileId, UserId
from pet.domain.paging import Page, Position


@pytest.fixture
async def ann(store: Store) -> UserId:
    """Someone with a profile."""
    return await store.profile("ann")


async def page(store: Store, user_id: UserId, which: FileList, *, last: MediaFile | None = None) -> Page[MediaFile]:
    position = Position(last.created_at, last.file_id) if last else None
    return (await store.files.pages([user_id], which, after=position, limit=2))[user_id]


async def test_lists_hold_published_tracks_or_all_audio(store: Store, ann: UserId) -> None:
    song = await store.keep(track(ann))
    sketch = await store.keep(track(ann, kind=FileType.OTHER, minutes=1))
    for kind in (FileType.AVATAR, FileType.COVER, FileType.OTHER):
        await store.keep(media(ann, kind))
    assert (await page(store, ann, FileList.TRACKS)).items == [song]
    assert (await page(store, ann, FileList.AUDIO)).items == [sketch, song]
    assert await store.files.count_audio([ann]) == {ann: 2}


async def test_every_file_is_on_the_list_of_its_type(store: Store, ann: UserId) -> None:
    song, sketch = await store.keep(track(ann)), await store.keep(track(ann, kind=FileType.OTHER))
    images = [await store.keep(media(ann, kind)) for kind in (FileType.COVER, FileType.AVATAR, FileType.OTHER)]
    lists = [(await page(store, ann, which)).items for which in FileList]
    assert lists == [[song], [images[0]], [images[1]], [images[2], sketch], [sketch, song]]


@pytest.mark.parametrize(
    ("which", "kind"),
    [
        (FileList.TRACKS, FileType.TRACK),
        (FileList.AUDIO, FileType.OTHER),
        (FileList.COVERS, FileType.COVER),
        (FileList.OTHERS, FileType.OTHER),
    ],
)
async def test_lists_are_newest_first_and_equal_times_order_by_id_descending(
    store: Store, ann: UserId, which: FileList, kind: FileType
) -> None:
    for number in range(5):
        file_id = FileId(f"00000000-0000-7000-8000-{(number * 3) % 5:012x}")
        await store.keep(track(ann, kind=kind, minutes=min(number, 1), file_id=file_id))
    pages = [await page(store, ann, which)]
    while pages[-1].has_next:
        pages.append(await page(store, ann, which, last=pages[-1].items[-1]))
    assert [int(file.file_id[-1]) for each in pages for file in each.items] == [4, 3, 2, 1, 0]
    assert [len(each.items) for each in pages] == [2, 2, 1]
    assert (await page(store, ann, which, last=pages[-1].items[-1])).items == []


async def test_the_lists_of_a_hundred_users_come_at_once_and_everyone_has_one(store: Store, ann: UserId) -> None:
    song = await store.keep(track(ann))
    nobodies = [UserId(str(number)) for number in range(99)]
    found = await store.files.pages([*nobodies, ann], FileList.TRACKS, after=None, limit=2)
    empty: Page[MediaFile] = Page(items=[], has_next=False)
    assert found == dict.fromkeys(nobodies, empty) | {ann: Page(items=[song], has_next=False)}
    assert await store.files.pages([], FileList.TRACKS, after=None, limit=2) == {}


async def test_everyone_has_a_count(store: Store, ann: UserId) -> None:
    await store.keep(track(ann))
    bob = await store.profile("bob")
    assert await store.files.count_audio([bob, ann]) == {bob: 0, ann: 1}
    assert await store.files.count_audio([]) == {}


async def test_any_files_of_a_user_come_up_to_a_limit(store: Store, ann: UserId) -> None:
    bob = await store.profile("bob")
    own = [await store.keep(media(ann, kind)) for kind in FileType]
    await store.keep(media(bob, FileType.OTHER))
    everything = await store.files.of_user(ann, limit=100)
    assert {file.file_id for file in everything} == {file.file_id for file in own}
    assert len(await store.files.of_user(ann, limit=3)) == 3
    assert list(await store.files.of_user(UserId("nobody"), limit=3)) == []


async def test_the_newest_cover_is_one_that_belongs_to_no_track(store: Store, ann: UserId) -> None:
    bob = await store.profile("bob")
    song = await store.keep(track(ann))
    await store.keep(media(ann, FileType.COVER, minutes=1))
    newest = await store.keep(media(ann, FileType.COVER, minutes=2))
    await store.keep(media(ann, FileType.COVER, minutes=3, track_id=song.file_id))
    await store.keep(media(ann, FileType.AVATAR, minutes=4))
    assert await store.files.newest_covers([bob, ann]) == {ann: newest}
    assert await store.files.newest_covers([]) == {}


async def test_keys_are_abandoned_that_were_reserved_before_and_became_no_record(store: Store, ann: UserId) -> None:
    kept, lost, young = [media(ann, FileType.OTHER) for _ in range(3)]
    await store.files.reserve([kept.blob_key, lost.blob_key], NOON)
    await store.files.reserve([young.blob_key], after(10))
    await store.keep(kept)
    assert list(await store.files.abandoned(before=after(10), limit=10)) == [lost.blob_key]
    assert list(await store.files.abandoned(before=NOON, limit=10)) == []


async def test_a_refused_record_leaves_its_keys_reserved(store: Store) -> None:
    file = media(UserId("nobody"), FileType.OTHER)
    await store.files.reserve([file.blob_key], NOON)
    with pytest.raises(Exception, match="User not found"):
        await store.files.add(file, stub())
    assert list(await store.files.abandoned(before=after(1), limit=10)) == [file.blob_key]


async def test_a_track_and_its_cover_clear_both_notes(store: Store, ann: UserId) -> None:
    song = track(ann)
    cover = media(ann, FileType.COVER, track_id=song.file_id)
    await store.files.reserve([song.blob_key, cover.blob_key], NOON)
    await store.files.add(song, None, cover=cover)
    assert list(await store.files.abandoned(before=after(1), limit=10)) == []


async def test_abandoned_keys_come_oldest_first_up_to_a_limit_and_go_when_they_are_released(store: Store) -> None:
    for minutes in (2, 0, 1):
        await store.files.reserve([f"files/{minutes}"], after(minutes))
    assert list(await store.files.abandoned(before=after(5), limit=2)) == ["files/0", "files/1"]
    for _ in range(2):
        await store.files.release(["files/0", "files/1"])
    assert list(await store.files.abandoned(before=after(5), limit=2)) == ["files/2"]
