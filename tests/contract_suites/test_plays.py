"""What every `Plays` does, whatever its engine."""

from __future__ import annotations

import pytest
from tests.contract_suites.scene import ANN, Store, after, twenty

from pet.domain.events import TrackPlayed
from pet.domain.ids import FileId, UserId
from pet.domain.plays import PLAY_WINDOW

TRACK = FileId("track")


def play(minutes: float = 0) -> TrackPlayed:
    return TrackPlayed(user_id=ANN, file_id=TRACK, occurred_at=after(minutes))


async def record(store: Store, *, track: FileId = TRACK, listener: str = "bob", minutes: float = 0) -> bool:
    return await store.plays.record(track, listener, play(minutes), window=PLAY_WINDOW)


async def test_a_play_counts_with_its_event(store: Store) -> None:
    event = play()
    assert await store.plays.record(TRACK, "bob", event, window=PLAY_WINDOW)
    assert await store.pending() == [event]


async def test_a_second_play_within_the_window_counts_nothing_and_moves_nothing(store: Store) -> None:
    counted = [await record(store, minutes=minutes) for minutes in (0, 0, 20, 29.999, 30, 45, 60)]
    assert counted == [True, False, False, False, True, False, True]
    assert len(await store.pending()) == 3


async def test_every_listener_and_every_track_has_a_window_of_its_own(store: Store) -> None:
    counted = [
        await record(store),
        await record(store, listener="eve"),
        await record(store, track=FileId("other")),
        await record(store),
    ]
    assert counted == [True, True, True, False]


@pytest.mark.parametrize("minutes_before", [None, 30])
async def test_of_twenty_plays_at_once_one_counts(store: Store, minutes_before: int | None) -> None:
    if minutes_before is not None:
        await record(store, minutes=-minutes_before)
    before = len(await store.pending())
    assert sum(await twenty(lambda: record(store))) == 1
    assert len(await store.pending()) == before + 1


async def test_a_play_is_not_noted_without_its_event(store: Store) -> None:
    taken = play()
    await store.plays.record(FileId("other"), "bob", taken, window=PLAY_WINDOW)
    with pytest.raises(store.refusal):
        await store.plays.record(TRACK, "bob", taken, window=PLAY_WINDOW)
    assert await record(store)


async def test_plays_are_forgotten_that_no_longer_matter(store: Store) -> None:
    for number in range(3):
        await record(store, listener=str(number), minutes=number)
    await store.plays.trim(before=after(1))
    counted = [await record(store, listener=str(number), minutes=number) for number in range(3)]
    assert counted == [True, False, False]


async def test_what_someone_listened_to_is_forgotten_with_them(store: Store) -> None:
    for listener in ("bob", "eve"):
        await record(store, listener=listener)
    for _ in range(2):
        await store.plays.purge(UserId("bob"))
    assert [await record(store, listener=listener) for listener in ("bob", "eve")] == [True, False]
