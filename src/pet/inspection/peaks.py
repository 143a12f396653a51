"""Peaks: how loud a sound is from its start to its end, by decoding all of it. Runs in a worker, and never in a hurry.

Memory stays constant whatever the sound's length: peaks are gathered in slots of a millisecond, and when there are too
many slots, each two become one.
"""

# mypy: disable-error-code="no-untyped-call"
# mutagen's functions carry no annotations.

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from mutagen.mp3 import skip_id3

from pet.domain.media import AudioFormat
from pet.domain.waveforms import LOUDEST, POINTS, loudest
from pet.inspection.decoding import opened
from pet.inspection.worker import UnreadableError

_SLOT_SECONDS = 0.001
_MAX_SLOTS = 4 * POINTS
"""At least a half of them are in use for all that plays longer than two seconds, two for each peak."""

_FULL_SCALE = 32768
_BYTES_PER_SAMPLE = 2


def read_peaks(file: BinaryIO, container: AudioFormat) -> bytes:
    """Return `POINTS` peaks, the loudest of all channels in equal parts of the sound, from 0 to `LOUDEST`.

    What follows damage in the middle of a file counts; where nothing can be decoded, there is no waveform.

    Raises:
        UnreadableError: no sound was decoded.
        Exception: the file is damaged; PyAV raises errors of many kinds.
    """
    slots = _Slots()
    for samples, channels, rate in _samples(file, container):
        slots.add(samples, channels, rate)
    return slots.peaks()


def _samples(file: BinaryIO, container: AudioFormat) -> Iterator[tuple[bytes, int, int]]:
    """Yield the sound in pieces: 16-bit samples of the machine's byte order, channels side by side; and the rate."""
    resampler, kind = AudioResampler(format="s16"), ("", "", 0)
    for frame in _frames(file, container):
        if kind != (kind := (frame.format.name, frame.layout.name, frame.rate)):
            resampler = AudioResampler(format="s16")  # one takes one kind of sound; a chained Ogg has several
        for packed in resampler.resample(frame):
            channels = packed.layout.nb_channels
            size = packed.samples * channels * _BYTES_PER_SAMPLE
            yield bytes(packed.planes[0])[:size], channels, packed.rate


def _frames(file: BinaryIO, container: AudioFormat) -> Iterator[AudioFrame]:
    file.seek(0)
    skip_id3(file)
    with opened(file, container, file.tell()) as source:
        if not source.streams.audio:
            raise UnreadableError("no stream of sound")
        stream = source.streams.audio[0]
        stream.codec_context.thread_count = 1
        with suppress(av.error.FFmpegError):  # what comes after cannot be found; what came before is a sound
            for packet in source.demux(stream):
                with suppress(av.error.FFmpegError):  # a damaged packet is no more than that
                    yield from packet.decode()


class _Slots:
    """Peaks of short times, from 0 to `_FULL_SCALE`."""

    def __init__(self) -> None:
        self._slots: list[int] = []
        self._slot_seconds = _SLOT_SECONDS
        self._elapsed_seconds = 0.0
        self._peak = 0
        self._is_begun = False

    def add(self, samples: bytes, channels: int, rate: int) -> None:
        """Add a piece of sound."""
        step = channels * _BYTES_PER_SAMPLE
        start = 0
        while start < len(samples):
            ends_at = (len(self._slots) + 1) * self._slot_seconds
            count = max(1, round((ends_at - self._elapsed_seconds) * rate))
            piece = samples[start : start + count * step]
            self._peak, self._is_begun = _raised(self._peak, piece), True
            self._elapsed_seconds += len(piece) // step / rate
            start += len(piece)
            if len(piece) == count * step:
                self._end_slot()

    def peaks(self) -> bytes:
        """Return the peaks of the whole.

        Raises:
            UnreadableError: there was no sound.
        """
        if self._is_begun:
            self._end_slot()
        if not self._slots:
            raise UnreadableError("no sound was decoded")
        return loudest(bytes(round(peak * LOUDEST / _FULL_SCALE) for peak in self._slots), POINTS)

    def _end_slot(self) -> None:
        self._slots.append(self._peak)
        self._peak, self._is_begun = 0, False
        if len(self._slots) == _MAX_SLOTS:
            self._slots = [max(pair) for pair in zip(self._slots[::2], self._slots[1::2], strict=True)]
            self._slot_seconds *= 2


def _raised(peak: int, samples: bytes) -> int:
    """Return the larger one of a peak and that of some samples.

    Most samples are quieter than the peak so far, which their upper bytes tell: those are looked at in C, a hundred
    times as fast as numbers in Python. The rest is looked at exactly.
    """
    if peak >= _FULL_SCALE - 1 or not samples[_UPPER::2].translate(None, _NO_LOUDER[peak >> 8]):
        return peak
    numbers = array("h", samples)
    return max((peak, max(numbers), -min(numbers)))


def _loudest_with(upper: int) -> int:
    """Return how loud a sample with this upper byte can be."""
    return upper * 256 + 255 if upper < 128 else (256 - upper) * 256


_UPPER = 1 if sys.byteorder == "little" else 0

_NO_LOUDER = [bytes(upper for upper in range(256) if _loudest_with(upper) <= level * 256) for level in range(129)]
"""For each upper byte of a peak, those upper bytes with which no sample is louder."""
