"""Frames of a WebSocket: what is no message of the protocol never reaches its handler, and ends in a close code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, cast

from starlette.websockets import WebSocketDisconnect
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, WebSocketDisconnected
from strawberry.schema.schema import StreamResult
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    ConnectionInitMessage,
    ErrorMessage,
    SubscribeMessage,
)

from pet.context import Context
from pet.domain.errors import DomainError, ErrorCode
from pet.domain.listeners import SessionEnded
from pet.schema import parameters
from pet.schema.errors import PersistedQueryNotFound, RequestCode, failure
from pet.schema.executing import Schema

MAX_REASON_BYTES = 123
"""RFC 6455, section 5.5: a control frame has 125 bytes, of which the code takes two."""


MAX_OPERATIONS = 100
"""Of a connection at once, subscriptions among them: a page has a few."""

IDLE_SECONDS = 600.0
"""How long a connection may stay open with nothing that runs over it."""

FORBIDDEN, TIMED_OUT = 4403, 4408


class CheckedSocket(ASGIWebSocketAdapter):
    """A WebSocket that speaks in text frames and lets well-formed messages through alone."""

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:
        """Yield messages; the handler answers what is malformed by closing with 4400."""
        async with aclosing(super().iter_json(ignore_parsing_errors=ignore_parsing_errors)) as messages:
            async for message in messages:
                if not _is_message(message):
                    raise NonJsonMessageReceived
                yield _without_null_payload(message)

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send a text frame: the protocol has no others, and a browser would hand over a binary one as a Blob."""
        encoded = self.view.encode_json(message)
        try:
            await self.ws.send_text(encoded.decode() if isinstance(encoded, bytes) else encoded)
        except WebSocketDisconnect as error:
            raise WebSocketDisconnected from error

    async def close(self, code: int, reason: str) -> None:
        """Close; a reason that quotes the client is cut, because one that is too long would be no close frame."""
        await super().close(code, reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore"))


class SocketHandler(BaseGraphQLTransportWSHandler[Context, None]):
    """Strawberry's handler; a subscription may name its document by the hash alone, as over HTTP."""

    schema: Schema
    _last_used = 0.0
    _next_look: asyncio.TimerHandle | None = None
    _goodbye: asyncio.Task[None] | None = None

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Begin the connection, and to look whether it is used."""
        await super().handle_connection_init(message)
        if self._next_look is None and self.connection_acknowledged:
            self._use()
            self._look()

    async def shutdown(self) -> None:
        """End what runs, and the looks."""
        if self._next_look:
            self._next_look.cancel()
        await super().shutdown()

    def forget_id(self, id: str) -> None:
        """Note that an operation has ended."""
        super().forget_id(id)
        self._use()

    def _use(self) -> None:
        self._last_used = asyncio.get_running_loop().time()

    def _look(self) -> None:
        """Close a connection that has long had nothing to do, or look again when that may be so."""
        loop = asyncio.get_running_loop()
        if self.operations:
            self._use()
        rest_seconds = self._last_used + IDLE_SECONDS - loop.time()
        if rest_seconds > 0:
            self._next_look = loop.call_later(rest_seconds, self._look)
        else:
            self._goodbye = loop.create_task(self.websocket.close(TIMED_OUT, "Nothing has run here for long."))

    async def _send_result_stream(self, operation: Operation[Context, None], result_source: StreamResult) -> None:
        await super()._send_result_stream(operation, self._with_session(operation, result_source))

    async def _with_session(self, operation: Operation[Context, None], results: StreamResult) -> StreamResult:
        """Yield results; the end of the session closes the socket, so that clients connect anew, with a new token."""
        async for result in results:
            errors = getattr(result, "errors", None) or []
            if any(isinstance(error.original_error, SessionEnded) for error in errors):
                operation.completed = True
                await self.websocket.close(FORBIDDEN, errors[0].message)
                return
            yield result

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Begin an operation, or tell in an error of its own why it cannot begin."""
        payload: dict[str, Any] = dict(message["payload"])
        try:
            query = self.schema.documents.text_of(
                parameters.text(payload, "query"),
                parameters.text(payload, "documentId"),
                parameters.mapping(payload, "extensions"),
            )
            parameters.variables(payload)
        except DomainError as error:
            await self._refuse(message, error.code, error.message)
        except PersistedQueryNotFound as error:
            await self._refuse(message, RequestCode.PERSISTED_QUERY_NOT_FOUND, str(error))
        else:
            if len(self.operations) >= MAX_OPERATIONS:
                sentence = f"A connection runs at most {MAX_OPERATIONS} operations at once."
                await self._refuse(message, ErrorCode.INVALID, sentence)
                return
            known = {**message, "payload": {**payload, "query": query}}
            await super().handle_subscribe(cast("SubscribeMessage", known))

    async def _refuse(self, message: SubscribeMessage, code: ErrorCode | RequestCode, sentence: str) -> None:
        if not self.connection_acknowledged or message["id"] in self.operations:
            await super().handle_subscribe(message)  # which closes the socket
            return
        error = {"id": message["id"], "type": "error", "payload": [failure(code, sentence)]}
        await self.send_message(cast("ErrorMessage", error))


def _without_null_payload(message: object) -> object:
    """Leave out a payload that is null: the protocol allows it, and Strawberry knows only the absent one."""
    match message:
        case {"payload": None, **others}:
            return others
        case _:
            return message


def _is_message(message: object) -> bool:
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return False
    match message:
        case {"type": "subscribe", "id": str(id_), "payload": {**payload}}:
            return bool(id_) and _is_request(payload)
        case {"type": "complete", "id": str(id_)}:
            return bool(id_)
        case {"type": "subscribe" | "complete"}:
            return False
        case _:
            return True


def _is_request(payload: Mapping[object, object]) -> bool:
    """Tell whether a payload has a document, by its text or by its hash, and parameters of the right types."""
    texts = [payload.get(name) for name in ("query", "documentId", "operationName")]
    objects = [payload.get(name) for name in ("variables", "extensions")]
    has_hash = isinstance(objects[1], dict) and "persistedQuery" in objects[1]
    return (
        all(isinstance(text, str | None) for text in texts)
        and all(isinstance(item, dict | None) for item in objects)
        and (has_hash or texts[0] is not None or texts[1] is not None)
    )
