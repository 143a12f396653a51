"""The edge: what happens to every request before a front sees it, and to every answer after.

A request id, the client's true address, a bound for bodies, one line in the log, and an answer even to what nobody
foresaw.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from http import HTTPStatus

import structlog
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pet.domain.errors import TooLarge
from pet.domain.ids import new_uuid7
from pet.domain.viewers import Client
from pet.forwarding import Network, client_address
from pet.refusals import refusal

MAX_USER_AGENT = 200
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; what comes from no page's script needs no more than a word to caches."""
        if scope["type"] != "http" or _field(scope, b"origin") is not None:
            await super().__call__(scope, receive, send)
            return

        async def varying(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _varying_by_origin(message["headers"])
            await send(message)

        await self.app(scope, receive, varying)


class Edge:
    """Pure ASGI middleware around both fronts.

    Args:
        trusted_proxies: whose word on a client's address counts.
        max_body: bytes of a body that is no multipart form; those are read piece by piece, with limits for each.
    """

    def __init__(self, app: ASGIApp, *, trusted_proxies: Sequence[Network], max_body: int) -> None:
        self._app = app
        self._max_body = max_body
        self._trusted = tuple(trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id = new_uuid7()
        user_agent = (_field(scope, b"user-agent") or b"").decode("latin-1")
        address = client_address(scope, self._trusted)
        scope["state"]["client"] = Client(address=address, user_agent=user_agent[:MAX_USER_AGENT])
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            if scope["type"] == "http":
                await self._serve(scope, _bounded(scope, receive, self._max_body), send, request_id)
            else:
                await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started = time.perf_counter()
        status = 0

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except ClientDisconnect:
            status = status or 499
        except Exception:
            failures.exception("a request failed")
            if status:
                raise
            message = f"Something went wrong on our side. Please quote the request id {request_id}."
            await refusal(message, HTTPStatus.INTERNAL_SERVER_ERROR)(scope, receive, observed)
        finally:
            milliseconds = round((time.perf_counter() - started) * 1000, 1)
            facts = {"method": scope["method"], "path": scope["path"], "status": status, "ms": milliseconds}
            log.info("request", extra=facts)


def _bounded(scope: Scope, receive: Receive, limit: int) -> Receive:
    if (_field(scope, b"content-type") or b"").lower().startswith(b"multipart/form-data"):
        return receive
    received = 0

    async def bounded() -> Message:
        nonlocal received
        if not received and _declared(scope) > limit:  # before a client is told to send it (RFC 9110, section 10.1.1)
            raise _too_large(limit)
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise _too_large(limit)
        return message

    return bounded


def _field(scope: Scope, name: bytes) -> bytes | None:
    """Return the first header of a name, as Starlette does; the server has made all names lower-case."""
    for field, value in scope["headers"]:
        if field == name:
            return bytes(value)
    return None


def _varying_by_origin(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return headers that tell caches that a page of another origin would get other ones."""
    others = [field for field in headers if field[0] != b"vary"]
    vary = [value for name, value in headers if name == b"vary"]
    return [*others, (b"vary", b", ".join([*vary, b"Origin"]))]


def _declared(scope: Scope) -> int:
    """Return what a body is said to have; 0 where that is left open. The server has seen to it that it is a number."""
    length = _field(scope, b"content-length") or b""
    return int(length) if length.isdigit() and len(length) < 20 else 0


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is too large: at most {limit // 1024} KB are allowed.")
