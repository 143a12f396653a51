"""Answers: the documented envelopes, and what part of a list a request asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, cast
from urllib.parse import quote

import orjson
from starlette.requests import Request
from starlette.responses import Response

from pet.domain.paging import FIRST_PAGE, Position, checked_limit, decode_cursor, encode_cursor
from pet.rest_compat.lists import CompleteList, Json, ReadPage

Shape = TypeVar("Shape", bound=Json)


class JsonResponse(Response):
    """A body that is JSON already, with status 200: its two headers are known, where Starlette looks and encodes."""

    media_type = "application/json"

    def __init__(self, body: bytes) -> None:
        self.status_code = 200
        self.background = None
        self.body = body
        self.raw_headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]


def success(**parts: object) -> Response:
    """Return `{"success": true, ...}`."""
    return JsonResponse(orjson.dumps({"success": True, **parts}))


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


async def list_response(
    request: Request, asked: Asked, read: ReadPage, *, before: bytes, end: bytes = b"}"
) -> Response:
    """Answer with a list between two pieces of JSON: one page with a `Link` header (RFC 8288), or all of it, streamed.

    The first page is read before the answer begins, so that an engine that is down still gives the documented error.
    """
    first = await read(asked.after, asked.limit or FIRST_PAGE)
    if asked.limit is None and first.next is not None:
        return CompleteList(read, first, before=before, end=end)
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
