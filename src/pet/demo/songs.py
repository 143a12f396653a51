"""What the demo's tracks are made of: chords, patterns and instruments. Scores, not sound.

A pattern has one character for each sixteenth of a bar; a dot is silence. A waltz has bars of twelve.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CHORD = re.compile(r"([A-G][b#]?)(.*)")
_ROOTS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_QUALITIES = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10),
    "maj7": (0, 4, 7, 11),
    "add9": (0, 4, 7, 14),
    "9": (0, 4, 10, 14),
    "m9": (0, 3, 10, 14),
}

_CHORD_FLOOR = 53
_BASS_FLOOR = 33
"""The lowest notes of chords (F3) and of the bass (A1)."""


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord in the voicing that keeps all of a song's chords close to each other, as MIDI notes."""

    bass: int
    notes: tuple[int, ...]

    def note(self, index: int) -> int:
        """Return the chord's notes one after the other, upwards through the octaves."""
        octave, place = divmod(index, len(self.notes))
        return self.notes[place] + 12 * octave


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a song is played.

    `lead` has digits, which count through the chord's notes; its patterns alternate from bar to bar. `bass` has 1, 5
    and 8 for root, fifth and octave. `drums` has a drum and its pattern: `x` is a stroke, `o` a softer one. `swing`
    delays every second eighth by that part of a sixteenth. `echo` is the delay of the lead's echo in sixteenths.
    """

    lead_by: str
    lead: tuple[str, ...]
    chords_by: str
    bass: str
    drums: tuple[tuple[str, str], ...]
    swing: float = 0.0
    echo: int = 3
    lead_octave: int = 1


@dataclass(frozen=True, slots=True)
class Score:
    """A song's tempo in quarter notes a minute, its chords, one a bar, and how they are played."""

    tempo: int
    chords: str
    style: Style

    @property
    def bars(self) -> tuple[Chord, ...]:
        """The chords in their order."""
        return tuple(map(chord, self.chords.split()))

    @property
    def steps(self) -> int:
        """Sixteenths in a bar."""
        return len(self.style.bass)

    @property
    def step_seconds(self) -> float:
        """How long a sixteenth is."""
        return 15.0 / self.tempo

    @property
    def seconds(self) -> float:
        """How long the song plays."""
        return len(self.bars) * self.steps * self.step_seconds


def chord(name: str) -> Chord:
    """Read a chord's name, such as `Bbmaj7`."""
    match = _CHORD.fullmatch(name)
    if match is None or match[2] not in _QUALITIES:
        raise ValueError(f"{name!r} is not a chord that the demo can play.")
    letter, accidental = match[1][0], match[1][1:]
    root = (_ROOTS[letter] + {"": 0, "b": -1, "#": 1}[accidental]) % 12
    notes = sorted(_lifted(root + interval, _CHORD_FLOOR) for interval in _QUALITIES[match[2]])
    return Chord(bass=_lifted(root, _BASS_FLOOR), notes=tuple(notes))


def _lifted(note: int, floor: int) -> int:
    """Return the first note of the same name at or above the floor."""
    return floor + (note - floor) % 12


FOLK = Style(
    lead_by="guitar",
    lead_octave=0,
    lead=("0.2.1.2.3.2.1.2.", "0.2.3.4.3.2.1.3."),
    chords_by="strings",
    bass="1.......5.......",
    drums=(("kick", "x.........x....."), ("brush", "....o.......o..."), ("shaker", "o.o.o.o.o.o.o.o.")),
)
WALTZ = Style(
    lead_by="guitar",
    lead_octave=0,
    lead=("0.2.3.4.3.2.", "0.3.2.4.5.4."),
    chords_by="strings",
    bass="1.......5...",
    drums=(("kick", "o..........."), ("brush", "....o...o...")),
    echo=4,
)
SNOWFALL = Style(
    lead_by="bell",
    lead=("0...2...4...3...", "1...3..5....4..."),
    chords_by="strings",
    bass="1...............",
    drums=(("shaker", "o.......o......."),),
    echo=3,
)
BOSSA = Style(
    lead_by="guitar",
    lead_octave=0,
    lead=("0..2..1...3..2..", "0..3..2...4..3.."),
    chords_by="keys",
    bass="1.....5.5.....1.",
    drums=(("rim", "x..x..x...x..x.."), ("shaker", "o.o.o.o.o.o.o.o."), ("kick", "o.......o.......")),
)
SWING = Style(
    lead_by="keys",
    lead=("..0.2...3.2.1...", "0...3.4.....2.3."),
    chords_by="keys",
    bass="1...5...8...5...",
    drums=(("hat", "x...x.o.x...x.o."), ("brush", "....o.......o..."), ("kick", "o.......o.......")),
    swing=0.66,
)
TRAM = Style(
    lead_by="synth",
    lead=("0.1.2.3.2.1.2.3.", "0.2.3.4.3.2.1.2."),
    chords_by="strings",
    bass="1.1.1.1.1.1.1.8.",
    drums=(("kick", "x...x...x...x..."), ("snare", "....x.......x..."), ("hat", "..o...o...o...o.")),
)
NEON = Style(
    lead_by="bell",
    lead=("0...3.2.....4.3.", "2...4.3...1....."),
    chords_by="strings",
    bass="1..1..1.1..1..5.",
    drums=(("kick", "x.......x.x....."), ("snare", "....x.......x..."), ("hat", "o.o.o.o.o.o.o.o.")),
)
HIGHLIFE = Style(
    lead_by="guitar",
    lead_octave=0,
    lead=("0.23.2.4.32.1.2.", "4.32.3.5.43.2.1."),
    chords_by="marimba",
    bass="1..1..5.8..5..1.",
    drums=(("kick", "x.....x.x......."), ("rim", "x..x...x..x.x..."), ("shaker", "o.o.o.o.o.o.o.o.")),
    echo=2,
)
PALMWINE = Style(
    lead_by="marimba",
    lead=("0..2..3.2..4..3.", "3..4..5.4..2..1."),
    chords_by="guitar",
    bass="1...5.1...5.8.5.",
    drums=(("kick", "x.......x......."), ("rim", "..x..x....x..x.."), ("hat", "o.o.o.o.o.o.o.o.")),
)
LOFI = Style(
    lead_by="keys",
    lead=("..2...3.....4.2.", "0.....3.2......."),
    chords_by="keys",
    bass="1.....1...5.....",
    drums=(("kick", "x......x..x....."), ("snare", "....o.......o..."), ("hat", "o.o.o.o.o.o.o.oo")),
    swing=0.4,
)
