"""What a GET or HEAD for one stored object is answered with (RFC 9110, sections 13 to 15), without any of its bytes.

The plan follows from the request's head and the object's facts alone; others carry it out (`bytes`, `couriers`).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cached_property, partial
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import quote

from starlette.datastructures import Headers

from pet.refusals import refusal_body
from pet.rest_compat.preconditions import RAW_CONDITIONS, Conditions, Validators, Verdict, evaluate
from pet.rest_compat.ranges import (
    ByteRange,
    PartialObject,
    UnsatisfiableRange,
    WholeObject,
    frame_multipart,
    select_ranges,
)

RawField = tuple[bytes, bytes]
"""A header field as ASGI has it: its name, in lower case, and its value."""

# Python 3.11 takes half a microsecond to look a member up in its enumeration, and every range needs some of them.
_PARTIAL_CONTENT, _NOT_MODIFIED = HTTPStatus.PARTIAL_CONTENT, HTTPStatus.NOT_MODIFIED
_BAD_REQUEST = HTTPStatus.BAD_REQUEST

# A stranger's file must not act on this origin when it is opened as a page; the browser's own player may still load it.
_CONTENT_SECURITY_POLICY = "sandbox; default-src 'none'; media-src 'self'; style-src 'unsafe-inline'"

# What the most generous file systems can hold, in UTF-16; percent-encoded that is at most 2,295 bytes. Together with a
# short name for clients that know no other, it leaves an answer's head below the 4 KiB at which some proxies refuse it.
_MAX_FILE_NAME_UNITS = 255
_MAX_ASCII_FALLBACK = 64

# Control characters, path separators, lone surrogates, and the marks that reverse text to disguise an extension.
_UNSAFE_IN_FILE_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f/\\\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

# Beyond that: quotes, what some clients decode (%), and what some file systems refuse.
_UNSAFE_IN_ASCII_FALLBACK = re.compile(r'[^ -~]|["%:*?<>|]')


@dataclass(frozen=True)
class Representation:
    """What is told of an object besides its bytes.

    `etag` is strong and quoted; `last_modified` is aware; `file_name` is as its uploader sent it, in any language and
    not to be trusted; `cache_control` is the field's value; `attachment` makes browsers save the file, not show it;
    `is_replaceable` says that its URL may lead to another object one day.
    """

    size_bytes: int
    content_type: str
    etag: str
    last_modified: datetime
    file_name: str
    cache_control: str
    attachment: bool = False
    is_replaceable: bool = False

    @cached_property
    def raw_headers(self) -> Sequence[RawField]:
        """The fields of every answer, as an answer's head has them; made once, as a player asks for one track often."""
        return tuple(
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in shared_headers(self).items()
        )


class Part(NamedTuple):
    """One range of the body and the bytes that come before it."""

    preamble: bytes
    range: ByteRange


class Answer(NamedTuple):
    """What is to be sent: the body is the parts, then `ending`."""

    status: HTTPStatus
    content_type: str = ""
    content_range: str = ""
    parts: Sequence[Part] = ()
    ending: bytes = b""

    @property
    def carries_first_byte(self) -> bool:
        """Whether byte 0 of the object is among them."""
        return any(part.range.start == 0 for part in self.parts)

    def raw_headers(self, shared: Iterable[RawField]) -> list[RawField]:
        """Return all fields of the answer's head: the shared ones and its own, which differ from answer to answer."""
        if self.status == _NOT_MODIFIED:
            return [*shared]
        length = len(self.ending)
        for preamble, wanted in self.parts:
            length += len(preamble) + wanted.length
        fields = [*shared, (b"content-type", self.content_type.encode("latin-1")), (b"content-length", b"%d" % length)]
        if self.content_range:
            fields.append((b"content-range", self.content_range.encode("latin-1")))
        if self.status < _BAD_REQUEST:
            return fields
        # A cache would serve the error in place of the file.
        return [*(field for field in fields if field[0] != b"cache-control"), (b"cache-control", b"no-store")]


