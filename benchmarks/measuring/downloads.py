"""Load for large answers: their bytes are counted and let go inside the system, so that the server alone is measured.

wrk copies each answer in pieces of 8 KiB and parses it: with answers of a mebibyte it measures itself.
"""

from __future__ import annotations

import re
import selectors
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice

from benchmarks.measuring.servers import HOST, Server

ROOM = bytearray(4 * 1024 * 1024)
HEAD_BYTES = 8192
SILENCE_SECONDS = 60.0

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class _Download:
    """One connection, which asks again as soon as it has its answer."""

    def __init__(self, server: Server, requests: Iterator[bytes], taken: list[float]) -> None:
        self.socket = socket.create_connection((HOST, server.port))
        self.socket.setblocking(False)
        self.bytes = 0
        self._requests = requests
        self._taken = taken
        self._ask()

    def _ask(self) -> None:
        self._head, self._left = b"", -1
        self._began = time.perf_counter()
        self.socket.send(next(self._requests))

    def take(self) -> None:
        """Take what is there."""
        try:
            while True:
                self._take_some()
        except BlockingIOError:
            pass

    def _take_some(self) -> None:
        if self._left < 0:
            self._take_head()
        else:
            count = self.socket.recv_into(ROOM, min(self._left, len(ROOM)), socket.MSG_TRUNC)
            if not count:
                raise RuntimeError("A server ended its answer too early.")
            self._left -= count
            self.bytes += count
        if self._left == 0:
            self._taken.append(time.perf_counter() - self._began)
            self._ask()

    def _take_head(self) -> None:
        piece = self.socket.recv(HEAD_BYTES)
        head, end, beginning = (self._head + piece).partition(b"\r\n\r\n")
        self._head += piece
        if not end:
            if not piece:
                raise RuntimeError("A server ended the connection.")
            return
        length = _LENGTH.search(head)
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 206")) or length is None:
            raise RuntimeError(f"A server says {head!r}")
        self._left = int(length[1]) - len(beginning)
        self.bytes += len(beginning)


def download(
    server: Server, path: str, ranges: Sequence[str], *, seconds: float, connections: int = 32, warm_up: float = 0.3
) -> dict[str, float]:
    """Fetch a path, or ranges of it in turn, on some connections for some seconds.

    Args:
        server: whose bytes.
        path: of one file.
        ranges: `bytes=0-99`; none for the whole file.
        seconds: how long.
        connections: how many at a time.
        warm_up: seconds before, which do not count.

    Returns:
        Requests and MB (10^6 bytes) a second, the median and the 99th percentile of a request's time in milliseconds,
        and the server's processor time of a MB in microseconds.

    Raises:
        RuntimeError: an answer was no success, or a connection broke.
    """
    heads = [f"Range: {wanted}\r\n" for wanted in ranges] or [""]
    requests = [f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{head}\r\n".encode() for head in heads]
    taken: list[float] = []
    downloads = [
        _Download(server, islice(cycle(requests), at % len(requests), None), taken) for at in range(connections)
    ]
    try:
        with selectors.EpollSelector() as selector:
            for each in downloads:
                selector.register(each.socket, selectors.EVENT_READ, each)
            _go_on(selector, warm_up)
            taken.clear()
            before, used, began = sum(each.bytes for each in downloads), server.cpu_seconds(), time.perf_counter()
            _go_on(selector, seconds)
            lasted, used = time.perf_counter() - began, server.cpu_seconds() - used
    finally:
        for each in downloads:
            each.socket.close()
    megabytes = (sum(each.bytes for each in downloads) - before) / 1_000_000
    percentiles = statistics.quantiles(taken, n=100) if len(taken) > 1 else [float("nan")] * 99
    return {
        "MB/s": megabytes / lasted,
        "requests/s": len(taken) / lasted,
        "p50 ms": percentiles[49] * 1000,
        "p99 ms": percentiles[98] * 1000,
        "CPU us of a MB": used / megabytes * 1_000_000,
    }


def _go_on(selector: selectors.EpollSelector, seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        ready = selector.select(SILENCE_SECONDS)
        if not ready:
            raise RuntimeError("A server has fallen silent.")
        for key, _ in ready:
            key.data.take()
