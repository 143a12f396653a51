"""Frames of a WebSocket: what is no message of the protocol never reaches its handler, and ends in a close code."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from starlette.websockets import WebSocketDisconnect
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, WebSocketDisconnected

MAX_REASON_BYTES = 123
"""RFC 6455, section 5.5: a control frame has 125 bytes, of which the code takes two."""


class CheckedSocket(ASGIWebSocketAdapter):
    """A WebSocket that speaks in text frames and lets well-formed messages through alone."""

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:
        """Yield messages; the handler answers what is malformed by closing with 4400."""
        async with aclosing(super().iter_json(ignore_parsing_errors=ignore_parsing_errors)) as messages:
            async for message in messages:
                if not _is_message(message):
                    raise NonJsonMessageReceived
                yield message

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


def _is_message(message: object) -> bool:
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return False
    match message:
        case {"type": "subscribe", "id": str(), "payload": {"query": str(), **options}}:
            return isinstance(options.get("variables"), dict | None) and isinstance(
                options.get("operationName"), str | None
            )
        case {"type": "complete", "id": str()}:
            return True
        case {"type": "subscribe" | "complete"}:
            return False
        case _:
            return True
