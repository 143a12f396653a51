"""uvicorn's state of one request and its answer, which writes the usual answer in one go.

uvicorn looks into every header field with two regular expressions. A head whose names are all known is joined first and
looked through once: each of its lines ends with two control characters, so one more gives away a value that would begin
another line, or end the head. Whatever is not usual, that head included, is left to uvicorn.
"""

from __future__ import annotations

from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

USUAL_NAMES = frozenset(
    b"accept-ranges access-control-allow-origin access-control-expose-headers allow cache-control content-disposition"
    b" content-encoding content-language content-length content-range content-security-policy content-type"
    b" cross-origin-resource-policy date etag last-modified link location ratelimit ratelimit-policy"
    b" referrer-policy retry-after strict-transport-security vary www-authenticate x-accel-redirect"
    b" x-content-type-options x-frame-options x-request-id".split()
)
"""Of these `content-length` alone says how a body is framed."""

SMALL_BYTES = 16 * 1024
"""The head of an answer up to this size waits for the body, which is at hand: two writes cost the event loop 2 us more
than one, which is as much as writing the head."""

_CONTROLS = bytes({*range(0x20), 0x7F} - {ord("\t")})


class Cycle(RequestResponseCycle):
    """One request and its answer."""

    _head = b""
    """What waits for the body."""

    async def send(self, message: ASGISendEvent) -> None:
        """Take a message of the answer."""
        if self._head:
            if self._end(message):
                return
            message = self._with_head(message)
        elif message["type"] == "http.response.start" and self._begin(message):
            return
        await super().send(message)

    def flush(self) -> None:
        """Write a head that waits, for what does not come as a message."""
        if self._head and not self.disconnected:
            self.transport.write(self._head)
        self._head = b""

    def _begin(self, message: Any) -> bool:
        """Write a usual head; tell whether it was one, and the client is there to take it."""
        if self.response_started or self.flow.write_paused or self.disconnected or self.access_log:
            return False
        status: int = message["status"]
        headers: list[tuple[bytes, bytes]] = self.default_headers + list(message.get("headers", ()))
        fields = dict(headers)
        if len(fields) < len(headers) or not USUAL_NAMES.issuperset(fields):
            return False
        length = fields.get(b"content-length")
        is_chunked = length is None and self.scope["method"] != "HEAD" and status not in {204, 304}
        lines = [STATUS_LINE[status][:-2], *map(b": ".join, headers)]
        if not self.keep_alive:
            lines.append(b"connection: close")
        if is_chunked:
            lines.append(b"transfer-encoding: chunked")
        head = b"\r\n".join((*lines, b"", b""))
        if len(head) - len(head.translate(None, _CONTROLS)) != 2 * (len(lines) + 1):
            return False
        self.expected_content_length = 0 if length is None else int(length.decode())
        self.chunked_encoding = is_chunked if is_chunked or length is not None else None
        self.response_started = True
        self.waiting_for_100_continue = False
        self._head = head
        if length is None or self.expected_content_length > SMALL_BYTES:
            self.flush()
        return True

    def _end(self, message: Any) -> bool:
        """Write a head with the whole of its body, as uvicorn would end an answer; tell whether it was the whole."""
        body = message.get("body", b"")
        is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)
        if not is_whole or len(body) != self.expected_content_length or self.flow.write_paused or self.disconnected:
            return False
        self.transport.write(self._head + body)
        self._head = b""
        self.expected_content_length = 0
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True

    def _with_head(self, message: Any) -> Any:
        """Return the body's first piece with the head before it."""
        if self.scope["method"] == "HEAD" or message["type"] != "http.response.body":
            self.flush()
            return message
        head, self._head = self._head, b""
        self.expected_content_length += len(head)
        return {**message, "body": head + message.get("body", b"")}
