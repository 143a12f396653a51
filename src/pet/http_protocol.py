"""uvicorn's HTTP protocol, made impatient and strict.

uvicorn waits for ever for the first byte, the last header, the rest of a body, and a client that does not read, and
keeps a header of any length in memory: a thousand clients that send nothing would silence it. Its parser refuses most
of what two servers could read in two ways; the rest is refused here.
"""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from pet.body_sink import SINK, PushedBody
from pet.crowd import Crowd, TooManyConnections
from pet.http_cycle import Cycle
from pet.refusals import refusal_body
from pet.request_heads import MALFORMED, MAX_HEAD_BYTES, TOO_LARGE, Objection, objection_to
from pet.safe_headers import RAW_HEADERS
from pet.zero_copy import IS_OFFERED, ZERO_COPY, ZeroCopy

MAX_PIPELINED = 50
"""Requests that may wait for the answers to earlier ones of their connection."""

HEAD_SECONDS = 30.0
"""From the connection, or a later request's first byte, to the end of the head. Browsers open connections early."""

BODY_SECONDS = 30.0
"""How far a body may fall behind `RATE`, and how long the rest of one may take that has its answer already."""

WRITE_SECONDS = 60.0
"""Between two looks at a client that does not take its answer as fast as we give it; what falls behind `RATE` is ended.
A player that was paused for so long comes back with a range."""

RATE = 1024
"""Bytes a second, of a body that comes and of an answer that goes."""

ABORT = "pet.abort"
"""The ASGI extension by which an application ends a connection at once: a close waits until the client has read."""

_TOO_EARLY = Objection(HTTPStatus.BAD_REQUEST, "Wait for the answers to the requests before.")
_TOO_SLOW = Objection(HTTPStatus.REQUEST_TIMEOUT, "The body came too slowly.")


class _Refused(Exception):
    """Raised through the parser, which stops there."""


class _NoTrailers(list[tuple[bytes, bytes]]):
    """Takes the fields behind a body; nobody may mistake them for the request's own (RFC 9110, section 6.5.1)."""

    def append(self, _: tuple[bytes, bytes]) -> None:
        """Let one go."""


