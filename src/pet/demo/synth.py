"""The band: plays a score into two channels of samples.

Every note is rendered once and then added wherever it sounds; all loops over samples run inside `map`, `zip` and
comprehensions, which is what makes plain Python fast enough.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt, tanh
from operator import add

from pet.demo.drums import DRUMS
from pet.demo.instruments import INSTRUMENTS, RATE, Samples
from pet.demo.songs import Chord, Score

LOUDNESS = 0.17
"""The mean level (RMS) that every track is brought to, so that none startles after another."""

_FADE_SECONDS = 2.5
_ECHO = 0.34
_ROOM_LEFT = (1_187, 1_373, 1_601)
_ROOM_RIGHT = (1_231, 1_409, 1_559)
"""Delays of the room's reflections in samples: 54 to 73 ms, without common divisors, so that none stands out."""

_ROOM_FEEDBACK = 0.72
_BASS_NOTES = {"1": 0, "5": 7, "8": 12}


@dataclass(slots=True)
class _Channel:
    """One instrument's sound over the whole song."""

    count: int
    samples: Samples = field(init=False)

    def __post_init__(self) -> None:
        self.samples = [0.0] * self.count

    def play(self, second: float, note: Sequence[float], level: float = 1.0) -> None:
        """Add a note at its time; what rings beyond the end is cut."""
        start = int(second * RATE)
        room = max(0, self.count - start)
        sounding = note[:room]
        loud = sounding if level == 1.0 else [level * sample for sample in sounding]
        self.samples[start : start + len(loud)] = map(add, self.samples[start : start + len(loud)], loud)


class _Band:
    """Plays one score, or its beginning."""

    def __init__(self, score: Score, seconds: float) -> None:
        self._score = score
        self._seconds = seconds
        self._count = int(seconds * RATE)
        self._notes: dict[tuple[str, int, float], Samples] = {}
        self.chords, self.lead, self.bass, self.drums = (_Channel(self._count) for _ in range(4))

    def perform(self) -> None:
        """Play all bars; the last one is a chord that rings out."""
        bars = self._score.bars
        for number, bar in enumerate(bars):
            begin = number * self._score.steps * self._score.step_seconds
            if begin >= self._seconds:
                return
            if number == len(bars) - 1:
                self._close(begin, bar)
            else:
                self._chords(begin, bar)
                self._lead(begin, bar, number)
                self._bass(begin, bar)
                self._drums(begin)

    def _chords(self, begin: float, bar: Chord) -> None:
        style, length = self._score.style, self._score.steps * self._score.step_seconds
        if style.chords_by == "strings":
            strokes, lasting = [0], length + 0.3
        else:
            strokes, lasting = [step for step in (0, 6, 12) if step < self._score.steps], length * 0.45
        for step in strokes:
            for note in bar.notes:
                self.chords.play(self._time(begin, step), self._note(style.chords_by, note, lasting))

    def _lead(self, begin: float, bar: Chord, number: int) -> None:
        style = self._score.style
        pattern = style.lead[number % len(style.lead)]
        for step, sign in enumerate(pattern):
            if sign != ".":
                note = self._note(style.lead_by, bar.note(int(sign)) + 12 * style.lead_octave, 1.1)
                self.lead.play(self._time(begin, step), note, 1.0 if step % 4 == 0 else 0.78)

    def _bass(self, begin: float, bar: Chord) -> None:
        signs = [(step, sign) for step, sign in enumerate(self._score.style.bass) if sign != "."]
        ends = [step for step, _ in signs[1:]] + [self._score.steps]
        for (step, sign), end in zip(signs, ends, strict=True):
            lasting = round((end - step) * self._score.step_seconds * 0.95, 3)
            self.bass.play(self._time(begin, step), self._note("bass", bar.bass + _BASS_NOTES[sign], lasting))

    def _drums(self, begin: float) -> None:
        for drum, pattern in self._score.style.drums:
            for step, sign in enumerate(pattern):
                if sign != ".":
                    self.drums.play(self._time(begin, step), DRUMS[drum](), 1.0 if sign == "x" else 0.55)

    def _close(self, begin: float, bar: Chord) -> None:
        style, rest = self._score.style, self._score.steps * self._score.step_seconds
        for index, note in enumerate(bar.notes):
            self.chords.play(begin, self._note(style.chords_by, note, rest))
            self.lead.play(begin + 0.05 * index, self._note(style.lead_by, note + 12 * style.lead_octave, rest))
        self.bass.play(begin, self._note("bass", bar.bass, rest))

    def _time(self, begin: float, step: int) -> float:
        late = self._score.style.swing if step % 4 == 2 else 0.0
        return begin + (step + late) * self._score.step_seconds

    def _note(self, instrument: str, note: int, seconds: float) -> Samples:
        key = (instrument, note, seconds)
        if key not in self._notes:
            self._notes[key] = INSTRUMENTS[instrument](note, seconds)
        return self._notes[key]


