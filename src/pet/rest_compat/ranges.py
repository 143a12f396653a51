"""Byte ranges: what a `Range` header asks of an object of known size (RFC 9110, section 14).

Only `bytes` is served. What is malformed is ignored, which section 14.2 always allows: the answer is the whole object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

MAX_RANGES = 16
"""Players ask for one range and document viewers for a few; more are an attack (RFC 9110, section 17.15)."""

# 40 digits exceed every size; the bound keeps int() cheap, which refuses more than 4,300 digits anyway.
_RANGE_SPEC = re.compile(r"([0-9]{0,40})-([0-9]{0,40})")

# What players send. Everything else takes the long way, and so does whatever of this cannot be had.
_ONE_RANGE = re.compile(r"bytes=([0-9]{1,18})-([0-9]{0,18})")


class ByteRange(NamedTuple):
    """The bytes from `start` up to `end` (exclusive)."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """The number of bytes."""
        return self.end - self.start

    def content_range(self, size_bytes: int) -> str:
        """Return the value of `Content-Range`, whose last position is inclusive (section 14.4)."""
        return f"bytes {self.start}-{self.end - 1}/{size_bytes}"


@dataclass(frozen=True, slots=True)
class WholeObject:
    """No range was asked for, or the header is ignored: the answer is 200 with every byte."""


@dataclass(frozen=True, slots=True)
class PartialObject:
    """At least one range is satisfiable: the answer is 206.

    `ranges` holds one or more, in the order in which they were asked for; at least one byte lies between any two.
    """

    ranges: tuple[ByteRange, ...]


@dataclass(frozen=True, slots=True)
class UnsatisfiableRange:
    """The header is well-formed, and all that it asks for lies behind the end: the answer is 416."""


RangeSelection = WholeObject | PartialObject | UnsatisfiableRange

_WHOLE = WholeObject()


def select_ranges(header: str | None, size_bytes: int) -> RangeSelection:
    """Return what a `Range` header selects from an object.

    Args:
        header: the field's value, several lines joined by commas; None when the request has none.
        size_bytes: the object's size, 0 or more.
    """
    if header is None:
        return _WHOLE
    if (only := _plain_range(header, size_bytes)) is not None:
        return PartialObject((only,))
    specs = _parse_header(header)
    if specs is None:
        return _WHOLE
    ranges = [found for spec in specs if (found := spec.within(size_bytes)) is not None]
    if not ranges:
        return UnsatisfiableRange()
    if size_bytes == 0:
        # The last n bytes of nothing are satisfiable (section 14.1.2), but no Content-Range can tell of them.
        return _WHOLE
    return PartialObject(_coalesce(ranges) if len(ranges) > 1 else tuple(ranges))


@dataclass(frozen=True, slots=True)
class MultipartFrame:
    """What goes around the ranges of a `multipart/byteranges` body: one preamble before each, and an ending."""

    content_type: str
    preambles: tuple[bytes, ...]
    ending: bytes


def frame_multipart(
    ranges: Iterable[ByteRange], size_bytes: int, content_type: str, *, boundary: str
) -> MultipartFrame:
    """Return the frame for several ranges of one object (section 14.6); the boundary must not occur in its bytes."""
    opening = f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: "
    return MultipartFrame(
        content_type=f"multipart/byteranges; boundary={boundary}",
        preambles=tuple(f"{opening}{wanted.content_range(size_bytes)}\r\n\r\n".encode("latin-1") for wanted in ranges),
        ending=f"\r\n--{boundary}--\r\n".encode("latin-1"),
    )


@dataclass(frozen=True, slots=True)
class _RangeSpec:
    """One member of a range set as written: without `first`, the last `last` bytes; without `last`, up to the end."""

    first: int | None
    last: int | None

    def within(self, size_bytes: int) -> ByteRange | None:
        """Return the bytes that exist, or None when the range is not satisfiable (section 14.1.2)."""
        if self.first is None:
            return ByteRange(max(size_bytes - self.last, 0), size_bytes) if self.last else None
        if self.first >= size_bytes:
            return None
        return ByteRange(self.first, size_bytes if self.last is None else min(self.last + 1, size_bytes))


def _plain_range(header: str, size_bytes: int) -> ByteRange | None:
    """Return what a single range selects that has a start; None where it selects nothing, or is written otherwise."""
    match = _ONE_RANGE.fullmatch(header)
    if match is None:
        return None
    first, last = match.groups()
    start, end = int(first), min(int(last) + 1, size_bytes) if last else size_bytes
    return ByteRange(start, end) if start < end else None


def _parse_header(header: str) -> list[_RangeSpec] | None:
    """Return the members of a range set, or None when the header is to be ignored."""
    unit, _, range_set = header.partition("=")
    members = [member for text in range_set.split(",") if (member := text.strip(" \t"))]
    if unit.lower() != "bytes" or not 1 <= len(members) <= MAX_RANGES:
        return None
    specs = [_parse_spec(member) for member in members]
    understood = [spec for spec in specs if spec is not None]
    return understood if len(understood) == len(specs) else None


def _parse_spec(text: str) -> _RangeSpec | None:
    match = _RANGE_SPEC.fullmatch(text)
    if match is None or text == "-":
        return None
    first, last = (int(digits) if digits else None for digits in match.groups())
    if first is not None and last is not None and last < first:
        return None
    return _RangeSpec(first, last)


def _coalesce(ranges: Iterable[ByteRange]) -> tuple[ByteRange, ...]:
    """Join ranges that overlap or touch, in the place of the earliest asked for (section 15.3.7.2).

    No byte is sent twice, so that an answer is never larger than the object and its few part headers.
    """
    apart: list[ByteRange] = []
    for wanted in ranges:
        touching = [kept for kept in apart if kept.start <= wanted.end and wanted.start <= kept.end]
        place = apart.index(touching[0]) if touching else len(apart)
        apart = [kept for kept in apart if kept not in touching]
        joined = [wanted, *touching]
        apart.insert(place, ByteRange(min(part.start for part in joined), max(part.end for part in joined)))
    return tuple(apart)
