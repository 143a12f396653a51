"""Who carries a stored object's bytes to the client: the service itself, the store, or the proxy in front.

Whether a client may have them is decided before, and a play is counted here, when the answer that grants them is given.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Protocol

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pet.rest_compat.bytes import BlobResponse, LentFile, ReadBytes
from pet.rest_compat.plans import Answer, Representation, plan_answer, shared_headers
from pet.rest_compat.ranges import PartialObject, select_ranges

Lend = Callable[[str, str], Awaitable[str | None]]
"""Returns a URL by which an object's key can be fetched by a method for a while; None where only files are."""

OpenFile = Callable[[str], Awaitable[LentFile | None]]
"""Lends the file of an object's key; None where there is none."""

INTERNAL_ROUTE = "/_media/"
"""The location of nginx that only an answer of the service leads to."""

SOURCE_FIELD = "X-Media-Source"
"""Tells nginx where in a store the object is."""

_SINGLE_RANGE = re.compile(r"bytes=(?:\d{1,18}-\d{0,18}|-\d{1,18})")


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is to be carried: see `BlobResponse`. `key` is what the store knows the object by."""

    key: str
    representation: Representation
    read: ReadBytes
    on_first_byte: Callable[[], Awaitable[None]] | None = None


class Courier(Protocol):
    """Answers a GET or HEAD of someone who may have the bytes."""

    def response(self, request: Request, parcel: Parcel) -> Response:
        """Return the answer; calling it counts a play where byte 0 is granted to a GET."""


class Proxy:
    """The service sends the bytes: from the object's own file where there is one, else as it reads them."""

    def __init__(self, open_file: OpenFile | None = None) -> None:
        self._open_file = open_file

    def response(self, request: Request, parcel: Parcel) -> Response:
        """Return the bytes."""
        del request
        open_file = partial(self._open_file, parcel.key) if self._open_file else None
        return BlobResponse(parcel.representation, parcel.read, open_file=open_file, on_first_byte=parcel.on_first_byte)


class Redirect:
    """The store sends the bytes itself, to whoever has a signed URL of it.

    Conditions are the store's affair: its entity tags are what clients know. It is left the whole object and single
    ranges; with several, with one behind the end and with headers that are to be ignored stores do as they like.
    """

    def __init__(self, lend: Lend, proxy: Proxy) -> None:
        self._lend = lend
        self._proxy = proxy

    def response(self, request: Request, parcel: Parcel) -> Response:
        """Return a redirect; a download with a file's name goes through the service, as the store knows no names."""
        if parcel.representation.attachment or not _store_agrees(request.headers, parcel.representation.size_bytes):
            return self._proxy.response(request, parcel)
        return _Redirection(parcel, self._lend)


class Accel:
    """nginx sends the bytes, with the service's own header fields, when it finds `X-Accel-Redirect` in an answer.

    It is left what it does exactly as the service would: the whole object or one range. What nginx would judge by
    entity tags of its own, several ranges, and whoever does not come through a trusted proxy, the service answers.
    """

    def __init__(self, lend: Lend, is_trusted: Callable[[str], bool], proxy: Proxy) -> None:
        self._lend = lend
        self._proxy = proxy
        self._is_trusted = is_trusted

    def response(self, request: Request, parcel: Parcel) -> Response:
        """Return what nginx is to do, or the bytes."""
        answer = plan_answer(parcel.representation, request.headers, request.method)
        comes_by_nginx = request.client is not None and self._is_trusted(request.client.host)
        if comes_by_nginx and request.method == "GET" and _nginx_agrees(request.headers, answer):
            return _Acceleration(parcel, answer, self._lend)
        return self._proxy.response(request, parcel)


class _Redirection(Response):
    def __init__(self, parcel: Parcel, lend: Lend) -> None:
        # 307 keeps the method, for which the URL is signed. It is not to be stored: each grant is decided anew.
        headers = {"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "cross-origin"}
        super().__init__(status_code=HTTPStatus.TEMPORARY_REDIRECT, headers=headers)
        self._parcel = parcel
        self._lend = lend

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Grant the bytes."""
        self.headers["Location"] = await self._lend(self._parcel.key, scope["method"]) or ""
        asks_for_start = _asks_for_start(Headers(scope=scope), self._parcel.representation.size_bytes)
        if scope["method"] == "GET" and asks_for_start and self._parcel.on_first_byte:
            await self._parcel.on_first_byte()
        await super().__call__(scope, receive, send)


class _Acceleration(Response):
    def __init__(self, parcel: Parcel, answer: Answer, lend: Lend) -> None:
        super().__init__(headers=shared_headers(parcel.representation), media_type=answer.content_type)
        self.headers["X-Accel-Redirect"] = INTERNAL_ROUTE + parcel.key
        del self.headers["Accept-Ranges"]  # nginx says that itself, and would say it twice
        self._parcel = parcel
        self._answer = answer
        self._lend = lend

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Grant the bytes."""
        if source := await self._lend(self._parcel.key, "GET"):
            self.headers[SOURCE_FIELD] = source
        if self._answer.carries_first_byte and self._parcel.on_first_byte:
            await self._parcel.on_first_byte()
        await super().__call__(scope, receive, send)


def _asks_for_start(headers: Headers, size_bytes: int) -> bool:
    selection = select_ranges(headers.get("Range"), size_bytes)
    return not isinstance(selection, PartialObject) or selection.ranges[0].start == 0


def _store_agrees(headers: Headers, size_bytes: int) -> bool:
    """Tell whether any store, given the same request, sends what RFC 9110 wants."""
    lines = headers.getlist("Range")
    return not lines or (_is_single(lines) and isinstance(select_ranges(lines[0], size_bytes), PartialObject))


def _nginx_agrees(headers: Headers, answer: Answer) -> bool:
    """Tell whether nginx, given the same request and our header fields, sends exactly what was planned."""
    if not answer.parts or "If-Match" in headers or "If-Unmodified-Since" in headers:
        return False
    lines = headers.getlist("Range")
    return not lines or (_is_single(lines) and answer.status is HTTPStatus.PARTIAL_CONTENT)


def _is_single(lines: list[str]) -> bool:
    return len(lines) == 1 and _SINGLE_RANGE.fullmatch(lines[0]) is not None
