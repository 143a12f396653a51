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

from mutagen.flac import StreamInfo
from mutagen.mp3 import MPEGFrame, MPEGInfo, skip_id3
from mutagen.mp4 import MP4Info
from mutagen.mp4._atom import Atoms  # MP4Info needs them, and only MP4, which reads the tags too, makes them in public
from mutagen.ogg import OggPage
from mutagen.wave import WaveStreamInfo

from pet.domain.media import MIB, AudioFormat
from pet.inspection.facts import AudioStream
from pet.inspection.worker import UnreadableError

MAX_DURATION_SECONDS = 7 * 24 * 60 * 60
"""A header that claims more than a week lies: the largest upload would have to play at 1 kbit/s."""

MAX_BITRATE_KBPS = 100_000
"""A header that claims more lies too: eight channels of 32 bits at 192 kHz are half of it."""

_MP3_LEAD_BYTES = 4096
"""How far after tags and zeros the first MP3 frame may be. A recording cut from a stream begins with a part of a frame,
at most 2,881 bytes; a film or an archive with MP3 somewhere inside begins with much that is no sound."""

_MP3_LEAST_FRAMES = 4
"""Frames in a row that make an MP3, a tenth of a second. mutagen alone is content with two of them, which chance may
bring about, or with one that carries the encoder's summary of frames that are not there."""

_SAMPLED_WAV = frozenset({0x0001, 0x0003, 0x0006, 0x0007, 0xFFFE})
"""WAVE format tags of plain samples: PCM, float, A-law, mu-law, extensible. Browsers play no others, and a header of
compressed sound does not tell the duration."""

_OGG_TAIL_BYTES = MIB
"""Where the last page of a stream is sought first; a page has at most 64 KiB."""

_OGG_PAGE = struct.Struct("<4sBBqI")
"""The first fields of a page: mark, version, flags, granule position, serial number (RFC 3533, section 6)."""

_OPUS_RATE = 48_000
"""Opus counts time in samples of 48 kHz whatever its source was (RFC 7845, section 4)."""


def read_stream(file: BinaryIO) -> AudioStream:
    """Return what an audio file holds, without its tags.

    Raises:
        UnreadableError: the file is in none of the formats, holds no sound, or tells what cannot be.
        Exception: the file is damaged; mutagen raises errors of many kinds.
    """
    file.seek(0)
    skip_id3(file)
    start = file.tell()
    container = _container(start, file.read(12))
    duration, bits_per_second = _MEASURES[container](file, start)
    if not 0 < duration <= MAX_DURATION_SECONDS:
        raise UnreadableError(f"a duration of {duration} seconds")
    bitrate_kbps = max(1, round((bits_per_second or _size(file) * 8 / duration) / 1000))
    if bitrate_kbps > MAX_BITRATE_KBPS:
        raise UnreadableError(f"a bitrate of {bitrate_kbps} kbit/s")
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
    info = MPEGInfo(file, start)
    if info.layer != 3:
        raise UnreadableError(f"MPEG layer {info.layer}")
    file.seek(start)
    lead = file.read(MIB)
    padding = len(lead) - len(lead.lstrip(b"\0"))
    if info.frame_offset > start + padding + _MP3_LEAD_BYTES:
        raise UnreadableError(f"the first MPEG frame is at {info.frame_offset}, too far from the start")
    file.seek(info.frame_offset)
    for _ in range(_MP3_LEAST_FRAMES):
        MPEGFrame(file)  # raises where there is none, else leaves the file at the frame's end
    return info.length, info.bitrate


def _wav(file: BinaryIO, _start: int) -> tuple[float, float]:
    info = WaveStreamInfo(file)
    if info.audio_format not in _SAMPLED_WAV:
        raise UnreadableError(f"WAVE format {info.audio_format:#06x} is not plain samples")
    # The header of an unfinished recording claims more than there is.
    held_seconds = _size(file) * 8 / info.bitrate
    return min(info.length, held_seconds), info.bitrate