def plan_answer(representation: Representation, request: Headers, method: str) -> Answer:
    """Decide what a GET or HEAD is answered with, whoever sends it."""
    fields = dict(request.raw)
    if RAW_CONDITIONS.isdisjoint(fields):  # as nearly all requests are
        has_range = method == "GET" and b"range" in fields
        return _selected(representation, _field(request, "Range") if has_range else None)
    conditions = Conditions.read(partial(_field, request))
    validators = Validators(
        representation.etag, representation.last_modified, is_date_strong=not representation.is_replaceable
    )
    decision = evaluate(conditions, validators)
    match decision.verdict:
        case Verdict.NOT_MODIFIED:
            return Answer(HTTPStatus.NOT_MODIFIED)
        case Verdict.PRECONDITION_FAILED:
            return _refusal(HTTPStatus.PRECONDITION_FAILED, "The file is not the version that the request expects.")
        case Verdict.PROCEED:
            # Range is defined for GET alone (section 14.2).
            applies = decision.range_applies and method == "GET"
            return _selected(representation, _field(request, "Range") if applies else None)


def _selected(representation: Representation, range_header: str | None) -> Answer:
    size, content_type = representation.size_bytes, representation.content_type
    match select_ranges(range_header, size):
        case PartialObject(ranges=(only,)):
            return Answer(_PARTIAL_CONTENT, content_type, only.content_range(size), (Part(b"", only),))
        case PartialObject(ranges=ranges):
            # Random, so that a file's author cannot write the boundary into the file.
            frame = frame_multipart(ranges, size, content_type, boundary=secrets.token_hex(16))
            parts = [Part(preamble, wanted) for preamble, wanted in zip(frame.preambles, ranges, strict=True)]
            return Answer(_PARTIAL_CONTENT, frame.content_type, parts=parts, ending=frame.ending)
        case UnsatisfiableRange():
            message = f"The requested range lies outside of the file, which has {size} bytes."
            return _refusal(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, message, f"bytes */{size}")
        case WholeObject():
            return Answer(HTTPStatus.OK, content_type, parts=[Part(b"", ByteRange(0, size))] if size else [])


def _refusal(status: HTTPStatus, message: str, content_range: str = "") -> Answer:
    return Answer(status, "application/json", content_range, ending=refusal_body(message))


def _field(request: Headers, name: str) -> str | None:
    """Return a field's value, its lines joined as section 5.3 says; None when it is absent."""
    lines = request.getlist(name)
    return ", ".join(lines) if lines else None


def shared_headers(representation: Representation) -> dict[str, str]:
    """Return the headers of every answer, 304 included: they speak of the object, not of one answer's body."""
    modified = representation.last_modified.astimezone(UTC)
    return {
        "ETag": representation.etag,
        "Last-Modified": format_datetime(modified, usegmt=True),
        "Accept-Ranges": "bytes",
        "Cache-Control": representation.cache_control,
        "Content-Disposition": _content_disposition(representation.file_name, attachment=representation.attachment),
        "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
        "Cross-Origin-Resource-Policy": "cross-origin",
        "X-Content-Type-Options": "nosniff",
    }


def _content_disposition(file_name: str, *, attachment: bool) -> str:
    """Return the field after RFC 6266, appendix D: an ASCII name for all, and the real one where they differ.

    Leading dots would hide the file.
    """
    name = _end_of(_UNSAFE_IN_FILE_NAME.sub("_", file_name)).lstrip(". ") or "file"
    fallback = _UNSAFE_IN_ASCII_FALLBACK.sub("_", name)
    kind = "attachment" if attachment else "inline"
    if fallback == name:
        return f'{kind}; filename="{name}"'
    return f"{kind}; filename=\"{fallback[-_MAX_ASCII_FALLBACK:]}\"; filename*=UTF-8''{quote(name, safe='')}"


def _end_of(name: str) -> str:
    """Return as much of a name as can be saved; the end of a long one, because it has the extension."""
    return name.encode("utf-16-le")[-2 * _MAX_FILE_NAME_UNITS :].decode("utf-16-le", "ignore")
