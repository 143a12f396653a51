"""Ogg, page by page: how long the sound of a file plays, that of all streams that follow one another in it.

Pages tell time in samples since their stream began, so a part that is missing does not matter.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from pet.domain.media import MIB
from pet.inspection.worker import UnreadableError

_PAGE = struct.Struct("<4sBBqIIIB")
"""Mark, version, flags, granule position, serial number, sequence number, checksum, segments (RFC 3533, section 6)."""

_FIRST = 0x02
"""The flag of a stream's first page."""

_OPUS_RATE = 48_000
"""Opus counts time in samples of 48 kHz whatever its source was (RFC 7845, section 4)."""

_JOINED_LATE_SECONDS = 60
"""No page is as long: a stream whose first page tells a later time was recorded from its middle on."""


@dataclass(slots=True)
class _Stream:
    """One stream of sound: where its clock began and how far it came, in samples, and the bytes of its pages."""

    serial: int
    rate: int
    skipped: int
    start: int = -1
    end: int = -1
    pages: int = 0
    starts_at: int = 0
    ends_at: int = 0

    def add(self, position: int, begin: int, end: int) -> None:
        """Take a page in; pages of a stream after the first two hold sound, or the rest of its headers."""
        self.pages += 1
        self.ends_at = end
        if position > 0:  # headers are at 0; -1 says that no packet ends here
            if self.start < 0:
                self.start = position if position > _JOINED_LATE_SECONDS * self.rate else 0
                self.starts_at = begin
            self.end = max(self.end, position)

    @property
    def seconds(self) -> float:
        """How long it plays."""
        skipped = self.skipped if self.start == 0 else 0
        return max(0, self.end - max(self.start, 0) - skipped) / self.rate if self.end > 0 else 0.0


def measure(file: BinaryIO) -> tuple[float, float]:
    """Return the seconds and the average bits per second of the streams of a file that follow one another.

    The first stream of a file decides what it is: a film begins with its picture.

    Raises:
        UnreadableError: the first stream is neither Vorbis nor Opus, or no page ends a packet.
    """
    streams: list[_Stream] = []
    base = 0
    while True:
        file.seek(base)
        block = file.read(MIB)
        offset = _read_pages(block, base, streams)
        if len(block) < MIB:
            break
        base += max(offset, 1)
    seconds = sum(stream.seconds for stream in streams)
    if seconds <= 0:
        raise UnreadableError("no Ogg page ends a packet")
    size_bytes = sum(stream.ends_at - stream.starts_at for stream in streams if stream.seconds)
    return seconds, size_bytes * 8 / seconds


def _read_pages(block: bytes, base: int, streams: list[_Stream]) -> int:
    """Read the pages of a block; return where the first one begins that does not lie in it whole."""
    offset = 0
    while (found := block.find(b"OggS", offset)) >= 0:
        offset = found
        if offset + _PAGE.size > len(block):
            return offset
        _, version, flags, position, serial, _, _, segments = _PAGE.unpack_from(block, offset)
        body = offset + _PAGE.size + segments
        end = body + sum(block[offset + _PAGE.size : body])
        if version:
            offset += 4
            continue
        if end > len(block):
            return offset
        if flags & _FIRST:
            _begin(streams, serial, block[body:end])
        elif streams and streams[-1].serial == serial:
            streams[-1].add(position, base + offset, base + end)
        offset = end
    return max(offset, len(block) - 3)


def _begin(streams: list[_Stream], serial: int, packet: bytes) -> None:
    """Take note of a stream that begins: another one after the last, unless that one is silent so far."""
    if streams and not streams[-1].seconds:
        return  # side by side with the one that has just begun
    if packet.startswith(b"OpusHead") and len(packet) >= 12:
        streams.append(_Stream(serial, _OPUS_RATE, int.from_bytes(packet[10:12], "little")))
    elif packet.startswith(b"\x01vorbis") and (rate := int.from_bytes(packet[12:16], "little")):
        streams.append(_Stream(serial, rate, 0))
    elif not streams:
        raise UnreadableError("an Ogg stream of neither Vorbis nor Opus")
