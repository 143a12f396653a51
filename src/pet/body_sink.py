"""Bodies that are pushed: bytes go from the socket straight to whom they are for, who need not ask for each of them.

ASGI's `receive` gathers a body, copies it and wakes a task for every read of the socket, which costs more than the
parsing of a form. So the protocol offers an extension: it hands every piece to a sink at once, and wakes the
application only when there is enough to be stored. Where nothing offers it, the same sink is fed from `receive`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Protocol

from starlette.requests import ClientDisconnect, Request
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

SINK = "pet.request.sink"
"""The ASGI extension: `pour`, which takes a `Sink` and returns when the body has gone there."""

ENOUGH_BYTES = 512 * 1024
"""So much is stored at once: each time costs a wake-up and a trip to a thread, a tenth of a millisecond together."""

MOST_BYTES = ENOUGH_BYTES + ENOUGH_BYTES // 2
"""So much may wait for a slow disk before the client has to; one read of the socket (256 KB) comes on top, and what is
being written meanwhile. All that makes an upload's memory, and more of it makes none faster."""


class Sink(Protocol):
    """Where a body goes."""

    def take(self, piece: bytes) -> int:
        """Take the next piece, at once; return how many bytes wait to be stored. What is raised ends the body."""

    async def store(self) -> None:
        """Store all that waited when this was called; more may be taken meanwhile."""


Pour = Callable[[Sink], Awaitable[None]]


async def pour(request: Request, sink: Sink) -> None:
    """Let a request's whole body go into a sink, and be stored.

    Raises:
        ClientDisconnect: the client left before the end, or was too slow.
        Exception: what the sink raised; the rest of the body is not read.
    """
    pushed: Pour | None = request.scope.get("extensions", {}).get(SINK, {}).get("pour")
    if pushed is not None:
        await pushed(sink)
        return
    async with aclosing(request.stream()) as pieces:
        async for piece in pieces:
            sink.take(piece)
            await sink.store()


class PushedBody:
    """The body of one request that uvicorn's protocol receives: it waits there, as ever, until there is a sink."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._sink: Sink | None = None
        self._failure: Exception | None = None

    def push(self, piece: bytes) -> bool:
        """Give a piece to the sink, if there is one that still takes it; tell whether it was given."""
        if self._sink is None:
            return False
        try:
            waiting = self._sink.take(piece)
        except Exception as failure:  # noqa: BLE001 - it belongs to the application, not to the parser that calls here
            self._sink, self._failure = None, failure
            waiting = MOST_BYTES
        if waiting >= MOST_BYTES:
            self._cycle.flow.pause_reading()
        if waiting >= ENOUGH_BYTES:
            self._cycle.message_event.set()
        return True

    async def pour(self, sink: Sink) -> None:
        """Push the body from now on, and what has come of it already; see the function of this name."""
        self._begin(sink)
        try:
            while await self._goes_on():
                await sink.store()
        finally:
            self._sink = None
        await sink.store()

    def _begin(self, sink: Sink) -> None:
        cycle = self._cycle
        if cycle.waiting_for_100_continue and not cycle.transport.is_closing():
            cycle.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.waiting_for_100_continue = False
        self._sink = sink
        waiting, cycle.body = bytes(cycle.body), bytearray()
        self.push(waiting)

    async def _goes_on(self) -> bool:
        """Wait until there is enough to be stored, or nothing more comes; tell whether there is more to wait for."""
        cycle = self._cycle
        if cycle.more_body and not cycle.disconnected and self._failure is None:
            cycle.flow.resume_reading()
            await cycle.message_event.wait()
            cycle.message_event.clear()
        if self._failure is not None:
            raise self._failure
        if cycle.disconnected and cycle.more_body:
            raise ClientDisconnect
        return cycle.more_body
