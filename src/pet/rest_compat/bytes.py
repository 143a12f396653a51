"""Serves the bytes of one stored object over HTTP: whole, in ranges, conditionally (RFC 9110, sections 13 to 15).

An answer is planned first, from the request's head and the object's facts alone; the pump then sends what was planned.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from http import HTTPStatus
from urllib.parse import quote

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from pet.refusals import refusal_body
from pet.rest_compat.preconditions import Conditions, Validators, Verdict, evaluate
from pet.rest_compat.ranges import (
    ByteRange,
    PartialObject,
    UnsatisfiableRange,
    WholeObject,
    frame_multipart,
    select_ranges,
)

ReadBytes = Callable[[int, int], AsyncIterator[bytes]]
"""Reads from a start up to an end (exclusive) in chunks; closing the iterator releases what it holds."""

_log = structlog.get_logger(__name__)

# A stranger's file must not act on this origin when it is opened as a page; the browser's own player may still load it.
_CONTENT_SECURITY_POLICY = "sandbox; default-src 'none'; media-src 'self'; style-src 'unsafe-inline'"

# At most 1,800 bytes when percent-encoded: proxies refuse heads of more than 4 to 8 KiB.
_MAX_FILE_NAME_CHARACTERS = 150

# Control characters, path separators, lone surrogates, and the marks that reverse text to disguise an extension.
_UNSAFE_IN_FILE_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f/\\\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

# Beyond that: quotes, what some clients decode (%), and what some file systems refuse.
_UNSAFE_IN_ASCII_FALLBACK = re.compile(r'[^ -~]|["%:*?<>|]')


@dataclass(frozen=True, slots=True)
class Representation:
    """What is told of an object besides its bytes.

    `etag` is strong and quoted; `last_modified` is aware; `file_name` is as its uploader sent it, in any language and
    not to be trusted; `cache_control` is the field's value; `attachment` makes browsers save the file, not show it.
    """

    size_bytes: int
    content_type: str
    etag: str
    last_modified: datetime
    file_name: str
    cache_control: str
    attachment: bool = False


class SourceLengthError(Exception):
    """The store gave fewer or more bytes than the object's record promises; nothing is padded or cut to hide it."""


