"""Drums: soft ones, each the same samples at every stroke."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from math import exp, sin, tau

from pet.demo.instruments import RATE, Samples, ringing, shaped


@cache
def kick() -> tuple[float, ...]:
    """Return a bass drum: a sine that falls from 130 to 46 hertz."""
    phase, samples = 0.0, []
    for i in range(int(0.32 * RATE)):
        second = i / RATE
        phase += tau * (46 + 84 * exp(-second * 32)) / RATE
        samples.append(0.95 * sin(phase) * exp(-second * 9))
    return tuple(shaped(samples, attack_seconds=0.002, release_seconds=0.03))


@cache
def snare() -> tuple[float, ...]:
    """Return a snare drum: noise over a short tone."""
    noise = _noise(seed=1, seconds=0.18, decay=22)
    tone = ringing(185, 0.35, 26, len(noise))
    return tuple(0.42 * a + b for a, b in zip(noise, tone, strict=True))


@cache
def brush() -> tuple[float, ...]:
    """Return a brush on a snare drum."""
    return tuple(0.3 * sample for sample in _noise(seed=2, seconds=0.16, decay=24))


@cache
def rim() -> tuple[float, ...]:
    """Return a stick on the rim."""
    tones = (ringing(hertz, 0.3, decay, int(0.09 * RATE)) for hertz, decay in ((620, 60), (1_650, 75), (2_900, 110)))
    return tuple(map(sum, zip(*tones, strict=True)))


@cache
def hat() -> tuple[float, ...]:
    """Return a closed hi-hat: the high part of noise."""
    return _high(_noise(seed=3, seconds=0.07, decay=60), 0.22)


@cache
def shaker() -> tuple[float, ...]:
    """Return a shaker: a hi-hat that swells."""
    noise = _high(_noise(seed=4, seconds=0.09, decay=34), 0.2)
    return tuple(sample * min(1.0, i / 500) for i, sample in enumerate(noise))


DRUMS: dict[str, Callable[[], tuple[float, ...]]] = {
    "kick": kick,
    "snare": snare,
    "brush": brush,
    "rim": rim,
    "hat": hat,
    "shaker": shaker,
}


def _noise(*, seed: int, seconds: float, decay: float) -> Samples:
    dice = random.Random(seed)  # noqa: S311 - a sound, not a secret
    count = int(seconds * RATE)
    end = count - 1
    return [dice.uniform(-1, 1) * exp(-decay * i / RATE) * min(1.0, (end - i) / 200) for i in range(count)]


def _high(noise: Samples, level: float) -> tuple[float, ...]:
    """Return the difference of neighbours, in which low tones cancel out."""
    return tuple(level * (b - a) for a, b in zip([0.0, *noise], noise, strict=False))
