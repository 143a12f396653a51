"""Sound that tells what time it is: its pitch rises, so that any piece of it says from when it is."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

from tests.media_factory import _encoded

FIRST_HERTZ = 400.0
HERTZ_PER_SECOND = 200.0
PERIOD_SECONDS = 20.0
"""After so long the pitch begins anew: a decoder that is wrong by just that does not come along."""

WINDOW_SECONDS = 0.1
SECONDS = 60.0

Floats = npt.NDArray[np.float64]


def mp3() -> bytes:
    """Return a minute as MP3."""
    return _encoded("mp3", "libmp3lame", _chirp(44_100), bit_rate=128_000)


def ogg_opus() -> bytes:
    """Return a minute as Opus in OGG."""
    return _encoded("ogg", "libopus", _chirp(48_000), rate=48_000, bit_rate=96_000)


def m4a() -> bytes:
    """Return a minute as AAC in MP4."""
    return _encoded("ipod", "aac", _chirp(44_100), bit_rate=96_000)


def wav() -> bytes:
    """Return a minute as WAV."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setparams((1, 2, 44_100, 0, "NONE", ""))
        writer.writeframes(_chirp(44_100).tobytes())
    return buffer.getvalue()


def flac() -> bytes:
    """Return a minute as FLAC."""
    return _encoded("flac", "flac", _chirp(44_100))


MAKERS: dict[str, Callable[[], bytes]] = {"mp3": mp3, "ogg": ogg_opus, "m4a": m4a, "wav": wav, "flac": flac}


@cache
def chirp(kind: str) -> bytes:
    """Return the file of a kind: a key of `MAKERS`."""
    return MAKERS[kind]()


def seconds_at(samples: npt.ArrayLike, rate: int) -> float:
    """Return the time at which a piece begins, within its period of 20 seconds; it has to last a tenth of a second."""
    length = round(WINDOW_SECONDS * rate)
    piece = np.asarray(samples, dtype=np.float64)[:length] * np.hanning(length)
    padded = 16 * length
    loudness: Floats = np.abs(np.fft.rfft(piece, padded))
    hertz = int(loudness.argmax()) * rate / padded
    return (hertz - FIRST_HERTZ) / HERTZ_PER_SECOND - WINDOW_SECONDS / 2


def _chirp(rate: int) -> npt.NDArray[np.int16]:
    times = np.arange(round(SECONDS * rate)) / rate % PERIOD_SECONDS
    cycles = FIRST_HERTZ * times + HERTZ_PER_SECOND * times**2 / 2
    return (np.sin(2 * np.pi * cycles) * 12_000).astype(np.int16)
