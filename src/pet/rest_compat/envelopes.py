"""Answers: the documented envelopes, whole or streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from urllib.parse import quote

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from pet.domain.paging import STREAM_PAGE, Page, Position, checked_limit, decode_cursor, encode_cursor

Json = Mapping[str, object]
"""An object as it is rendered: one of `shapes`."""

Shape = TypeVar("Shape", bound=Json)


def success(**parts: object) -> Response:
    """Return `{"success": true, ...}`."""
    return Response(orjson.dumps({"success": True, **parts}), media_type="application/json")


def present(record: Shape) -> Shape:
    """Return a record without its nulls: the document's optional fields are absent, never null."""
    return cast("Shape", {key: value for key, value in record.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Asked:
    """What part of a list a request asks for: without `limit` and `cursor` the whole."""

    kind: str
    limit: int | None
    after: Position | None

    @classmethod
    def by(cls, request: Request, kind: str) -> Asked:
        """Read the added, optional query parameters.

        Raises:
            Invalid: `limit` is not 1 to 100, or `cursor` is no cursor of this list.
        """
        limit, cursor = request.query_params.get("limit"), request.query_params.get("cursor")
        if limit is None and cursor is None:
            return cls(kind, None, None)
        number = None if limit is None else _number(limit)
        return cls(kind, checked_limit(number, field="limit"), decode_cursor(kind, cursor, field="cursor"))


@dataclass(frozen=True, slots=True)
class JsonPage:
    """Rendered items, and the position after which the list goes on; None at its end."""

    items: Sequence[Json]
    next: Position | None


ReadPage = Callable[[Position | None, int], Awaitable[JsonPage]]
"""Reads up to so many items of a list, newest first, from a position onwards."""


def next_position(page: Page[Any], position: Position | None) -> Position | None:
    """Return where the next page begins; None when there is none."""
    return position if page.has_next and page.items else None


async def list_response(
    request: Request, asked: Asked, read: ReadPage, *, before: bytes, end: bytes = b"}"
) -> Response:
    """Answer with a list between two pieces of JSON: one page with a `Link` header (RFC 8288), or all of it, streamed.

    The first page is read before the answer begins, so that an engine that is down still gives the documented error.
    """
    first = await read(asked.after, asked.limit or STREAM_PAGE)
    if asked.limit is None and first.next is not None:
        return StreamingResponse(_stream(read, first, before, end), media_type="application/json")
    headers = {}
    if first.next is not None:
        following = request.url.include_query_params(limit=asked.limit, cursor=encode_cursor(asked.kind, first.next))
        # The path comes decoded, as anyone wrote it; a header takes only what a URL may hold.
        headers["Link"] = f'<{quote(following.path)}?{following.query}>; rel="next"'
    body = b"".join((before, orjson.dumps(list(first.items)), end))
    return Response(body, headers=headers, media_type="application/json")


def _number(text: str) -> int:
    """Return a number of up to three digits, 0 for any other text: no list has a page of that size."""
    return int(text) if text.isdecimal() and len(text) < 4 else 0


async def _stream(read: ReadPage, first: JsonPage, before: bytes, end: bytes) -> AsyncIterator[bytes]:
    page, comma = first, b""
    yield before + b"["
    while True:
        # A page may be empty before the end: what is just being deleted is left out of it.
        if page.items:
            yield comma + orjson.dumps(list(page.items))[1:-1]
            comma = b","
        if page.next is None:
            break
        page = await read(page.next, STREAM_PAGE)
    yield b"]" + end
