"""What every `Waveforms` does, whatever its engine: notes, claims, and what is left of them when a track goes."""

from __future__ import annotations

import pytest
from tests.contract_suites.scene import NOON, Store, after, at_once, media, track, twenty

from pet.domain.events import TrackUploaded
from pet.domain.files import FileType, MediaFile
from pet.domain.ids import FileId, UserId
from pet.domain.waveforms import LOUDEST, POINTS, Claim, Processing, Waveform

PEAKS = bytes([0, 1, 127, 128, LOUDEST]) * (POINTS // 5)


@pytest.fixture
async def ann(store: Store) -> UserId:
    """Someone with a profile."""
    return await store.profile("ann")


async def published(store: Store, owner: UserId, *, minutes: int = 0) -> MediaFile:
    """Publish a track, with all that its event causes."""
    song = track(owner, minutes=minutes)
    event = TrackUploaded(user_id=owner, occurred_at=song.created_at, file_id=song.file_id)
    await store.deliver(*await store.files.add(song, event))
    return song


async def shown(store: Store, *songs: MediaFile) -> list[Waveform | None]:
    """Return what there is of some tracks."""
    found = await store.waveforms.get_many([song.file_id for song in songs])
    return [found.get(song.file_id) for song in songs]


async def claimed(store: Store, *, now: float = 60, until: float = 61) -> Claim:
    """Claim a track that must be due."""
    claim = await store.waveforms.claim(after(now), until=after(until))
    assert claim is not None
    return claim


async def due(store: Store, *, now: float = 60) -> bool:
    """Tell whether a track is due, without keeping it."""
    claim = await store.waveforms.claim(after(now), until=after(now + 1))
    return claim is not None and await store.waveforms.put_off(claim, until=after(now), counts=False)


async def test_a_published_track_wants_a_waveform_and_gets_it(store: Store, ann: UserId) -> None:
    song = await published(store, ann)
    assert await shown(store, song) == [Waveform(song.file_id, Processing.PENDING)]
    claim = await claimed(store)
    assert claim == Claim(song.file_id, after(61), 1)
    assert await shown(store, song) == [Waveform(song.file_id, Processing.PENDING)]
    assert await store.waveforms.finish(claim, PEAKS)
    assert await shown(store, song) == [Waveform(song.file_id, Processing.READY, PEAKS)]
    assert not await due(store, now=10_000)


async def test_images_and_other_audio_want_none(store: Store, ann: UserId) -> None:
    for file in (media(ann, FileType.COVER), track(ann, kind=FileType.OTHER)):
        await store.keep(file)
    assert await store.waveforms.want_missing(NOON, after=None, limit=500) is None
    assert not await due(store)


async def test_an_event_that_is_delivered_again_notes_nothing_more(store: Store, ann: UserId) -> None:
    song = track(ann)
    event = TrackUploaded(user_id=ann, occurred_at=NOON, file_id=song.file_id)
    await store.deliver(*await store.files.add(song, event))
    assert await store.waveforms.finish(await claimed(store), PEAKS)
    await store.deliver(event)
    await store.waveforms.want_missing(NOON, after=None, limit=500)
    assert await shown(store, song) == [Waveform(song.file_id, Processing.READY, PEAKS)]
    assert not await due(store)


async def test_what_became_due_last_comes_first(store: Store, ann: UserId) -> None:
    songs = [await published(store, ann, minutes=minutes) for minutes in (2, 1, 3, 90)]
    order = [(await claimed(store, until=200)).file_id for _ in range(3)]
    assert order == [songs[2].file_id, songs[0].file_id, songs[1].file_id]
    assert not await due(store)
    assert (await claimed(store, now=90, until=200)).file_id == songs[3].file_id


async def test_a_track_that_is_held_is_nobody_elses_until_then(store: Store, ann: UserId) -> None:
    song = await published(store, ann)
    first = await claimed(store, until=61)
    assert await store.waveforms.claim(after(60.99), until=after(70)) is None
    held = await store.waveforms.hold(first, until=after(62))
    assert held == Claim(song.file_id, after(62), 1)
    assert await store.waveforms.claim(after(61.5), until=after(70)) is None
    second = await claimed(store, now=62, until=63)
    assert second == Claim(song.file_id, after(63), 2)


async def test_whoever_is_late_changes_nothing_but_may_finish(store: Store, ann: UserId) -> None:
    song = await published(store, ann)
    late = await claimed(store)
    second = await claimed(store, now=61, until=65)
    assert await store.waveforms.hold(late, until=after(99)) is None
    assert not await store.waveforms.put_off(late, until=after(0), counts=True)
    assert not await store.waveforms.give_up(late)
    assert await store.waveforms.claim(after(64), until=after(70)) is None
    assert await store.waveforms.finish(late, PEAKS)
    assert not await store.waveforms.finish(second, bytes(POINTS))
    assert await store.waveforms.hold(second, until=after(99)) is None
    assert await shown(store, song) == [Waveform(song.file_id, Processing.READY, PEAKS)]


async def test_attempts_count_where_they_should(store: Store, ann: UserId) -> None:
    song = await published(store, ann)
    for counts, attempt in ((False, 1), (True, 1), (False, 2), (True, 2)):
        claim = await claimed(store)
        assert claim.attempt == attempt
        assert await store.waveforms.put_off(claim, until=after(30), counts=counts)
    claim = await claimed(store)
    assert claim.attempt == 3
    assert await store.waveforms.give_up(claim)
    assert await shown(store, song) == [Waveform(song.file_id, Processing.FAILED)]
    assert not await due(store, now=10_000)


async def test_a_track_that_was_put_off_waits(store: Store, ann: UserId) -> None:
    song = await published(store, ann)
    assert await store.waveforms.put_off(await claimed(store), until=after(70), counts=True)
    assert await shown(store, song) == [Waveform(song.file_id, Processing.PENDING)]
    assert [await due(store, now=now) for now in (69, 70)] == [False, True]


async def test_a_deleted_track_leaves_nothing(store: Store, ann: UserId) -> None:
    for is_finished in (False, True):
        song = await published(store, ann)
        claim = await claimed(store)
        if is_finished:
            assert await store.waveforms.finish(claim, PEAKS)
        await store.deliver(*await store.files.remove(song.file_id, NOON))
        assert await store.waveforms.hold(claim, until=after(99)) is None
        assert not await store.waveforms.finish(claim, PEAKS)
        assert not await store.waveforms.put_off(claim, until=NOON, counts=True)
        assert not await store.waveforms.give_up(claim)
        assert await shown(store, song) == [None]
        assert not await due(store, now=10_000)


async def test_a_track_that_was_deleted_before_its_event_came_wants_none(store: Store, ann: UserId) -> None:
    song = track(ann)
    event = TrackUploaded(user_id=ann, occurred_at=NOON, file_id=song.file_id)
    uploaded = await store.files.add(song, event)
    removed = await store.files.remove(song.file_id, NOON)
    await store.deliver(*uploaded, *removed)
    assert await shown(store, song) == [None]
    assert not await due(store)


async def test_tracks_from_before_are_noted_step_by_step(store: Store, ann: UserId) -> None:
    known = await published(store, ann)
    assert await store.waveforms.finish(await claimed(store), PEAKS)
    songs = [await store.keep(track(ann)) for _ in range(3)]
    await store.keep(media(ann, FileType.OTHER))
    steps, at = [], after(5)
    last: FileId | None = None
    while (last := await store.waveforms.want_missing(at, after=last, limit=2)) is not None:
        steps.append(last)
    assert len(steps) == 2
    assert await shown(store, *songs) == [Waveform(song.file_id, Processing.PENDING) for song in songs]
    assert await shown(store, known) == [Waveform(known.file_id, Processing.READY, PEAKS)]
    assert await store.waveforms.claim(after(4), until=after(9)) is None
    assert {(await claimed(store)).file_id for _ in songs} == {song.file_id for song in songs}
    assert await store.waveforms.want_missing(at, after=None, limit=500) is None
    assert not await due(store)


async def test_nothing_is_found_of_nothing(store: Store) -> None:
    assert await store.waveforms.get_many([]) == {}
    assert await store.waveforms.get_many([FileId("nobody")]) == {}
    assert await store.waveforms.want_missing(NOON, after=None, limit=1) is None


async def test_of_twenty_at_once_each_gets_a_track_of_its_own(store: Store, ann: UserId) -> None:
    songs = [await published(store, ann) for _ in range(3)]
    claims = [claim for claim in await twenty(lambda: store.waveforms.claim(after(60), until=after(61))) if claim]
    while len(claims) < len(songs):  # whoever is beaten to a track may go without one
        claims.append(await claimed(store))
    assert sorted(claim.file_id for claim in claims) == sorted(song.file_id for song in songs)
    assert {claim.attempt for claim in claims} == {1}


async def test_a_track_that_is_deleted_while_it_is_noted_leaves_nothing(store: Store, ann: UserId) -> None:
    songs = [await store.keep(track(ann)) for _ in range(10)]

    async def remove(song: MediaFile) -> FileId | None:
        await store.files.remove(song.file_id, NOON)
        return None

    noting = [store.waveforms.want_missing(NOON, after=None, limit=500) for _ in range(3)]
    assert await at_once(noting[0], *map(remove, songs), *noting[1:]) == [None] * 13
    assert await shown(store, *songs) == [None] * 10
    assert not await due(store)
