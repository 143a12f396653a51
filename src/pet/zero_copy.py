"""Files that go from the disk's cache to the socket by `sendfile`, without passing through this process.

The server offers this to applications as the ASGI extension `http.response.zerocopysend`, whose message names an open
file, an offset and a count. Everything else about an answer stays uvicorn's.
"""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import Awaitable
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pet.http_cycle import Cycle

ZERO_COPY = "http.response.zerocopysend"
"""The extension's name, and its message's type."""

STEP_BYTES = 1024 * 1024
"""The most that one answer sends before all others have had their turn."""

PINCH_BYTES = 16 * 1024
"""What is copied into the connection's own buffer when the system's is full: the event loop waits with it until there
is room. It is all that a slow client costs this process."""

PROBE_BYTES = 512 * 1024
"""How far apart the cache is looked into: each look is a call of the system, and a hole between two costs a moment."""

IS_OFFERED = sys.platform == "linux"
"""Elsewhere `sendfile` behaves otherwise, and nobody tells whether a file is in memory."""

_COPIED_INSTEAD = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
"""What `sendfile` says of a file system that cannot take part."""

_END: Message = {"type": "http.response.body", "body": b"", "more_body": False}

_probe = bytearray(1)


class FileEndedError(Exception):
    """A file is shorter than what was to be sent of it."""


class OpenFile(Protocol):
    """A file that is open for reading, as the extension takes it: the server closes it when it is done."""

    def fileno(self) -> int:
        """Return the descriptor."""

    def close(self) -> None:
        """Let the file go."""


class ZeroCopy:
    """An application that may answer one request with files.

    Args:
        app: what answers.
        cycle: uvicorn's state of this request and its answer.
    """

    def __init__(self, app: ASGIApp, cycle: Cycle) -> None:
        self._app = app
        self._cycle = cycle
        self._tells_when_empty = False

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer."""

        def sending(message: Message) -> Awaitable[None]:
            return self._send_file(message, send) if message["type"] == ZERO_COPY else send(message)

        return self._app(scope, receive, sending)

    async def _send_file(self, message: Message, send: Send) -> None:
        """Send a piece of a file as if its bytes had come in a body's message.

        Raises:
            FileEndedError: the file ended before the piece did.
        """
        file: OpenFile = message["file"]
        try:
            if self._cycle.scope["method"] != "HEAD" and not self._is_left():
                self._cycle.flush()
                start, end = _piece(message, file.fileno())
                self._check(end - start)
                await self._give(file.fileno(), start, end)
        finally:
            file.close()
        if not message.get("more_body", False):
            await send(_END)

    def _check(self, count: int) -> None:
        cycle = self._cycle
        if not cycle.response_started or cycle.response_complete or cycle.chunked_encoding:
            raise RuntimeError("A file is sent after the start of an answer that tells its length, before its end.")
        if count > cycle.expected_content_length:
            raise RuntimeError("The file's piece is longer than the answer's Content-Length leaves.")

    async def _give(self, descriptor: int, offset: int, end: int) -> None:
        """Send a piece in steps; return quietly when the client leaves.

        The descriptor of the socket is the transport's: it is used only while the transport has nothing of its own to
        send, and never once it is closing, when another connection may have the same number.
        """
        transport = self._cycle.transport
        try:
            if transport.get_write_buffer_size():  # what came before, from a client that does not take it
                self._tell_when_empty()
                await self._cycle.flow.drain()
            while offset < end and not self._is_left():
                sent = await self._step(descriptor, offset, min(end - offset, STEP_BYTES))
                offset += sent
                self._cycle.expected_content_length -= sent
                if offset < end:
                    await self._turn()
        finally:
            if self._tells_when_empty:
                self._tells_when_empty = False
                if not transport.is_closing():
                    transport.set_write_buffer_limits()

    async def _step(self, descriptor: int, offset: int, count: int) -> int:
        """Send some of a piece, waiting for the disk alone; return how much it was, 0 when the client has left."""
        if not _is_cached(descriptor, offset, count):
            await _read_through(descriptor, offset, count)
            if self._is_left():
                return 0
        transport = self._cycle.transport
        try:
            sent = _sendfile(transport.get_extra_info("socket").fileno(), descriptor, offset, count)
        except ConnectionError:
            transport.abort()
            return 0
        if sent < count:
            pinch = os.pread(descriptor, min(count - sent, PINCH_BYTES), offset + sent)
            if not pinch:
                raise FileEndedError
            self._tell_when_empty()
            transport.write(pinch)
            sent += len(pinch)
        return sent

    def _tell_when_empty(self) -> None:
        """From now on count the client as slow until the transport has sent everything, and not a few KiB less."""
        if not self._tells_when_empty:
            self._tells_when_empty = True
            self._cycle.transport.set_write_buffer_limits(high=0)

    async def _turn(self) -> None:
        """Let all others have theirs, and wait until the client takes more."""
        if self._cycle.flow.write_paused:
            await self._cycle.flow.drain()
        else:
            await asyncio.sleep(0)

    def _is_left(self) -> bool:
        """Tell whether nobody takes the answer any more; uvicorn then lets the application end in peace."""
        if self._cycle.transport.is_closing():
            self._cycle.disconnected = True
        return self._cycle.disconnected


def _piece(message: Message, descriptor: int) -> tuple[int, int]:
    """Return what is wanted of a file, as offsets, the end exclusive."""
    start: int | None = message.get("offset")
    if start is None:
        start = os.lseek(descriptor, 0, os.SEEK_CUR)
    count: int | None = message.get("count")
    return start, os.fstat(descriptor).st_size if count is None else start + count


def _sendfile(socket: int, descriptor: int, offset: int, count: int) -> int:
    """Return how much the system took; 0 when its buffer is full, when the file has ended, or where it cannot."""
    try:
        return os.sendfile(socket, descriptor, offset, count)
    except BlockingIOError:
        return 0
    except OSError as error:
        if error.errno not in _COPIED_INSTEAD:
            raise
        return 0


def _is_cached(descriptor: int, offset: int, count: int) -> bool:
    """Tell whether a piece can be sent without waiting for the disk."""
    for position in (*range(offset, offset + count, PROBE_BYTES), offset + count - 1):
        try:
            os.preadv(descriptor, (_probe,), position, os.RWF_NOWAIT)
        except BlockingIOError:
            return False
        except OSError:  # a file system that does not tell, such as one in memory
            return True
    return True


async def _read_through(descriptor: int, offset: int, count: int) -> None:
    """Have the system read a piece into its cache, in a thread, which nobody leaves alone: the file may close then."""

    def read() -> None:
        room = bytearray(min(count, PROBE_BYTES))
        for position in range(offset, offset + count, len(room)):
            os.preadv(descriptor, (room,), position)

    reading = asyncio.get_running_loop().run_in_executor(None, read)
    try:
        await asyncio.shield(reading)
    except asyncio.CancelledError:
        await asyncio.wait((reading,))
        raise
