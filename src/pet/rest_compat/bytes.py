"""Serves the bytes of one stored object over HTTP as planned: whole, in ranges, or only its head.

Where the object is a file and the server takes files (`zero_copy`), its bytes never come here. Elsewhere the pump holds
one chunk at a time. Neither sends anything that was not planned (`plans`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from http import HTTPStatus
from typing import Protocol, Self

import structlog
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from pet.rest_compat.leaving import while_connected
from pet.rest_compat.plans import Answer, Representation, plan_answer
from pet.rest_compat.ranges import ByteRange
from pet.zero_copy import ZERO_COPY, OpenFile

ReadBytes = Callable[[int, int], AsyncIterator[bytes]]
"""Reads from a start up to an end (exclusive) in chunks; closing the iterator releases what it holds."""

_OF_A_BODY = frozenset((b"content-length", b"transfer-encoding"))

_log = structlog.get_logger(__name__)


class LentFile(OpenFile, Protocol):
    """An object's own file, open for reading."""

    size_bytes: int

    def again(self) -> Self:
        """Return the same file once more, to be closed for itself."""


class SourceLengthError(Exception):
    """The store gave fewer or more bytes than the object's record promises; nothing is padded or cut to hide it."""


class BlobResponse(Response):
    """Answers GET and HEAD for one stored object: 200, 206, 304, 412 or 416.

    A source that fails before its first byte raises before the answer starts, so that an error can still be shown.
    A later failure is logged and raised: the server then drops the connection, which is all that a client can be told.

    Args:
        representation: the object's facts.
        read: opens the object; called once per range, one at a time, and never for HEAD.
        open_file: lends the object's own file; None where it has none, or that cannot be had. Never called for HEAD.
        on_first_byte: awaited once before the answer starts, when the answer to a GET is about to carry byte 0. What it
            raises fails the request.
    """

    status_code = HTTPStatus.OK
    background = None

    def __init__(
        self,
        representation: Representation,
        read: ReadBytes,
        *,
        open_file: Callable[[], Awaitable[LentFile | None]] | None = None,
        on_first_byte: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._representation = representation
        self._read = read
        self._open_file = open_file
        self._on_first_byte = on_first_byte
        self.raw_headers = [*representation.raw_headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; return quietly when the client leaves before the end."""
        request = Headers(scope=scope)
        answer = plan_answer(self._representation, request, scope["method"])
        if scope["method"] == "HEAD" or not answer.parts:
            await send(self._start(answer))
            await send(_body(b"" if scope["method"] == "HEAD" else answer.ending, more_body=False))
        elif (file := await self._file_for(scope, request)) is not None:
            try:
                await self._send_file(file, answer, scope, send)
            finally:
                file.close()
        else:
            await while_connected(receive, self._stream(answer, scope, send))

    async def _file_for(self, scope: Scope, request: Headers) -> LentFile | None:
        """Return the object's file, if its bytes can go from there; the pump takes care of everything unusual."""
        if self._open_file is None or ZERO_COPY not in (scope.get("extensions") or {}) or _has_body(request):
            return None
        file = await self._open_file()
        if file is None or file.size_bytes == self._representation.size_bytes:
            return file
        file.close()
        return None

    async def _send_file(self, file: LentFile, answer: Answer, scope: Scope, send: Send) -> None:
        """Leave the bytes to the server, which notices by itself that the client leaves."""
        await self._begin(answer, send)
        try:
            for part in answer.parts:
                if part.preamble:
                    await send(_body(part.preamble, more_body=True))
                more_body = bool(answer.ending) or part is not answer.parts[-1]
                await send(_piece(file.again() if more_body else file, part.range, more_body=more_body))
            if answer.ending:
                await send(_body(answer.ending, more_body=False))
        except Exception:
            self._log_break(scope)
            raise

    async def _stream(self, answer: Answer, scope: Scope, send: Send) -> None:
        async with aclosing(self._pieces(answer)) as pieces:
            first = await anext(pieces)
            await self._begin(answer, send)
            try:
                await _pump(first, pieces, send)
            except Exception:
                self._log_break(scope)
                raise

    async def _begin(self, answer: Answer, send: Send) -> None:
        if self._on_first_byte is not None and answer.carries_first_byte:
            await self._on_first_byte()
        await send(self._start(answer))

    def _log_break(self, scope: Scope) -> None:
        _log.exception("media stream broken", path=scope["path"], etag=self._representation.etag)

    async def _pieces(self, answer: Answer) -> AsyncGenerator[bytes, None]:
        for part in answer.parts:
            preamble = part.preamble
            async with aclosing(_exactly(self._read, part.range)) as chunks:
                async for chunk in chunks:
                    yield preamble + chunk
                    preamble = b""
        if answer.ending:
            yield answer.ending

    def _start(self, answer: Answer) -> Message:
        headers = answer.raw_headers(self.raw_headers)
        return {"type": "http.response.start", "status": int(answer.status), "headers": headers}


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


def _has_body(request: Headers) -> bool:
    """Tell whether the request has a body, which GET gives no meaning: somebody has to read it."""
    return not _OF_A_BODY.isdisjoint(dict(request.raw)) and any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0") for name, value in request.raw
    )


def _piece(file: LentFile, wanted: ByteRange, *, more_body: bool) -> Message:
    return {"type": ZERO_COPY, "file": file, "offset": wanted.start, "count": wanted.length, "more_body": more_body}


def _body(content: bytes, *, more_body: bool) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more_body}