class ImpatientProtocol(HttpToolsProtocol):
    """Ends the connection of a client that is slow, that sends too much or in two meanings, or that has too many."""

    head_seconds = HEAD_SECONDS
    body_seconds = BODY_SECONDS
    write_seconds = WRITE_SECONDS

    def __init__(self, config: Any, server_state: ServerState, app_state: dict[str, Any], **others: Any) -> None:
        super().__init__(config, server_state, app_state, **others)
        self._crowd = server_state if isinstance(server_state, Crowd) else Crowd()
        self._customer: str | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._objection = MALFORMED
        self._is_over = False
        self._is_in_head = True
        self._head_bytes = 0
        self._idle_since = 0.0
        self._is_in_body = False
        self._body: PushedBody | None = None
        self._body_until = 0.0
        self._bytes_of_body = 0
        self._bytes_beside_body = 0
        self._is_other_upgrade = False
        self._offers_files = False
        self._abort: dict[object, object] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for the first request, or send away whose client has too many connections."""
        super().connection_made(transport)
        self._offers_files = IS_OFFERED and self.scheme == "http"
        self._abort = {"abort": transport.abort}
        try:
            self._customer = self._crowd.admit(self.client[0]) if self.client else None
        except TooManyConnections as error:
            self._refuse(Objection(HTTPStatus.TOO_MANY_REQUESTS, str(error)))
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; those that are a head from their first to their last count towards its size."""
        if self._is_over:
            return
        was_in_head, bytes_of_body = self._is_in_head, self._bytes_of_body
        self._feed(data)
        if self._is_over or self.transport.is_closing():
            return
        if was_in_head and self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(TOO_LARGE)
        elif self._is_in_body:
            self._count_body(len(data), self._bytes_of_body - bytes_of_body)
        if self._is_in_head and "head" not in self._timers:
            self._expect_head()

    def on_message_begin(self) -> None:
        """Be in a head, whose rest is waited for if it does not come with its first byte, as nearly all do."""
        super().on_message_begin()
        if not self._is_in_head:
            self._is_in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Stop waiting, and begin to answer: as uvicorn does, but for what it is never told to do here."""
        version, method = self.parser.get_http_version(), self.parser.get_method()
        is_upgrade = self.parser.should_upgrade()
        becomes_socket = is_upgrade and self._should_upgrade()
        self._check_head(version, method, becomes_socket=becomes_socket)
        self._stop_waiting("head")
        self._is_in_head = False
        self._is_other_upgrade = is_upgrade and not becomes_socket
        if self._is_other_upgrade:
            return
        self._fill_scope(version, method)
        if becomes_socket:
            return
        self._is_in_body = True
        self._begin_cycle(keep_alive=version != "1.0" and self.parser.should_keep_alive())
        self.headers = _NoTrailers()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._bytes_of_body += len(body)
        if self._body is None or not self._body.push(body):
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop waiting for the body."""
        self._is_in_body = False
        self._stop_waiting("body")
        if not self._is_other_upgrade:
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection on; the other protocol counts it from now on."""
        self._leave()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser did not take; its own words say less than ours."""
        del msg
        self._refuse(self._objection)

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for one, or see to it that a closed connection ends.

        As uvicorn does, but its timer is one per request: ours looks up from time to time.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._watch_end()
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if "idle" not in self._timers:
            self._wait("idle", self.timeout_keep_alive, self._look_at_idleness)

    def pause_writing(self) -> None:
        """Start watching a client that does not read as fast as we write."""
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        """Stop watching, unless the connection is closed already and has to end."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_waiting("write")

    def shutdown(self) -> None:
        """Begin a graceful stop."""
        super().shutdown()
        self._watch_end()

    def _fill_scope(self, version: str, method: bytes) -> None:
        target = httptools.parse_url(self.url)
        path = target.path.decode("ascii")
        scope: dict[str, Any] = cast("dict[str, Any]", self.scope)
        scope["http_version"] = version
        scope["method"] = method.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = target.path
        scope["query_string"] = target.query or b""

    def _begin_cycle(self, *, keep_alive: bool) -> None:
        """Answer what the scope tells of now, or when all earlier requests of this connection have their answers."""
        earlier = self.cycle
        self.cycle = cycle = Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            # Whoever gets another answer than "continue" may keep the body back, and the next request would be taken
            # for it (RFC 9110, section 10.1.1).
            keep_alive=keep_alive and not self.expect_100_continue,
            on_response=self.on_response_complete,
        )
        extensions: dict[str, dict[object, object]] = {ABORT: self._abort}
        self.scope["extensions"] = extensions
        if self._offers_files:
            extensions[ZERO_COPY] = {}
        self._body = PushedBody(cycle) if self.scope["method"] == "POST" else None
        if self._body is not None:
            extensions[SINK] = {"pour": self._body.pour}
        if earlier is None or earlier.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        answering: Any = ZeroCopy(app, cast("Cycle", cycle)) if self._offers_files else app
        super()._start_asgi_task(cycle, answering)

    def _feed(self, data: bytes) -> None:
        """Parse as uvicorn does, but serve a request that would also like another protocol than WebSocket.

        The parser stops behind its head and leaves out the body, which would be taken for the next request.
        """
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if not self._is_other_upgrade:
                self.handle_websocket_upgrade()
                return
            lines = [b"%s %s HTTP/1.1" % (self.parser.get_method(), self.url)]
            lines += [b"%s: %s" % field for field in self.headers if field[0] != b"upgrade"]
            self.parser = httptools.HttpRequestParser(self)
            self._feed(b"\r\n".join(lines) + b"\r\n\r\n" + data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("")

    def _check_head(self, version: str, method: bytes, *, becomes_socket: bool) -> None:
        objection = objection_to(version, method, self.url, self.headers, becomes_socket=becomes_socket)
        is_waiting = self.cycle is not None and not self.cycle.response_complete
        if is_waiting and (becomes_socket or len(self.pipeline) >= MAX_PIPELINED):
            objection = objection or _TOO_EARLY
        if objection:
            self._objection = objection
            raise _Refused

    def _refuse(self, objection: Objection) -> None:
        """Answer what cannot be served, and end the connection; earlier requests get their own answers before."""
        status, sentence = objection
        self.logger.debug("A connection is ended with %d: %s", status, sentence)  # as often as anyone likes
        self._is_over = True
        self._stop_waiting("head")
        self._stop_waiting("body")
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                cycle.keep_alive = False
                return
            cycle.disconnected = True
            cycle.message_event.set()
        if cycle is None or cycle.response_complete or not (cycle.response_started or self.pipeline):
            body = refusal_body(sentence)
            fields = {**RAW_HEADERS, "content-length": str(len(body)), "connection": "close"}
            head = b"".join(f"{name}: {value}\r\n".encode() for name, value in fields.items())
            self.transport.write(STATUS_LINE[status] + head + b"\r\n" + body)
        self._close()

    def _expect_head(self) -> None:
        self._wait("head", self.head_seconds, self._close)

    def _look_at_idleness(self) -> None:
        """End a connection on which no further request has come for long enough."""
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if self._is_in_head or not self.cycle.response_complete:
            return  # the end of the answer starts it anew
        if left > 0:
            self._wait("idle", left, self._look_at_idleness)
        else:
            self._close()

    def _count_body(self, received: int, of_body: int) -> None:
        """Give a body more time for what it brought, and a limit to what is none: framing, and fields behind it."""
        now = self.loop.time()
        self._bytes_beside_body = 0 if of_body else self._bytes_beside_body + received
        if self._bytes_beside_body > MAX_HEAD_BYTES:
            self._refuse(TOO_LARGE)
        elif "body" not in self._timers:
            self._body_until = now + self.body_seconds
            self._wait("body", self.body_seconds, self._look_at_body)
        elif not self.cycle.response_complete:
            self._body_until = min(now + self.body_seconds, self._body_until + of_body / RATE)

    def _look_at_body(self) -> None:
        now = self.loop.time()
        if self.flow.read_paused:  # it is we who are slow
            self._body_until = now + self.body_seconds
        if self._body_until > now:
            self._wait("body", self._body_until - now, self._look_at_body)
        else:
            self._refuse(_TOO_SLOW)

    def _watch_writing(self) -> None:
        untaken = self._untaken()

        def look() -> None:
            if untaken - self._untaken() < RATE * self.write_seconds:
                self.transport.abort()
            else:
                self._watch_writing()

        self._wait("write", self.write_seconds, look)

    def _untaken(self) -> int:
        """Return how many bytes the client has not confirmed. The system's own buffer, of some megabytes, takes more
        from us in large steps alone, so what we keep ourselves tells little of a client that plays what it reads.
        """
        queued = bytearray(4)
        with suppress(OSError, ValueError):  # closed, or a system that does not tell
            fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, queued)
        return self.transport.get_write_buffer_size() + int.from_bytes(queued, sys.byteorder)

    def _close(self) -> None:
        self.transport.close()
        self._watch_end()

    def _watch_end(self) -> None:
        """See to it that a closed connection ends: a close waits until the client has read."""
        if self.transport.is_closing() and "write" not in self._timers and self.transport.get_write_buffer_size():
            self._watch_writing()

    def _wait(self, for_what: str, seconds: float, otherwise: Callable[[], None]) -> None:
        self._stop_waiting(for_what)
        self._timers[for_what] = self.loop.call_later(seconds, self._tell, for_what, otherwise)

    def _tell(self, for_what: str, otherwise: Callable[[], None]) -> None:
        del self._timers[for_what]
        otherwise()

    def _stop_waiting(self, for_what: str) -> None:
        if timer := self._timers.pop(for_what, None):
            timer.cancel()

    def _leave(self) -> None:
        for for_what in tuple(self._timers):
            self._stop_waiting(for_what)
        self._crowd.leave(self._customer)
        self._customer = None
