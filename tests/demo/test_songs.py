"""Scores can be played: chords have names that are read, and patterns fit their bars."""

from __future__ import annotations

import pytest

from pet.demo.drums import DRUMS
from pet.demo.instruments import INSTRUMENTS
from pet.demo.people import PEOPLE, Song
from pet.demo.songs import Chord, chord

SONGS = [song for person in PEOPLE for album in person.albums for song in album.songs]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("Am", Chord(33, (57, 60, 64)), id="minor"),
        pytest.param("C", Chord(36, (55, 60, 64)), id="major_in_a_near_voicing"),
        pytest.param("Bbmaj7", Chord(34, (53, 57, 58, 62)), id="flat_root_and_major_seventh"),
        pytest.param("F#m7", Chord(42, (54, 57, 61, 64)), id="sharp_root_and_minor_seventh"),
        pytest.param("G9", Chord(43, (53, 55, 57, 59)), id="ninth_without_fifth"),
    ],
)
def test_a_chord_is_read_from_its_name(name: str, expected: Chord) -> None:
    assert chord(name) == expected


@pytest.mark.parametrize("name", ["", "H", "Amin", "am", "C/G"])
def test_a_chord_that_cannot_be_played_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a chord that the demo can play"):
        chord(name)


def test_the_notes_of_a_chord_go_on_upwards_through_the_octaves() -> None:
    assert [chord("Am").note(index) for index in range(7)] == [57, 60, 64, 69, 72, 76, 81]


@pytest.mark.parametrize("song", SONGS, ids=lambda song: song.title)
def test_every_pattern_fills_its_bar_with_signs_that_are_known(song: Song) -> None:
    style, steps = song.score.style, song.score.steps
    drums = [pattern for _, pattern in style.drums]
    assert {len(pattern) for pattern in (*style.lead, style.bass, *drums)} == {steps}
    assert steps in {12, 16}
    assert set("".join(style.lead)) <= set(".0123456789")
    assert set(style.bass) <= set(".158")
    assert set("".join(drums)) <= set(".xo")
    assert {style.lead_by, style.chords_by} <= set(INSTRUMENTS)
    assert {drum for drum, _ in style.drums} <= set(DRUMS)


@pytest.mark.parametrize("song", SONGS, ids=lambda song: song.title)
def test_every_song_is_as_long_as_a_taste_of_it_should_be(song: Song) -> None:
    assert 15 <= song.score.seconds <= 25


def test_there_are_a_dozen_songs_in_different_tempi() -> None:
    assert len(SONGS) == 12
    assert len({song.title for song in SONGS}) == 12
    assert len({song.score.tempo for song in SONGS}) == 12
