"""Audio files: which container the bytes are, how long they play and at what bitrate. Tags are read elsewhere (`tags`).

Runs in a worker. The container is told by content alone; a file's name and the client's word count for nothing.
"""

# mypy: disable-error-code="no-untyped-call"
# mutagen's functions carry no annotations.

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import BinaryIO

from mutagen.mp3 import skip_id3

from pet.domain.media import AudioFormat
from pet.inspection import decoding, flac, mpeg, ogg
from pet.inspection.facts import AudioStream
from pet.inspection.worker import UnreadableError

MAX_DURATION_SECONDS = 7 * 24 * 60 * 60
"""A header that claims more than a week lies: the largest upload would have to play at 1 kbit/s."""

MAX_BITRATE_KBPS = 100_000
"""A header that claims more lies too: eight channels of 32 bits at 192 kHz are half of it."""

_CHUNK = struct.Struct("<4sI")
_WAVE_FORMAT = struct.Struct("<HHIIHH")
"""Format tag, channels, samples per second, bytes per second, bytes per sample of all channels, bits per sample."""

_SAMPLED_WAV = frozenset({0x0001, 0x0003, 0x0006, 0x0007, 0xFFFE})
"""WAVE format tags of plain samples: PCM, float, A-law, mu-law, extensible. Browsers play no others, and a header of
compressed sound does not tell the duration."""


def read_stream(file: BinaryIO) -> AudioStream:
    """Return what an audio file holds, without its tags.

    Raises:
        UnreadableError: the file is in none of the formats, holds no sound, or tells what cannot be.
        Exception: the file is damaged; parsers raise errors of many kinds.
    """
    file.seek(0)
    skip_id3(file)
    start = file.tell()
    container = _container(start, file.read(12))
    duration, bits_per_second = _MEASURES[container](file, start)
    if not 0 < duration <= MAX_DURATION_SECONDS:
        raise UnreadableError(f"a duration of {duration} seconds")
    bitrate_kbps = max(1, round(bits_per_second / 1000))
    if bitrate_kbps > MAX_BITRATE_KBPS:
        raise UnreadableError(f"a bitrate of {bitrate_kbps} kbit/s")
    decoding.require_sound(file, container, start, duration)
    return AudioStream(format=container, duration_seconds=duration, bitrate_kbps=bitrate_kbps)


def _container(start: int, head: bytes) -> AudioFormat:
    """Tell the container from the 12 bytes that follow an ID3 tag. Such a tag may stand before FLAC and MP3 alone."""
    if head.startswith(b"fLaC"):
        return AudioFormat.FLAC
    if start > 0:
        return AudioFormat.MP3
    if head.startswith(b"RIFF") and head.endswith(b"WAVE"):
        return AudioFormat.WAV
    if head.startswith(b"OggS"):
        return AudioFormat.OGG
    if head[4:8] == b"ftyp":
        return AudioFormat.M4A
    return AudioFormat.MP3


def _mp3(file: BinaryIO, start: int) -> tuple[float, float]:
    frames = mpeg.count_frames(file, start)
    return frames.seconds, frames.bits_per_second


def _wav(file: BinaryIO, _start: int) -> tuple[float, float]:
    """Measure the samples that are there: a recording that was broken off, or streamed, has a header without a size."""
    size_bytes, position, form = _size(file), 12, b""
    while position + 8 <= size_bytes:
        file.seek(position)
        name, length = _CHUNK.unpack(file.read(8))
        position += 8
        if name == b"fmt ":
            form = file.read(16)
        elif name == b"data":
            break
        position += length + length % 2
    else:
        raise UnreadableError("WAVE without samples")
    if len(form) < 16:
        raise UnreadableError("WAVE samples of no format")
    kind, channels, rate, _, _, bits = _WAVE_FORMAT.unpack(form)
    bytes_per_second = rate * channels * -(-bits // 8)
    if kind not in _SAMPLED_WAV or not bytes_per_second:
        raise UnreadableError(f"WAVE format {kind:#06x} is not plain samples")
    held = size_bytes - position
    return (length if 0 < length < held else held) / bytes_per_second, bytes_per_second * 8


def _ogg(file: BinaryIO, _start: int) -> tuple[float, float]:
    return ogg.measure(file)


def _m4a(file: BinaryIO, _start: int) -> tuple[float, float]:
    return decoding.measure_mp4(file)


def _size(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)


_MEASURES: dict[AudioFormat, Callable[[BinaryIO, int], tuple[float, float]]] = {
    AudioFormat.MP3: _mp3,
    AudioFormat.WAV: _wav,
    AudioFormat.OGG: _ogg,
    AudioFormat.M4A: _m4a,
    AudioFormat.FLAC: flac.measure,
}
"""Each returns seconds and average bits per second."""
