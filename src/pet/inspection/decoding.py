"""Sound, decoded: the first and the last seconds of a file, because a header is no proof that there is any.

FFmpeg reads it. Its demuxer is always named, as some that it would guess open other files, and it sees neither the tags
before the sound nor a name, but what lies from a position on.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import BinaryIO

import av
from av.audio.stream import AudioStream
from av.container.input import InputContainer

from pet.domain.media import AudioFormat
from pet.inspection.worker import UnreadableError

_DEMUXERS = {
    AudioFormat.MP3: "mp3",
    AudioFormat.WAV: "wav",
    AudioFormat.OGG: "ogg",
    AudioFormat.M4A: "mov",
    AudioFormat.FLAC: "flac",
}

_OPTIONS = {AudioFormat.WAV: {"probesize": str(32 * 1024)}}
"""In the first half MiB of a WAV's samples FFmpeg looks for other formats than the header tells, for 20 times as long as
all the rest takes. What it could find is one that browsers do not play."""

_SECONDS = 2.0
"""How much of either end is decoded."""

_MOST_PACKETS = 400
"""Packets that are tried at either end: seconds, in any format."""


class _Part:
    """A file from a position on, read straight from the disk."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file, self._start = file, start
        file.seek(start)

    def read(self, size: int) -> bytes:
        """Return up to so many bytes."""
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position of the part."""
        return self._file.seek(offset + (self._start if whence == os.SEEK_SET else 0), whence) - self._start

    def tell(self) -> int:
        """Return the position in the part."""
        return self._file.tell() - self._start


def opened(file: BinaryIO, container: AudioFormat, start: int = 0) -> InputContainer:
    """Open the sound that begins at a position, to decode it.

    Raises:
        av.FFmpegError: it is none of its container.
    """
    part, options = _Part(file, start), _OPTIONS.get(container)
    return av.open(part, "r", format=_DEMUXERS[container], options=options, metadata_errors="ignore")


def require_sound(file: BinaryIO, container: AudioFormat, start: int, duration_seconds: float) -> None:
    """Decode the first and the last seconds of a file. One of them has to be sound: many a file is broken off.

    Raises:
        UnreadableError: neither can be decoded.
    """
    has_sound = False
    with suppress(av.FFmpegError), opened(file, container, start) as source:
        if stream := next(iter(source.streams.audio), None):
            stream.codec_context.thread_count = 1
            has_sound = _decodes(source, stream)
            source.seek(int(max(0.0, duration_seconds - _SECONDS) * av.time_base))
            has_sound = _decodes(source, stream) or has_sound
    if not has_sound:
        raise UnreadableError("no sound could be decoded")


def measure_mp4(file: BinaryIO) -> tuple[float, float]:
    """Return seconds and average bits per second of the first track of sound, by its packets.

    Edit lists, which leave out what encoders put before and after the sound, and fragments, of which the header knows
    nothing, are FFmpeg's to follow; what the header says of the duration is believed within a packet's length.

    Raises:
        UnreadableError: the file holds no AAC or ALAC.
        av.FFmpegError: it is no MP4.
    """
    with opened(file, AudioFormat.M4A) as source:
        stream = next(iter(source.streams.audio), None)
        if stream is None or stream.codec_context.name not in {"aac", "alac"}:
            raise UnreadableError("an MP4 without AAC or ALAC")
        end = longest = size_bytes = 0
        with suppress(av.FFmpegError):
            for packet in source.demux(stream):
                if packet.pts is None or packet.size == 0 or packet.is_discard:
                    continue
                length = packet.duration or 0
                end, longest = max(end, packet.pts + length), max(longest, length)
                size_bytes += packet.size
        told = stream.duration or 0
        ticks = told if 0 <= end - told < longest else end
        if stream.time_base is None or ticks <= 0:
            raise UnreadableError("an MP4 without a packet of sound")
        seconds = float(ticks * stream.time_base)
        return seconds, size_bytes * 8 / seconds


def _decodes(source: InputContainer, stream: AudioStream) -> bool:
    """Tell whether sound comes out of what comes next; damaged packets are passed over."""
    seconds = 0.0
    with suppress(av.FFmpegError):
        for count, packet in enumerate(source.demux(stream)):
            with suppress(av.FFmpegError):
                seconds += sum(frame.samples / (frame.sample_rate or 1) for frame in packet.decode())
            if seconds >= _SECONDS or count >= _MOST_PACKETS:
                break
    return seconds > 0
