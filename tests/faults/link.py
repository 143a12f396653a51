"""A TCP link to an engine that fails on command: it stands before a real engine, on the test's own loop."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto

CHUNK_BYTES = 65_536


class Fault(Enum):
    """What a link does to connections, old ones and new ones alike."""

    NONE = auto()
    SLOW = auto()
    """Every chunk is late by `delay_seconds`, in either direction."""
    HANG = auto()
    """Connections are accepted and what is sent is read; nothing is passed on, nothing is closed."""
    RESET = auto()
    """Every connection is cut with RST, new ones as well."""
    REFUSE = auto()
    """Open connections are cut, and nobody listens any more."""
    LOSE_ANSWERS = auto()
    """What the service sends arrives, what the engine answers does not, and the connection is cut: an acknowledgement
    is lost."""
    CUT_ANSWERS = auto()
    """The engine's next answers break off after `cut_after_bytes`."""


@dataclass
class Link:
    """One link; `port` is where the service connects to."""

    upstream_host: str
    upstream_port: int
    port: int = 0
    fault: Fault = Fault.NONE
    delay_seconds: float = 2.0
    cut_after_bytes: int = 1
    connections: int = 0
    """How many were opened so far."""
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def mend(self) -> None:
        """Let everything through again."""
        self.fault = Fault.NONE
        self._flowing.set()
        await self._listen()

    async def fail(self, fault: Fault) -> None:
        """Fail from now on in one way."""
        self.fault = fault
        if fault is Fault.HANG:
            self._flowing.clear()
        else:
            self._flowing.set()
        if fault is Fault.REFUSE:
            await self._stop_listening()
        else:
            await self._listen()
        if fault in (Fault.REFUSE, Fault.RESET):
            self.cut()

    def cut(self) -> None:
        """Cut every open connection with RST, once."""
        for writer in list(self._open):
            _reset(writer)

    async def close(self) -> None:
        """Close everything."""
        await self._stop_listening()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.fault is Fault.RESET:
            _reset(writer)
            return
        try:
            answers, upstream = await asyncio.open_connection(self.upstream_host, self.upstream_port)
        except OSError:
            _reset(writer)
            return
        both = {writer, upstream}
        self._open |= both
        ways = [
            asyncio.create_task(self._pass_on(reader, upstream, writer, is_answer=False)),
            asyncio.create_task(self._pass_on(answers, writer, writer, is_answer=True)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._open -= both
            for end in both:
                end.close()

    async def _pass_on(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
        *,
        is_answer: bool,
    ) -> None:
        with suppress(ConnectionError, OSError):
            while chunk := await source.read(CHUNK_BYTES):
                if self.fault is Fault.SLOW:
                    await asyncio.sleep(self.delay_seconds)
                await self._flowing.wait()
                if self.fault is Fault.RESET or (is_answer and self.fault is Fault.LOSE_ANSWERS):
                    _reset(client)
                    return
                if is_answer and self.fault is Fault.CUT_ANSWERS:
                    target.write(chunk[: self.cut_after_bytes])
                    await target.drain()
                    _reset(client)
                    return
                target.write(chunk)
                await target.drain()


@asynccontextmanager
async def faulty_link(host: str, port: int) -> AsyncIterator[Link]:
    """Open a link to an engine until the context is left."""
    link = Link(host, port)
    await link.mend()
    try:
        yield link
    finally:
        await link.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST: what is on its way is lost, as with a crash."""
    with suppress(OSError, AttributeError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
