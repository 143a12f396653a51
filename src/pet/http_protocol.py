"""uvicorn's HTTP protocol, made impatient: the head of a request has a largest size and a latest moment.

uvicorn waits for ever for the first byte and for the last header, and keeps a header of any length in memory: a
thousand clients that send nothing would silence it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
"""The request line with all headers. Ours have about 1 KiB, and proxies stop at 8 to 32 KiB."""

HEAD_SECONDS = 30.0
"""From the connection, or a later request's first byte, to the end of the head. Browsers open connections early."""


ABORT = "pet.abort"
"""The ASGI extension by which an application ends a connection at once: a close waits until the client has read."""


class ImpatientProtocol(HttpToolsProtocol):
    """Closes a connection whose request does not begin in time, and refuses a head that is too large."""

    head_seconds = HEAD_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._is_in_head = True
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for the first request."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; those that are a head from their first to their last count towards its size."""
        was_in_head = self._is_in_head
        super().data_received(data)
        if not (was_in_head and self._is_in_head) or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self.logger.warning("The head of a request is larger than %d bytes.", MAX_HEAD_BYTES)
            self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\r\n")
            self.transport.close()

    def on_message_begin(self) -> None:
        """Start waiting for the rest of a later request's head; the first one's has been waited for all along."""
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: {"abort": self.transport.abort}}
        if self._deadline is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """Stop waiting: from here on the application decides."""
        self._stop_waiting()
        self._is_in_head = False
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._is_in_head, self._head_bytes = True, 0
        self._deadline = self.loop.call_later(self.head_seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
