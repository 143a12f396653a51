"""Frames of a WebSocket: what is no message of the protocol never reaches its handler, and ends in a close code."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, cast

from starlette.websockets import WebSocketDisconnect
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.subscriptions.protocols.graphql_transport_ws.types import ErrorMessage, SubscribeMessage

from pet.context import Context
from pet.domain.errors import DomainError, ErrorCode
from pet.schema import parameters
from pet.schema.errors import PersistedQueryNotFound, RequestCode, failure
from pet.schema.executing import Schema

MAX_REASON_BYTES = 123
"""RFC 6455, section 5.5: a control frame has 125 bytes, of which the code takes two."""


MAX_OPERATIONS = 100
"""Of a connection at once, subscriptions among them: a page has a few."""


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