class BlobResponse(Response):
    """Answers GET and HEAD for one stored object: 200, 206, 304, 412 or 416.

    A source that fails before its first byte raises before the answer starts, so that an error can still be shown.
    A later failure is logged and raised: the server then drops the connection, which is all that a client can be told.

    Args:
        representation: the object's facts.
        read: opens the object; called once per range, one at a time, and never for HEAD.
        on_first_byte: awaited once before the answer starts, when the answer to a GET is about to carry byte 0. What it
            raises fails the request.
    """

    def __init__(
        self,
        representation: Representation,
        read: ReadBytes,
        *,
        on_first_byte: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.status_code = HTTPStatus.OK
        self.background = None
        self._representation = representation
        self._read = read
        self._on_first_byte = on_first_byte
        self.init_headers(_shared_headers(representation))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; return quietly when the client leaves before the end."""
        answer = _plan(self._representation, Headers(scope=scope), scope["method"])
        if scope["method"] == "HEAD" or not answer.parts:
            await send(self._start(answer))
            await send(_body(b"" if scope["method"] == "HEAD" else answer.ending, more_body=False))
        else:
            await _while_connected(receive, self._stream(answer, scope, send))

    async def _stream(self, answer: _Answer, scope: Scope, send: Send) -> None:
        async with aclosing(self._pieces(answer)) as pieces:
            first = await anext(pieces)
            if self._on_first_byte is not None and answer.carries_first_byte:
                await self._on_first_byte()
            await send(self._start(answer))
            try:
                await _pump(first, pieces, send)
            except Exception:
                _log.exception("media stream broken", path=scope["path"], etag=self._representation.etag)
                raise

    async def _pieces(self, answer: _Answer) -> AsyncGenerator[bytes, None]:
        for part in answer.parts:
            preamble = part.preamble
            async with aclosing(_exactly(self._read, part.range)) as chunks:
                async for chunk in chunks:
                    yield preamble + chunk
                    preamble = b""
        if answer.ending:
            yield answer.ending

    def _start(self, answer: _Answer) -> Message:
        headers = MutableHeaders(raw=list(self.raw_headers))
        headers.update(answer.headers())
        return {"type": "http.response.start", "status": answer.status.value, "headers": headers.raw}


async def _while_connected(receive: Receive, work: Coroutine[None, None, None]) -> None:
    """Run work to its end, but cancel it as soon as the client leaves.

    Work is cancelled once, as asyncio does it, and not again and again, as an anyio scope does: a source may await
    while it closes. Whoever cancels the caller cancels the work too, and waits until it has closed its source.
    """
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_until_disconnect(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.wait((working, leaving))
    for task in (working, leaving):
        if not task.cancelled():
            task.result()


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass  # a request body, which GET gives no meaning


async def _pump(first: bytes, rest: AsyncIterator[bytes], send: Send) -> None:
    """Send the pieces; the source is asked for one only after the server took the one before."""
    await send(_body(first, more_body=True))
    async for piece in rest:
        await send(_body(piece, more_body=True))
        # A fast source and a fast client never suspend this task. Without a turn for the others, one download would
        # hold up every other request, and nobody would see its client leave.
        await asyncio.sleep(0)
    await send(_body(b"", more_body=False))


async def _exactly(read: ReadBytes, wanted: ByteRange) -> AsyncGenerator[bytes, None]:
    """Yield the chunks of a range, none of them empty.

    Raises:
        SourceLengthError: the source ended early, or gave a chunk that goes beyond the end.
    """
    missing = wanted.length
    source = read(wanted.start, wanted.end)
    try:
        while missing:
            chunk = await anext(source, None)
            if chunk is None or len(chunk) > missing:
                raise SourceLengthError(f"bytes {wanted.start} to {wanted.end} are not what the source gave")
            missing -= len(chunk)
            if chunk:
                yield chunk
    finally:
        await _release(source)


async def _release(source: AsyncIterator[bytes]) -> None:
    """Close a source to the end: a client that leaves meanwhile, as many do after the last byte, must not stop that."""
    if (close := getattr(source, "aclose", None)) is None:
        return
    closing = asyncio.ensure_future(close())
    try:
        await asyncio.shield(closing)
    except asyncio.CancelledError:
        await asyncio.wait((closing,))
        raise


def _body(content: bytes, *, more_body: bool) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more_body}


@dataclass(frozen=True, slots=True)
class _Part:
    """One range of the body and the bytes that come before it."""

    preamble: bytes
    range: ByteRange


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is to be sent: the body is the parts, then `ending`."""

    status: HTTPStatus
    content_type: str = ""
    content_range: str = ""
    parts: Sequence[_Part] = ()
    ending: bytes = b""

    @property
    def carries_first_byte(self) -> bool:
        return any(part.range.start == 0 for part in self.parts)

    def headers(self) -> dict[str, str]:
        """Return the fields that differ from answer to answer; they win over the shared ones."""
        if self.status is HTTPStatus.NOT_MODIFIED:
            return {}
        length = sum(len(part.preamble) + part.range.length for part in self.parts) + len(self.ending)
        fields = {"Content-Type": self.content_type, "Content-Length": str(length)}
        if self.content_range:
            fields["Content-Range"] = self.content_range
        if self.status >= HTTPStatus.BAD_REQUEST:
            fields["Cache-Control"] = "no-store"  # or a cache would serve the error in place of the file
        return fields


def _plan(representation: Representation, request: Headers, method: str) -> _Answer:
    conditions = Conditions.read(partial(_field, request))
    decision = evaluate(conditions, Validators(representation.etag, representation.last_modified))
    match decision.verdict:
        case Verdict.NOT_MODIFIED:
            return _Answer(HTTPStatus.NOT_MODIFIED)
        case Verdict.PRECONDITION_FAILED:
            return _refusal(HTTPStatus.PRECONDITION_FAILED, "The file is not the version that the request expects.")
        case Verdict.PROCEED:
            # Range is defined for GET alone (section 14.2).
            applies = decision.range_applies and method == "GET"
            return _selected(representation, _field(request, "Range") if applies else None)


def _selected(representation: Representation, range_header: str | None) -> _Answer:
    size, content_type = representation.size_bytes, representation.content_type
    match select_ranges(range_header, size):
        case UnsatisfiableRange():
            message = f"The requested range lies outside of the file, which has {size} bytes."
            return _refusal(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, message, f"bytes */{size}")
        case WholeObject():
            return _Answer(HTTPStatus.OK, content_type, parts=[_Part(b"", ByteRange(0, size))] if size else [])
        case PartialObject(ranges=(only,)):
            parts = [_Part(b"", only)]
            return _Answer(HTTPStatus.PARTIAL_CONTENT, content_type, only.content_range(size), parts)
        case PartialObject(ranges=ranges):
            # Random, so that a file's author cannot write the boundary into the file.
            frame = frame_multipart(ranges, size, content_type, boundary=secrets.token_hex(16))
            parts = [_Part(preamble, wanted) for preamble, wanted in zip(frame.preambles, ranges, strict=True)]
            return _Answer(HTTPStatus.PARTIAL_CONTENT, frame.content_type, parts=parts, ending=frame.ending)


def _refusal(status: HTTPStatus, message: str, content_range: str = "") -> _Answer:
    return _Answer(status, "application/json", content_range, ending=refusal_body(message))


def _field(request: Headers, name: str) -> str | None:
    """Return a field's value, its lines joined as section 5.3 says; None when it is absent."""
    lines = request.getlist(name)
    return ", ".join(lines) if lines else None


def _shared_headers(representation: Representation) -> dict[str, str]:
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
    """Return the field after RFC 6266, appendix D: an ASCII name for all, and the real one where they differ."""
    # The end of a long name is kept, because it has the extension; leading dots would hide the file.
    name = _UNSAFE_IN_FILE_NAME.sub("_", file_name)[-_MAX_FILE_NAME_CHARACTERS:].lstrip(". ") or "file"
    fallback = _UNSAFE_IN_ASCII_FALLBACK.sub("_", name)
    value = f'{"attachment" if attachment else "inline"}; filename="{fallback}"'
    return value if fallback == name else f"{value}; filename*=UTF-8''{quote(name, safe='')}"
