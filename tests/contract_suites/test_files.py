"""What every `Files` does, whatever its engine: keeping, replacing and removing records."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.contract_suites.scene import (
    NOBODY,
    NOON,
    Store,
    after,
    at_once,
    editing,
    kinds,
    media,
    stub,
    track,
    twenty,
)

from pet.domain.errors import NotFound
from pet.domain.events import Event, FileDeleted, TrackUploaded
from pet.domain.files import FileType, MediaFile, OwnedFile
from pet.domain.ids import UserId

AVATAR, COVER, OTHER = FileType.AVATAR, FileType.COVER, FileType.OTHER


@pytest.fixture
async def ann(store: Store) -> UserId:
    """Someone with a profile."""
    return await store.profile("ann")


def gone(events: list[Event]) -> list[tuple[str, str, str]]:
    """Return what events of removal tell."""
    return [(event.name, event.file_id, event.blob_key) for event in events if isinstance(event, FileDeleted)]


@pytest.mark.parametrize("kind", FileType)
async def test_a_record_is_kept_whole_with_its_event(store: Store, ann: UserId, kind: FileType) -> None:
    make = track if kind is FileType.TRACK else media
    file, event = make(ann, kind=kind), stub(ann)
    assert list(await store.files.add(file, event)) == [event]
    assert await store.found(file) == file
    assert await store.pending() == [event]


async def test_records_that_are_not_there_are_left_out(store: Store, ann: UserId) -> None:
    file = await store.keep(media(ann, OTHER))
    many = [media(ann, OTHER).file_id for _ in range(999)]
    assert await store.files.get_many([file.file_id, *many]) == {file.file_id: file}
    assert await store.files.get_many([]) == {}


async def test_a_file_tells_whether_its_owner_is_private(store: Store, ann: UserId) -> None:
    song, missing = await store.keep(track(ann)), track(ann)
    for is_private in (False, True):
        await store.set_private(ann, is_private=is_private)
        assert await store.files.get_owned([song.file_id, missing.file_id]) == {
            song.file_id: OwnedFile(song, is_private)
        }
    assert await store.files.get_owned([]) == {}


async def test_a_file_whose_owner_is_gone_is_nobodys(store: Store, ann: UserId) -> None:
    song = await store.keep(track(ann))
    await store.projections.purge(ann)
    assert await store.files.get_owned([song.file_id]) == {}


@pytest.mark.parametrize("kind", FileType)
async def test_the_file_of_nobody_is_refused(store: Store, kind: FileType) -> None:
    file = media(NOBODY, kind)
    with pytest.raises(NotFound):
        await store.files.add(file, stub())
    assert await store.found(file) is None
    assert await store.pending() == []


async def test_the_cover_of_a_track_that_is_gone_is_refused(store: Store, ann: UserId) -> None:
    cover = media(ann, COVER, track_id=track(ann).file_id)
    with pytest.raises(NotFound):
        await store.files.add(cover, stub())
    assert await store.found(cover) is None
    assert await store.pending() == []


@pytest.mark.parametrize("kind", FileType)
async def test_a_record_is_not_kept_without_its_event(store: Store, ann: UserId, kind: FileType) -> None:
    taken, file = stub(ann), media(ann, kind)
    await store.files.add(media(ann, OTHER), taken)
    with pytest.raises(store.refusal):
        await store.files.add(file, taken)
    assert await store.found(file) is None
    assert (await store.shown(ann)).avatar_file_id is None


async def test_a_new_avatar_replaces_the_old_one(store: Store, ann: UserId) -> None:
    old, new = await store.keep(media(ann, AVATAR)), media(ann, AVATAR, minutes=5)
    event = stub(ann)
    events = list(await store.files.add(new, event))
    assert events[0] == event
    assert gone(events) == [("media.avatar.deleted", old.file_id, old.blob_key)]
    assert await store.pending() == sorted(events, key=lambda stored: stored.event_id)
    assert (await store.found(old), await store.found(new)) == (None, new)
    assert (await store.shown(ann)).avatar_file_id == new.file_id


async def test_of_twenty_avatars_at_once_one_stays(store: Store, ann: UserId) -> None:
    rivals = [media(ann, AVATAR, minutes=number) for number in range(20)]
    results = await at_once(*(store.files.add(rival, None) for rival in rivals))
    removed = [event for events in results if not isinstance(events, BaseException) for event in events]
    assert kinds(removed) == ["media.avatar.deleted"] * 19
    left = [rival.file_id for rival in rivals if await store.found(rival)]
    assert left == [(await store.shown(ann)).avatar_file_id]
    assert len({event.file_id for event in removed if isinstance(event, FileDeleted)}) == 19


async def test_a_cover_becomes_its_tracks_and_replaces_the_old_one(store: Store, ann: UserId) -> None:
    song = await store.keep(track(ann))
    old = await store.keep(media(ann, COVER, track_id=song.file_id))
    new = media(ann, COVER, track_id=song.file_id, minutes=5)
    events = list(await store.files.add(new, None))
    assert gone(events) == [("media.file.deleted", old.file_id, old.blob_key)]
    assert (await store.found(old), await store.found(new)) == (None, new)
    assert await store.found(song) == replace(song, cover_file_id=new.file_id)


async def test_of_twenty_covers_of_a_track_at_once_one_stays(store: Store, ann: UserId) -> None:
    song = await store.keep(track(ann))
    rivals = [media(ann, COVER, track_id=song.file_id) for _ in range(20)]
    results = await at_once(*(store.files.add(rival, None) for rival in rivals))
    assert sum(len(events) for events in results if not isinstance(events, BaseException)) == 19
    left = [rival.file_id for rival in rivals if await store.found(rival)]
    shown = await store.found(song)
    assert shown is not None
    assert left == [shown.cover_file_id]


async def test_a_cover_without_a_track_replaces_nothing(store: Store, ann: UserId) -> None:
    old, new = await store.keep(media(ann, COVER)), await store.keep(media(ann, COVER))
    assert (await store.found(old), await store.found(new)) == (old, new)


async def test_a_cover_is_kept_along_with_its_track(store: Store, ann: UserId) -> None:
    song = track(ann)
    cover = media(ann, COVER, track_id=song.file_id)
    event = TrackUploaded(user_id=ann, occurred_at=NOON, file_id=song.file_id)
    assert list(await store.files.add(song, event, cover=cover)) == [event]
    assert await store.found(song) == replace(song, cover_file_id=cover.file_id)
    assert await store.found(cover) == cover


async def test_a_track_and_its_cover_are_kept_together_or_not_at_all(store: Store, ann: UserId) -> None:
    song = track(ann)
    stray = media(ann, COVER, track_id=track(ann).file_id)
    with pytest.raises(NotFound):
        await store.files.add(song, stub(), cover=stray)
    assert (await store.found(song), await store.found(stray)) == (None, None)
    assert await store.pending() == []


async def test_an_edit_changes_the_texts_alone(store: Store, ann: UserId) -> None:
    song = await store.keep(track(ann))
    edited = replace(song, title="Новая", artist=None, album="Second", updated_at=after(5))
    await store.files.edit(song.file_id, lambda _: replace(edited, play_count=9, size_bytes=1, user_id=NOBODY))
    assert await store.found(song) == edited


async def test_a_record_that_is_gone_cannot_be_edited(store: Store, ann: UserId) -> None:
    with pytest.raises(NotFound):
        await store.files.edit(track(ann).file_id, lambda file: file)


async def test_of_twenty_edits_at_once_none_is_lost(store: Store, ann: UserId) -> None:
    song = await store.keep(track(ann, title=""))
    await twenty(lambda: store.files.edit(song.file_id, lambda file: replace(file, title=f"{file.title}x")))
    assert await store.found(song) == replace(song, title="x" * 20)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (FileType.TRACK, "media.track.deleted"),
        (AVATAR, "media.avatar.deleted"),
        (COVER, "media.file.deleted"),
        (OTHER, "media.file.deleted"),
    ],
)
async def test_a_record_is_removed_once_with_its_event(store: Store, ann: UserId, kind: FileType, name: str) -> None:
    file = await store.keep(media(ann, kind))
    events = [*await store.files.remove(file.file_id, after(5)), *await store.files.remove(file.file_id, after(6))]
    assert gone(events) == [(name, file.file_id, file.blob_key)]
    assert [(event.user_id, event.occurred_at) for event in events] == [(ann, after(5))]
    assert await store.pending() == events
    assert await store.found(file) is None
    assert (await store.shown(ann)).avatar_file_id is None


async def test_of_twenty_removals_at_once_one_has_an_event(store: Store, ann: UserId) -> None:
    file = await store.keep(track(ann))
    results = await twenty(lambda: store.files.remove(file.file_id, NOON))
    assert sum(len(events) for events in results) == 1
    assert len(await store.pending()) == 1


async def test_a_track_takes_its_own_cover_along(store: Store, ann: UserId) -> None:
    song, other = track(ann), await store.keep(media(ann, COVER))
    cover = media(ann, COVER, track_id=song.file_id)
    await store.files.add(song, None, cover=cover)
    events = list(await store.files.remove(song.file_id, NOON))
    assert kinds(events) == ["media.track.deleted", "media.file.deleted"]
    assert [await store.found(file) for file in (song, cover, other)] == [None, None, other]


async def test_a_tracks_cover_is_removed_without_its_track(store: Store, ann: UserId) -> None:
    song = await store.keep(track(ann))
    cover = await store.keep(media(ann, COVER, track_id=song.file_id))
    await store.files.remove(cover.file_id, NOON)
    assert await store.found(song) == song


async def test_an_image_that_is_removed_is_no_profiles_cover_any_more(store: Store, ann: UserId) -> None:
    image = await store.keep(media(ann, COVER))
    await store.profiles.edit(ann, editing(cover_file_id=image.file_id))
    await store.files.remove(image.file_id, NOON)
    assert (await store.shown(ann)).cover_file_id is None


@pytest.mark.parametrize("kind", [AVATAR, COVER])
async def test_an_image_that_goes_with_its_successor_is_no_profiles_cover_any_more(
    store: Store, ann: UserId, kind: FileType
) -> None:
    song = await store.keep(track(ann))
    track_id = song.file_id if kind is COVER else None
    image = await store.keep(media(ann, kind, track_id=track_id))
    await store.profiles.edit(ann, editing(cover_file_id=image.file_id))
    await store.keep(media(ann, kind, track_id=track_id))
    assert (await store.shown(ann)).cover_file_id is None


async def test_a_removal_is_not_kept_without_its_event(
    store: Store, ann: UserId, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, taken = await store.keep(track(ann)), stub(ann)
    await store.files.add(media(ann, OTHER), taken)
    monkeypatch.setattr("pet.domain.events.new_uuid7", lambda: taken.event_id)
    with pytest.raises(store.refusal):
        await store.files.remove(file.file_id, NOON)
    assert await store.found(file) == file


async def test_a_track_that_goes_while_a_cover_is_bound_leaves_no_cover(store: Store, ann: UserId) -> None:
    for _ in range(10):
        song = await store.keep(track(ann))
        cover = media(ann, COVER, track_id=song.file_id)
        added, removed = await at_once(store.files.add(cover, None), store.files.remove(song.file_id, NOON))
        assert isinstance(added, list | NotFound)
        assert isinstance(removed, list)
        assert kinds(removed) == ["media.track.deleted"] + ["media.file.deleted"] * isinstance(added, list)
        assert [await store.found(file) for file in (song, cover)] == [None, None]


async def test_an_avatar_that_goes_while_another_comes_leaves_the_other(store: Store, ann: UserId) -> None:
    for _ in range(10):
        old = await store.keep(media(ann, AVATAR))
        new = media(ann, AVATAR)
        added, removed = await at_once(store.files.add(new, None), store.files.remove(old.file_id, NOON))
        assert isinstance(added, list)
        assert isinstance(removed, list)
        assert kinds([*added, *removed]) == ["media.avatar.deleted"]
        assert (await store.shown(ann)).avatar_file_id == new.file_id


async def test_a_cover_that_goes_while_it_is_chosen_is_nobodys_cover(store: Store, ann: UserId) -> None:
    for _ in range(10):
        image: MediaFile = await store.keep(media(ann, COVER))
        await at_once(
            store.profiles.edit(ann, editing(cover_file_id=image.file_id)),
            store.files.remove(image.file_id, NOON),
        )
        assert (await store.shown(ann)).cover_file_id is None


async def test_all_files_are_walked_by_their_ids(store: Store, ann: UserId) -> None:
    bob = await store.profile("bob")
    kept = [await store.keep(media(person, kind)) for kind in (COVER, OTHER, AVATAR) for person in (ann, bob)]
    kept.append(await store.keep(track(ann)))
    seen: list[MediaFile] = []
    while page := await store.files.walk(after=seen[-1].file_id if seen else None, limit=3):
        assert len(page) <= 3
        seen += page
    assert seen == sorted(kept, key=lambda file: file.file_id)
    assert await store.files.count() == len(kept)


async def test_a_network_without_files_is_walked_at_once(store: Store) -> None:
    assert (list(await store.files.walk(after=None, limit=1000)), await store.files.count()) == ([], 0)


async def test_noted_keys_are_told(store: Store, ann: UserId) -> None:
    await store.files.reserve(["files/aa/1.png", "files/aa/2.png"], NOON)
    file = await store.keep(media(ann, OTHER))
    await store.files.reserve([file.blob_key], NOON)
    await store.deliver(*await store.files.remove(file.file_id, NOON))
    asked = ["files/aa/1.png", "files/aa/3.png", file.blob_key]
    assert set(await store.files.reserved(asked)) == {"files/aa/1.png", file.blob_key}
    await store.files.release(["files/aa/1.png"])
    assert set(await store.files.reserved(asked)) == {file.blob_key}
    assert list(await store.files.reserved([])) == []
