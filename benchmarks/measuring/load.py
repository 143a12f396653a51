"""Load by wrk: requests in turn on some connections, as fast as they are answered."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection

import orjson

from benchmarks.measuring.servers import HOST, Server

SCRIPT = """
local requests = {}
local sent = 0
function init()
%s
end
function request()
    sent = sent + 1
    return requests[(sent - 1) %% #requests + 1]
end
function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '\\nMEASURED {"requests":%%d,"microseconds":%%d,"bytes":%%d,"refused":%%d,"broken":%%d,"p50":%%d,"p99":%%d}\\n',
        summary.requests, summary.duration, summary.bytes, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
"""
"""Requests are made once, before the first is sent, so that making them costs nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request; wrk adds the host."""

    path: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request. The names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(server: Server, request: Request) -> Answer:
    """Send one request and return its answer, to see that it is the one that is meant."""
    connection = HTTPConnection(HOST, server.port, timeout=60)
    try:
        connection.request(request.method, request.path, request.body, dict(request.headers))
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def load(
    server: Server, requests: Sequence[Request], *, seconds: float, connections: int = 32, warm_up: float = 0.3
) -> dict[str, float]:
    """Send requests for some seconds, each connection going through them in turn.

    Returns:
        Its figures: requests and MB (10^6 bytes) a second, the median and the 99th percentile of the time of a request
        in milliseconds, and the server's processor time of a request in microseconds.

    Raises:
        RuntimeError: an answer was no success, or a connection broke.
    """
    for request in requests[:3]:
        if not 200 <= (answer := ask(server, request)).status < 300:
            raise RuntimeError(f"{server.name} answers {request} with {answer}.")
    with tempfile.NamedTemporaryFile("wb", suffix=".lua") as script:
        lines = (f"    requests[{number}] = {_format(each)}\n" for number, each in enumerate(requests, 1))
        script.write((SCRIPT % "".join(lines)).encode())
        script.flush()
        if warm_up:
            _wrk(server, script.name, warm_up, connections)
        used = server.cpu_seconds()
        found = _wrk(server, script.name, seconds, connections)
        used = server.cpu_seconds() - used
    taken = found["microseconds"] / 1_000_000
    return {
        "requests/s": found["requests"] / taken,
        "MB/s": found["bytes"] / taken / 1_000_000,
        "p50 ms": found["p50"] / 1000,
        "p99 ms": found["p99"] / 1000,
        "CPU us": used / found["requests"] * 1_000_000,
    }


def _wrk(server: Server, script: str, seconds: float, connections: int) -> dict[str, int]:
    """Run wrk. Its duration is in whole seconds, so that less of them is cut off by a signal, as Ctrl-C would."""
    command = ["wrk", "-t1", f"-c{connections}", "-d600s", "--timeout", "60s", "-s", script, server.url()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:  # noqa: S603
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(2)
        said = process.communicate(timeout=60)[0].decode(errors="replace")
    measured = re.search(r"^MEASURED (.*)$", said, re.MULTILINE)
    found: dict[str, int] = orjson.loads(measured[1]) if measured else {}
    if not found or found["refused"] or found["broken"] or not found["requests"]:
        raise RuntimeError(f"wrk on {server.name} says:\n{said}")
    return found


def _format(request: Request) -> str:
    headers = ", ".join(f"[{_quoted(name)}] = {_quoted(value)}" for name, value in request.headers.items())
    body = "nil" if request.body is None else _quoted(request.body.decode("latin-1"))
    return f"wrk.format({_quoted(request.method)}, {_quoted(request.path)}, {{ {headers} }}, {body})"


def _quoted(text: str) -> str:
    """Quote bytes, given as Latin-1, for Lua: each by its decimal escape, which stands for itself in any string."""
    return '"' + "".join(f"\\{byte:03}" for byte in text.encode("latin-1")) + '"'
