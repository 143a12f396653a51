"""FLAC: how long it plays, by its last frame where that is found, for the header may not know or not say the truth."""

from __future__ import annotations

from typing import BinaryIO

from pet.domain.media import MIB
from pet.inspection.worker import UnreadableError

_TAIL_BYTES = MIB
"""Where the last frame is sought; the largest has 65,535 samples of 32 bits in 8 channels, but few have 32 KiB."""

_BLOCK_SIZES = {
    1: 192,
    **{code: 576 << code - 2 for code in range(2, 6)},
    **{code: 256 << code - 8 for code in range(8, 16)},
}
"""Samples of a frame by the four bits that tell them (RFC 9639, section 9.1.1)."""


def measure(file: BinaryIO, start: int) -> tuple[float, float]:
    """Return seconds and average bits per second of the FLAC that begins at a position.

    The metadata blocks (RFC 9639, section 8) are walked up to the first frame; big pictures are stepped over, not read.

    Raises:
        UnreadableError: there is no frame, or nothing tells how many samples there are.
    """
    rate, total_samples, largest_block, frames_start = _metadata(file, start)
    file.seek(0, 2)
    size_bytes = file.tell()
    tail_start = max(frames_start, size_bytes - _TAIL_BYTES)
    file.seek(tail_start)
    samples = _end_of_last_frame(file.read(_TAIL_BYTES), largest_block) or total_samples
    if not samples:
        raise UnreadableError("FLAC without a number of samples or a whole frame")
    seconds = samples / rate
    return seconds, (size_bytes - frames_start) * 8 / seconds


def _metadata(file: BinaryIO, start: int) -> tuple[int, int, int, int]:
    """Return samples per second, the number of samples, the largest block, and where the first frame begins."""
    file.seek(start + 4)
    info = b""
    is_last = False
    while not is_last:
        header = file.read(4)
        if len(header) < 4:
            raise UnreadableError("FLAC metadata without an end")
        is_last, kind, length = header[0] >= 0x80, header[0] & 0x7F, int.from_bytes(header[1:], "big")
        if kind == 0 and not info:
            info = file.read(length)
        else:
            file.seek(length, 1)
    frames_start = file.tell()
    if len(info) < 18 or file.read(2) not in {b"\xff\xf8", b"\xff\xf9"}:
        raise UnreadableError("FLAC metadata without a frame after it")
    numbers = int.from_bytes(info[10:18], "big")
    if not (rate := numbers >> 44):
        raise UnreadableError("FLAC of no samples per second")
    return rate, numbers & 0xF_FFFF_FFFF, int.from_bytes(info[2:4], "big"), frames_start


def _end_of_last_frame(tail: bytes, largest_block: int) -> int:
    """Return the number of samples up to the end of the last frame that begins in these bytes; 0 where none does."""
    position = len(tail)
    while (position := tail.rfind(b"\xff", 0, position)) >= 0:
        if end := _end_of_frame(tail[position : position + 16], largest_block):
            return end
    return 0


def _end_of_frame(header: bytes, largest_block: int) -> int:
    """Return the number of samples up to a frame's end, or 0 for what is no frame's header (RFC 9639, section 9.1)."""
    if len(header) < 16 or header[1] & 0xFE != 0xF8 or header[3] & 1 or header[2] >> 4 == 0 or header[2] & 15 == 15:
        return 0
    number, offset = _coded_number(header)
    code = header[2] >> 4
    block = _BLOCK_SIZES.get(code, 0)
    if code in {6, 7}:
        width = code - 5
        block = int.from_bytes(header[offset : offset + width], "big") + 1
        offset += width
    offset += {12: 1, 13: 2, 14: 2}.get(header[2] & 15, 0)
    if number < 0 or _crc8(header[:offset]) != header[offset] or block > largest_block:
        return 0
    first = number if header[1] & 1 else number * largest_block
    return first + block


def _coded_number(header: bytes) -> tuple[int, int]:
    """Return the number of a frame or of its first sample, and where the header goes on; -1 for what is none.

    It is coded as UTF-8 codes characters, in up to seven bytes.
    """
    lead = header[4]
    length = 8 - (lead ^ 0xFF).bit_length()
    if length in {1, 8}:
        return -1, 5
    if length == 0:
        return lead, 5
    number = lead & (0x7F >> length)
    for byte in header[5 : 4 + length]:
        if byte >> 6 != 0b10:
            return -1, 5
        number = number << 6 | byte & 0x3F
    return number, 4 + length


def _crc8(content: bytes) -> int:
    """Return the checksum of a header, by the polynomial x^8 + x^2 + x + 1."""
    crc = 0
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ 0x107 if crc & 0x80 else crc << 1
    return crc
