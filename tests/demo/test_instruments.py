"""Instruments are in tune, start and stop without a click, and are about equally loud."""

from __future__ import annotations

import numpy as np
import pytest

from pet.demo.drums import DRUMS
from pet.demo.instruments import INSTRUMENTS, RATE, hertz_of
from pet.demo.songs import FOLK, Score
from pet.demo.synth import LOUDNESS, play

BEATING = {"strings": 10.0}
"""Two voices that beat stand this many cents beside the note at most."""


def measured_hertz(samples: list[float], near: float) -> float:
    size = 1 << 18
    spectrum = np.abs(np.fft.rfft(np.array(samples) * np.hanning(len(samples)), size))
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    close = (hertz > near * 0.9) & (hertz < near * 1.1)
    return float(hertz[close][spectrum[close].argmax()])


@pytest.mark.parametrize("note", [45, 57, 69, 76])
@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_an_instrument_is_in_tune(instrument: str, note: int) -> None:
    expected = hertz_of(note)
    measured = measured_hertz(INSTRUMENTS[instrument](note, 1.0), expected)
    assert abs(1200 * np.log2(measured / expected)) < BEATING.get(instrument, 2.0)


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_a_note_has_its_length_and_neither_clicks_nor_shouts(instrument: str) -> None:
    samples = INSTRUMENTS[instrument](57, 0.5)
    assert len(samples) == RATE // 2
    assert abs(samples[0]) < 0.01
    assert abs(samples[-1]) < 0.01
    assert 0.3 < max(map(abs, samples)) < 1.5


@pytest.mark.parametrize("drum", DRUMS)
def test_a_drum_ends_in_silence(drum: str) -> None:
    samples = DRUMS[drum]()
    assert abs(samples[-1]) < 0.03
    assert 0.1 < max(map(abs, samples)) < 1.2


def test_a_song_is_brought_to_the_common_loudness_and_fades_out() -> None:
    sides = np.array(play(Score(120, "C F G C", FOLK), 4.0)).reshape(-1, 2) / 32_000
    assert sides.shape == (4 * RATE, 2)
    steady = sides[: 2 * RATE]
    assert 0.6 * LOUDNESS < np.sqrt((steady**2).mean()) < 1.6 * LOUDNESS
    assert np.abs(sides).max() < 1.0
    assert np.abs(sides[-100:]).max() < 0.001
    assert not np.array_equal(sides[:, 0], sides[:, 1])
