"""Complete lists, as the document has them: of any length, and sent while they are read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from pet.domain.paging import STREAM_PAGE, Page, Position
from pet.domain.tasks import ended
from pet.rest_compat.leaving import while_connected

Json = Mapping[str, object]
"""An object as it is rendered: one of `shapes`."""

STEP = 128
"""Items that are rendered and sent at a time: under a millisecond of the loop, some 64 KB of people."""


@dataclass(frozen=True, slots=True)
class JsonPage:
    """Items, rendered when they are asked for, and the position after which the list goes on; None at its end."""

    items: Iterable[Json]
    next: Position | None


ReadPage = Callable[[Position | None, int], Awaitable[JsonPage]]
"""Reads up to so many items of a list, newest first, from a position onwards."""


def next_position(page: Page[Any], position: Position | None) -> Position | None:
    """Return where the next page begins; None when there is none."""
    return position if page.has_next and page.items else None


class CompleteList(Response):
    """A list of any length between two pieces of JSON. While a page is rendered and sent, the next one is read.

    Each page is a read of its own, and nothing stays open between two of them: a client that reads slowly keeps two
    pages in memory, and neither a connection nor a transaction of the database. What is there all the time is listed
    once; what comes or goes meanwhile is listed once or not at all.
    """

    media_type = "application/json"

    def __init__(self, read: ReadPage, first: JsonPage, *, before: bytes, end: bytes) -> None:
        self.status_code = 200
        self.background = None
        self._read, self._first, self._before, self._end = read, first, before, end
        self.init_headers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; return quietly when the client leaves before the end."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await send(_body(b"", more_body=False))
        else:
            await while_connected(receive, self._stream(send))

    async def _stream(self, send: Send) -> None:
        page, lead = self._first, self._before + b"["
        ahead: asyncio.Task[JsonPage] | None = None
        try:
            while True:
                ahead = asyncio.ensure_future(self._read(page.next, STREAM_PAGE)) if page.next else None
                # A page may be empty before the end: what is just being deleted is left out of it.
                for rendered in _in_steps(page.items):
                    await send(_body(lead + rendered, more_body=True))
                    lead = b","
                    # A fast client never suspends this task: without a turn for the others, it would hold them all up.
                    await asyncio.sleep(0)
                if ahead is None:
                    break
                page = await ahead
        finally:
            if ahead:
                await ended(ahead)
        await send(_body((b"]" if lead == b"," else lead + b"]") + self._end, more_body=False))


def _in_steps(items: Iterable[Json]) -> Iterator[bytes]:
    """Render some items at a time, without the brackets around them."""
    remaining = iter(items)
    while some := list(islice(remaining, STEP)):
        yield orjson.dumps(some)[1:-1]


def _body(content: bytes, *, more_body: bool) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more_body}
