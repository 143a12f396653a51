"""The server process: a socket first, then the application in uvicorn, and at last a graceful stop."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import resource
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from starlette.applications import Starlette

from pet.crowd import Crowd
from pet.http_protocol import ImpatientProtocol
from pet.settings import SettingsError
from pet.websocket_protocol import ImpatientWebSocket

GRACE_SECONDS = 30
"""How long requests in flight may take to finish after a signal to stop."""

KEEP_ALIVE_SECONDS = 75
"""Longer than the 60 seconds for which common proxies reuse a connection, so that none meets one that just closed."""

MAX_WEBSOCKET_MESSAGE = 1024 * 1024

PING_SECONDS = 20.0
"""Between two pings of a WebSocket, and the time that a client has to answer."""

COLLECTIONS = (10_000, 20, 50)
"""How much may have been made before the collector looks for cycles: with its usual 700 objects it looks once for a few
requests, a twentieth of whose time that takes, and what is there for their sake alone is gone soon without it."""

BACKLOG = 2048
OPEN_FILES = 65_536


def listen(host: str, port: int) -> list[socket.socket]:
    """Take the port, before anything else is touched: a second server on it must not get as far as the data.

    Connections wait from now on until the application is ready. `::` listens on every network of either version.

    Raises:
        SettingsError: the address is taken, not this machine's, or not allowed.
    """
    listeners: list[socket.socket] = []
    try:
        for family, address in _addresses(host, port):
            dual = host == "::" and socket.has_dualstack_ipv6()
            listeners.append(socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=dual))
    except OSError as error:
        # A name like localhost stands for an address of either version, of which a machine may have but one.
        if not (listeners and error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}):
            for listener in listeners:
                listener.close()
            sentence = f"Cannot listen on {host} (PET_HOST), port {port} (PET_PORT): {_reason(error)}."
            raise SettingsError([sentence]) from error
    return listeners


def run(app: Starlette, listeners: Sequence[socket.socket], *, crowd: Crowd, when_ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM, then finish the requests in flight, and return when all engines are closed.

    Args:
        app: the application.
        listeners: its sockets.
        crowd: who may have how many connections.
        when_ready: called when requests are answered from now on.

    What the application raises while it starts is raised here.
    """
    _raise_file_limit()
    config = uvicorn.Config(
        app,
        http=ImpatientProtocol,
        ws=ImpatientWebSocket,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        ws_max_size=MAX_WEBSOCKET_MESSAGE,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        ws_per_message_deflate=False,  # 45 KB of memory for each client, to save some hundred bytes a message
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(app, config, listeners, crowd, when_ready))


async def _serve(
    app: Starlette,
    config: uvicorn.Config,
    listeners: Sequence[socket.socket],
    crowd: Crowd,
    when_ready: Callable[[], None],
) -> None:
    """Hold the lifespan here and not in uvicorn, which would log a failed start as a stack trace."""
    async with app.router.lifespan_context(app) as state:
        # What is there by now stays. The collector of cycles need not look through it again and again: that takes some
        # 60 ms, and nobody is answered meanwhile.
        gc.freeze()
        gc.set_threshold(*COLLECTIONS)
        when_ready()
        await _Server(config, crowd, state or {}).serve(sockets=list(listeners))


class _Server(uvicorn.Server):
    """uvicorn's server; a stop that was asked for is a success, where uvicorn raises the signal again at the end.

    Args:
        config: uvicorn's.
        crowd: what its connections share.
        state: what every request finds in its scope, beside `stopping`, an event that is set when the stop begins, so
            that responses without an end can end.
    """

    def __init__(self, config: uvicorn.Config, crowd: Crowd, state: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.server_state = crowd
        self._stopping = asyncio.Event()
        self._state = {**state, "stopping": self._stopping}

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take connections; the protocols copy the lifespan's state into the scope of each request."""
        self.lifespan.state.update(self._state)
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell those who wait for it, then stop."""
        self._stopping.set()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
    """Return what a name stands for, IPv4 first."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return sorted({(family, address) for family, _, _, _, address in found}, key=lambda item: item[0])


def _reason(error: OSError) -> str:
    """Return the system's words; asyncio's and Python's own repeat the address in them."""
    if isinstance(error, socket.gaierror) or error.errno is None:
        return str(error.strerror)
    return os.strerror(error.errno)


def _raise_file_limit() -> None:
    """Allow more open files, as far as the system lets us: a connection is one, and the usual 1,024 are soon gone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # macOS has a lower limit that it does not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
