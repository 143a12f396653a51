"""Instruments: one note each, as samples between about -1 and 1.

Plain Python without an encoder or an array library, so each instrument is made of what is cheap there: decaying sines
by recurrence, one cycle read at two speeds, a delay line.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from math import cos, exp, pi, sin, sqrt, tau
from operator import add

RATE = 22_050
"""Samples a second: half of a CD's, which keeps a track under 2 MB and its rendering under 2 seconds."""

Samples = list[float]

_CYCLE = 4096
"""Samples of a stored cycle; a power of two, so that an index wraps by a mask."""

_HIGHEST = 0.45 * RATE
_ATTACK_SECONDS = 0.004
_RELEASE_SECONDS = 0.04
_PLUCK_SECONDS = 0.3
_PLUCK_LOUDNESS = 0.2

Partials = Sequence[tuple[float, float, float]]
"""Multiple of the note's frequency, level, and decay per second."""

_KEYS: Partials = ((1, 0.7, 2.6), (2, 0.22, 3.4), (3, 0.08, 5.0), (4, 0.05, 7.0), (7, 0.05, 16.0))
_BELL: Partials = ((1, 0.6, 1.6), (2, 0.2, 2.2), (2.98, 0.12, 3.6), (5.2, 0.06, 6.5))
_MARIMBA: Partials = ((1, 0.8, 6.0), (3.9, 0.2, 14.0), (9.2, 0.06, 30.0))
_BASS: Partials = ((1, 0.8, 2.2), (2, 0.34, 3.5), (3, 0.16, 5.5), (4, 0.06, 8.0))


def hertz_of(note: int) -> float:
    """Return the frequency of a MIDI note number: 69 is the A of 440 hertz."""
    return float(440.0 * 2.0 ** ((note - 69) / 12))


def keys(note: int, seconds: float) -> Samples:
    """Return an electric piano's note."""
    return _struck(note, seconds, _KEYS)


def bell(note: int, seconds: float) -> Samples:
    """Return a music box's note."""
    return _struck(note, seconds, _BELL)


def marimba(note: int, seconds: float) -> Samples:
    """Return a short wooden note."""
    return _struck(note, seconds, _MARIMBA)


def bass(note: int, seconds: float) -> Samples:
    """Return a bass note; its overtones are heard where small speakers drop the fundamental."""
    return _struck(note, seconds, _BASS)


def guitar(note: int, seconds: float) -> Samples:
    """Return a plucked string: noise that circulates in a delay line and loses its edge (Karplus and Strong, 1983).

    The line is as long as one period less the half sample of the averaging; the fraction is interpolated, since whole
    samples would be out of tune.
    """
    period = RATE / hertz_of(note) - 0.5
    length = int(period)
    fraction = period - length
    near, far = 0.5 * (1 - fraction) * 0.998, 0.5 * fraction * 0.998
    middle = near + far
    dice = random.Random(note)  # noqa: S311 - a sound, not a secret
    noise = [dice.uniform(-1, 1) for _ in range(length + 2)]
    offset = sum(noise) / len(noise)  # it would circulate too, and be no sound
    line = [(a + b) * 0.5 - offset for a, b in zip(noise, [noise[-1], *noise[:-1]], strict=True)]
    count = int(seconds * RATE)
    while len(line) < count:
        window = line[-length - 2 :]
        line += [far * a + middle * b + near * c for a, b, c in zip(window, window[1:], window[2:], strict=False)]
    string = line[:count]
    # High strings lose their noise sooner; all of them begin equally loud.
    start = string[: int(_PLUCK_SECONDS * RATE)]
    gain = _PLUCK_LOUDNESS / (sqrt(sum(sample * sample for sample in start) / max(1, len(start))) or 1.0)
    return shaped([gain * sample for sample in string], _ATTACK_SECONDS, _RELEASE_SECONDS)


def strings(note: int, seconds: float) -> Samples:
    """Return a soft sustained note: the same cycle at two speeds a few cents apart, which beat against each other."""
    step = hertz_of(note) * _CYCLE / RATE
    slow, fast, cycle, mask = step * 0.9975, step * 1.0025, _soft_cycle(), _CYCLE - 1
    samples = [cycle[int(i * slow) & mask] + cycle[int(i * fast) & mask] for i in range(int(seconds * RATE))]
    return shaped(samples, min(0.35, seconds / 3), min(0.5, seconds / 3))


def synth(note: int, seconds: float) -> Samples:
    """Return a bright plucked synthesiser's note."""
    step, cycle, mask = hertz_of(note) * _CYCLE / RATE, _bright_cycle(), _CYCLE - 1
    fading = exp(-3.2 / RATE)
    level, samples = 0.9, []
    for i in range(int(seconds * RATE)):
        samples.append(cycle[int(i * step) & mask] * level)
        level *= fading
    return shaped(samples, _ATTACK_SECONDS, _RELEASE_SECONDS)


INSTRUMENTS: dict[str, Callable[[int, float], Samples]] = {
    "bass": bass,
    "bell": bell,
    "guitar": guitar,
    "keys": keys,
    "marimba": marimba,
    "strings": strings,
    "synth": synth,
}


def _struck(note: int, seconds: float, partials: Partials) -> Samples:
    count = int(seconds * RATE)
    total = [0.0] * count
    for multiple, level, decay in partials:
        if (hertz := hertz_of(note) * multiple) < _HIGHEST:
            total = list(map(add, total, ringing(hertz, level, decay, count)))
    return shaped(total, _ATTACK_SECONDS, _RELEASE_SECONDS)


def ringing(hertz: float, level: float, decay: float, count: int) -> Samples:
    """Return a decaying sine by the recurrence of a resonator, which costs two products a sample and no sine."""
    angle, damping = tau * hertz / RATE, exp(-decay / RATE)
    forward, back = 2 * damping * cos(angle), damping * damping
    previous, current = -level * sin(angle) / damping, 0.0
    samples = []
    for _ in range(count):
        samples.append(current)
        previous, current = current, forward * current - back * previous
    return samples


def shaped(samples: Samples, attack_seconds: float, release_seconds: float) -> Samples:
    """Raise the beginning and lower the end smoothly: an edge would click."""
    attack = min(int(attack_seconds * RATE), len(samples))
    release = min(int(release_seconds * RATE), len(samples) - attack)
    for i in range(attack):
        samples[i] *= 0.5 - 0.5 * cos(pi * i / attack)
    for i in range(release):
        samples[-1 - i] *= 0.5 - 0.5 * cos(pi * i / release)
    return samples


@cache
def _soft_cycle() -> tuple[float, ...]:
    return _cycle([0.3 / k**1.8 for k in range(1, 9)])


@cache
def _bright_cycle() -> tuple[float, ...]:
    return _cycle([0.6 / k**1.25 for k in range(1, 10)])


def _cycle(levels: Sequence[float]) -> tuple[float, ...]:
    """Return one cycle of the harmonics' sum; few enough harmonics that none is folded back at the highest notes."""
    return tuple(sum(level * sin(tau * k * i / _CYCLE) for k, level in enumerate(levels, 1)) for i in range(_CYCLE))
