"""The edge: what happens to every request before a front sees it, and to every answer after.

A request id, the client's true address, a bound for bodies, the fields that every answer has, one line in the log, and
an answer even to what nobody foresaw.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from pet.domain.errors import TooLarge
from pet.domain.ids import new_request_id
from pet.domain.viewers import Client
from pet.forwarding import Network, client_address
from pet.refusals import refusal
from pet.safe_headers import RawField, SafeHeaders

MAX_USER_AGENT = 200

Refuse = Callable[[Request, Exception], Awaitable[Response]]
"""Makes the answer to an exception."""

log = logging.getLogger("pet.access")
failures = logging.getLogger("pet.edge")


class Cors(CORSMiddleware):
    """Starlette's, with a refusal in the envelope of every other error."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight request."""
        response = super().preflight_response(request_headers)
        if response.status_code == HTTPStatus.OK:
            return response
        headers = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        return refusal("This origin, method or header is not allowed here.", response.status_code, headers)


class Edge:
    """Pure ASGI middleware around both fronts; one layer alone, as each costs something of every request.

    Args:
        app: both fronts.
        safe: the security headers.
        cors: puts the rules for pages of other origins around an application. Only what has an `Origin` goes through
            them: what comes from no page's script needs no more than a word to caches.
        refusals: what answers to exceptions of a kind before an answer has begun; all others are failures of ours.
        trusted_proxies: whose word on a client's address counts.
        max_body: bytes of a body that is no multipart form; those are read piece by piece, with limits for each.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        safe: SafeHeaders,
        cors: Callable[[ASGIApp], ASGIApp],
        refusals: Mapping[type[Exception], Refuse],
        trusted_proxies: Sequence[Network],
        max_body: int,
    ) -> None:
        self._app = app
        self._safe = safe
        self._cors = cors(self._serve_page)
        self._refusals = dict(refusals)
        self._trusted = tuple(trusted_proxies)
        self._max_body = max_body

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            return self._app(scope, receive, send)
        fields = _fields(scope)
        if scope["type"] == "websocket":
            return self._talk(scope, fields, receive, self._safe.adding_to(send))
        if b"origin" in fields:
            return self._cors(scope, receive, self._safe.adding_to(send))
        return self._serve(scope, fields, receive, _Answer(send, self._safe, varies=True))

    async def _serve_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(scope, _fields(scope), receive, _Answer(send, self._safe, varies=False))

    async def _talk(self, scope: Scope, fields: _Fields, receive: Receive, send: Send) -> None:
        scope["state"]["client"] = self._client(scope, fields)
        bound = bind_contextvars(request_id=new_request_id())
        try:
            await self._app(scope, receive, send)
        finally:
            reset_contextvars(**bound)

    async def _serve(self, scope: Scope, fields: _Fields, receive: Receive, answer: _Answer) -> None:
        started = time.perf_counter()
        scope["state"]["client"] = self._client(scope, fields)
        bound = bind_contextvars(request_id=answer.request_id)
        try:
            await self._respond(scope, _bounded(fields, receive, self._max_body), answer)
        except ClientDisconnect:
            answer.status = answer.status or 499
        except Exception:
            failures.exception("a request failed")
            if answer.status:
                raise
            message = f"Something went wrong on our side. Please quote the request id {answer.request_id}."
            await refusal(message, HTTPStatus.INTERNAL_SERVER_ERROR)(scope, receive, answer.send)
        finally:
            if log.isEnabledFor(logging.INFO):
                milliseconds = round((time.perf_counter() - started) * 1000, 1)
                facts = {"method": scope["method"], "path": scope["path"], "status": answer.status, "ms": milliseconds}
                log.info("request", extra=facts)
            reset_contextvars(**bound)

    async def _respond(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            await self._app(scope, receive, answer.send)
        except Exception as error:
            refuse = next((refuse for kind, refuse in self._refusals.items() if isinstance(error, kind)), None)
            if refuse is None or answer.status:
                raise
            response = await refuse(Request(scope, receive), error)
            await response(scope, receive, answer.send)

    def _client(self, scope: Scope, fields: _Fields) -> Client:
        user_agent = fields.get(b"user-agent", b"")[:MAX_USER_AGENT].decode("latin-1")
        return Client(address=client_address(scope, self._trusted), user_agent=user_agent)


_Fields = dict[bytes, bytes]
"""The header fields of a request; of several with one name the first, as in Starlette."""


class _Answer:
    """One answer on its way to the client, with what every answer says.

    Args:
        send: takes its messages.
        safe: the security headers.
        varies: whether to tell caches that a page of another origin would get other headers.
    """

    __slots__ = ("_safe", "_send", "_varies", "request_id", "status")

    def __init__(self, send: Send, safe: SafeHeaders, *, varies: bool) -> None:
        self._send = send
        self._safe = safe
        self._varies = varies
        self.request_id = new_request_id()
        self.status = 0
        """0 until it begins."""

    def send(self, message: Message) -> Awaitable[None]:
        """Send a message."""
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            headers = [*message["headers"], (b"x-request-id", self.request_id.encode())]
            message["headers"] = self._safe.completed(_varying_by_origin(headers) if self._varies else headers)
        return self._send(message)


def _fields(scope: Scope) -> _Fields:
    """Return the fields of a request; the server has made all names lower-case."""
    return dict(reversed(scope["headers"]))


def _bounded(fields: _Fields, receive: Receive, limit: int) -> Receive:
    if fields.get(b"content-type", b"").lower().startswith(b"multipart/form-data"):
        return receive
    received = 0

    async def bounded() -> Message:
        nonlocal received
        if not received and _declared(fields) > limit:  # before a client is told to send it (RFC 9110, section 10.1.1)
            raise _too_large(limit)
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise _too_large(limit)
        return message

    return bounded


def _varying_by_origin(headers: list[RawField]) -> list[RawField]:
    """Return headers that tell caches that a page of another origin would get other ones."""
    vary = [value for name, value in headers if name == b"vary"]
    others = [field for field in headers if field[0] != b"vary"] if vary else headers
    return [*others, (b"vary", b", ".join([*vary, b"Origin"]))]


def _declared(fields: _Fields) -> int:
    """Return what a body is said to have; 0 where that is left open. The server has seen to it that it is a number."""
    length = fields.get(b"content-length", b"")
    return int(length) if length.isdigit() and len(length) < 20 else 0


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is too large: at most {limit // 1024} KB are allowed.")