def _ogg(file: BinaryIO, _start: int) -> tuple[float, float]:
    """Read the first stream's headers and its last page. The first stream decides: a film begins with its picture."""
    file.seek(0)
    first = comments = OggPage(file)
    rate, skipped_samples, nominal = _ogg_clock(first.packets[0])
    while comments is first or not (comments.complete or len(comments.packets) > 1):
        comments = OggPage(file)
    sound_start = file.tell()
    seconds = (_last_position(file, first.serial) - skipped_samples) / rate
    return seconds, nominal or (_size(file) - sound_start) * 8 / seconds


def _last_position(file: BinaryIO, serial: int) -> int:
    """Return the time of a stream's last page on which a packet ends, sought from the end of the file.

    Other streams may follow, or the page's mark of the end be missing: both are common in recordings of radio. A file
    whose first stream ends long before its end is read from the start.

    Raises:
        UnreadableError: no page of the stream ends a packet.
    """
    file.seek(max(0, _size(file) - _OGG_TAIL_BYTES))
    tail = file.read()
    start = len(tail)
    while (start := tail.rfind(b"OggS", 0, start)) >= 0:
        if len(tail) - start >= _OGG_PAGE.size:
            _, version, _, position, owner = _OGG_PAGE.unpack_from(tail, start)
            if (version, owner) == (0, serial) and position >= 0:
                return int(position)
    last = OggPage.find_last(file, serial, finishing=True)
    if last is None:
        raise UnreadableError("no Ogg page ends a packet")
    return int(last.position)


def _ogg_clock(packet: bytes) -> tuple[int, int, int]:
    """Return samples per second, samples to skip at the start, and the nominal bitrate or 0, from the first packet.

    RFC 7845, section 5.1, and the Vorbis I specification, section 4.2.2.
    """
    if packet.startswith(b"OpusHead"):
        return _OPUS_RATE, int.from_bytes(packet[10:12], "little"), 0
    if packet.startswith(b"\x01vorbis"):
        return int.from_bytes(packet[12:16], "little"), 0, max(0, int.from_bytes(packet[20:24], "little", signed=True))
    raise UnreadableError("an Ogg stream of neither Vorbis nor Opus")


def _m4a(file: BinaryIO, _start: int) -> tuple[float, float]:
    file.seek(0)
    atoms = Atoms(file)
    info = MP4Info(atoms, file)
    if not info.codec.startswith(("mp4a.40", "alac")):
        raise UnreadableError(f"an MP4 with {info.codec or 'no audio'} where AAC or ALAC is wanted")
    if info.codec == "alac" and info.length > 0:
        # Encoders write there what the samples take unpacked, and more than that for 16 bits.
        sound_bytes = sum(atom.datalength for atom in atoms.atoms if atom.name == b"mdat")
        return info.length, sound_bytes * 8 / info.length
    return info.length, info.bitrate


def _flac(file: BinaryIO, start: int) -> tuple[float, float]:
    """Walk the metadata blocks (RFC 9639, section 8) up to the first frame; big pictures are stepped over, not read."""
    file.seek(start + 4)
    info: StreamInfo | None = None
    is_last = False
    while not is_last:
        header = file.read(4)
        is_last, kind, length = header[0] >= 0x80, header[0] & 0x7F, int.from_bytes(header[1:], "big")
        if info is None and kind == StreamInfo.code:
            info = StreamInfo(file.read(length))
        else:
            file.seek(length, os.SEEK_CUR)
    frames_start = file.tell()
    sync = file.read(2)
    if info is None or sync not in {b"\xff\xf8", b"\xff\xf9"}:
        raise UnreadableError("FLAC metadata without a frame after it")
    seconds = float(info.length)
    return seconds, (_size(file) - frames_start) * 8 / seconds if seconds else 0


def _size(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)


_MEASURES: dict[AudioFormat, Callable[[BinaryIO, int], tuple[float, float]]] = {
    AudioFormat.MP3: _mp3,
    AudioFormat.WAV: _wav,
    AudioFormat.OGG: _ogg,
    AudioFormat.M4A: _m4a,
    AudioFormat.FLAC: _flac,
}
"""Each returns seconds and bits per second, 0 where the file does not tell the latter."""
