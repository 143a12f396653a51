"""uvicorn's WebSocket protocol, made impatient: a peer that takes nothing any more is let go in bounded time.

uvicorn waits for ever for a client that does not read: neither its keep-alive nor a close ends a connection while bytes
wait to be written.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from pet.crowd import Crowd

WRITE_SECONDS = 15.0
"""How long more than 64 KiB may wait for a client. It is told why behind what waits, should it read on."""

GOODBYE_SECONDS = 5.0
"""From a close to the end of the connection, whatever waits for the client still."""

TOO_SLOW = 1013
"""As for an engine that is down: clients connect anew after a while."""


class ImpatientWebSocket(WebSocketsSansIOProtocol):
    """Closes a WebSocket whose client does not read, and ends every closed one."""

    write_seconds = WRITE_SECONDS
    goodbye_seconds = GOODBYE_SECONDS

    def __init__(self, config: Any, server_state: ServerState, app_state: dict[str, Any], **others: Any) -> None:
        super().__init__(config, server_state, app_state, **others)
        self._deadline: asyncio.TimerHandle | None = None
        self._crowd = server_state if isinstance(server_state, Crowd) else Crowd()
        self._customer: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection over; there is room for it, as it has just left."""
        super().connection_made(transport)
        self._customer = self._crowd.admit(self.client[0]) if self.client else None

    def pause_writing(self) -> None:
        """Start waiting for the client to read."""
        super().pause_writing()
        self._expect(self.write_seconds, self._give_up)

    def resume_writing(self) -> None:
        """Stop waiting, unless the connection is closed already and has to end."""
        super().resume_writing()
        if not self.close_sent:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        self._crowd.leave(self._customer)
        super().connection_lost(exc)

    def keepalive_timeout(self) -> None:
        """Close a connection whose client answers no ping, and end it though bytes wait."""
        super().keepalive_timeout()
        self._expect(self.goodbye_seconds, self.transport.abort)

    async def send(self, message: ASGISendEvent) -> None:
        """Send; what is closed ends in bounded time."""
        await super().send(message)
        if message["type"] == "websocket.close" and not self.disconnected:
            self._expect(self.close_timeout + self.goodbye_seconds, self.transport.abort)

    def _give_up(self) -> None:
        if not self.close_sent:
            reason = "You read too slowly. Please connect again."
            self.queue.put_nowait({"type": "websocket.disconnect", "code": TOO_SLOW, "reason": reason})
            self.conn.send_close(TOO_SLOW, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
        self._expect(self.goodbye_seconds, self.transport.abort)

    def _expect(self, seconds: float, otherwise: Any) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(seconds, otherwise)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
