"""The edge: what happens to every request before a front sees it, and to every answer after.

A request id, the client's true address, a bound for bodies, one line in the log, and an answer even to what nobody
foresaw.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from http import HTTPStatus

import structlog
from starlette.datastructures import Headers, MutableHeaders
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
        headers = Headers(scope=scope)
        scope["state"]["client"] = Client(
            address=client_address(scope, self._trusted), user_agent=headers.get("user-agent", "")[:MAX_USER_AGENT]
        )
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            if scope["type"] == "http":
                await self._serve(scope, _bounded(receive, headers, self._max_body), send, request_id)
            else:
                await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started = time.perf_counter()
        status = 0

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
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


def _bounded(receive: Receive, headers: Headers, limit: int) -> Receive:
    if headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return receive
    received = 0

    async def bounded() -> Message:
        nonlocal received
        if _declared(headers) > limit:  # before a client is told to send it (RFC 9110, section 10.1.1)
            raise _too_large(limit)
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise _too_large(limit)
        return message

    return bounded


def _declared(headers: Headers) -> int:
    """Return what a body is said to have; 0 where that is left open. The server has seen to it that it is a number."""
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() and len(length) < 20 else 0


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is too large: at most {limit // 1024} KB are allowed.")