def play(score: Score, seconds: float | None = None) -> array[int]:
    """Return a song as interleaved stereo samples of 16 bits, or its first seconds; it fades out at the end."""
    band = _Band(score, min(seconds or score.seconds, score.seconds))
    band.perform()
    lead, delay = band.lead.samples, int(score.style.echo * score.step_seconds * RATE)
    sides = (
        _side(band, _delayed(lead, delay, _ECHO), 1.0, _ROOM_LEFT),
        _side(band, _delayed(lead, 2 * delay, _ECHO), 0.72, _ROOM_RIGHT),
    )
    return _mastered(*sides)


def _side(band: _Band, echo: Samples, lead_level: float, delays: Sequence[int]) -> Samples:
    """Mix one channel: the lead stands left of the middle, its echoes wander, and the room differs."""
    parts = zip(band.chords.samples, band.lead.samples, echo, strict=True)
    tuneful = [0.26 * chords + 0.55 * lead_level * lead + 0.55 * late for chords, lead, late in parts]
    room = _reflected(tuneful, delays)
    rhythm = zip(tuneful, room, band.bass.samples, band.drums.samples, strict=True)
    return [dry + wet + 0.4 * bass + 0.55 * drums for dry, wet, bass, drums in rhythm]


def _delayed(samples: Samples, delay: int, level: float) -> Samples:
    """Return the echo alone."""
    late = [level * sample for sample in samples[: max(0, len(samples) - delay)]]
    return ([0.0] * delay + late)[: len(samples)]


def _reflected(samples: Samples, delays: Sequence[int]) -> Samples:
    """Return what a small room answers: each wall sends back what came a delay ago, duller each time."""
    total = [0.0] * len(samples)
    for delay in delays:
        answer: Samples = [0.0] * delay
        for start in range(0, len(samples) - delay, delay):
            block, before = samples[start : start + delay], answer[start : start + delay]
            shifted = [before[0], *before[:-1]]
            answer += [
                0.07 * sample + _ROOM_FEEDBACK * 0.5 * (a + b)
                for sample, a, b in zip(block, before, shifted, strict=True)
            ]
        total = list(map(add, total, answer[: len(samples)]))
    return total


def _mastered(left: Samples, right: Samples) -> array[int]:
    """Bring both channels to the common loudness, round the peaks off, fade out, and interleave."""
    energy = sum(a * a + b * b for a, b in zip(left, right, strict=True))
    gain = LOUDNESS / (sqrt(energy / (2 * len(left))) or 1.0)
    fading = _fade(len(left))
    samples = array("h", bytes(4 * len(left)))
    for offset, side in ((0, left), (1, right)):
        rounded = (int(32_000 * level * tanh(gain * sample)) for sample, level in zip(side, fading, strict=True))
        samples[offset::2] = array("h", rounded)
    return samples


def _fade(count: int) -> Samples:
    length = min(int(_FADE_SECONDS * RATE), count // 2)
    return [1.0] * (count - length) + [(i / length) ** 1.5 for i in range(length, 0, -1)]
