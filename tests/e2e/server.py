"""A real `pet serve` process: started, spoken to over TCP, stopped or killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from pet.settings import Settings
from pet.storage.presence import LOCK_FILE
from tests.conftest import RunningService

PET = Path(sys.executable).with_name("pet")
READY = "PET is ready"
DEADLINE = 30.0
"""Seconds after which a test gives up: far more than anything takes."""


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Log:
    """What a process has written to standard error so far."""

    lines: list[str] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    has_ended: bool = False

    async def follow(self, stream: asyncio.StreamReader) -> None:
        """Read the stream to its end."""
        async for line in stream:
            await self._add(line.decode().rstrip("\n"))
        self.has_ended = True
        async with self.changed:
            self.changed.notify_all()

    async def wait_for(self, text: str) -> None:
        """Wait until a line holds the text."""
        async with asyncio.timeout(DEADLINE), self.changed:
            await self.changed.wait_for(lambda: self.has_ended or any(text in line for line in self.lines))
        assert any(text in line for line in self.lines), "\n".join(self.lines)

    async def _add(self, line: str) -> None:
        async with self.changed:
            self.lines.append(line)
            self.changed.notify_all()


@dataclass
class Server:
    """A running server, and a client of it."""

    process: asyncio.subprocess.Process
    log: Log
    service: RunningService
    reading: asyncio.Task[None]

    @property
    def client(self) -> httpx.AsyncClient:
        """A client without a token."""
        return self.service.client

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit status once the process is gone."""
        self.process.send_signal(number)
        return await self.ended()

    async def ended(self) -> int:
        """Return the exit status once the process is gone."""
        async with asyncio.timeout(DEADLINE):
            status = await self.process.wait()
            await self.reading
        return status


@asynccontextmanager
async def serve(data_dir: Path, *, port: int | None = None, **settings: str) -> AsyncIterator[Server]:
    """Run `pet serve` until the context is left; rate limits are off unless asked for.

    Args:
        data_dir: where it keeps everything.
        port: the port of an earlier server, so that URLs stay.
        settings: further settings without their prefix: `log_level="debug"`.
    """
    port = port or free_port()
    process = await start(data_dir, port, **settings)
    log = Log()
    assert process.stderr is not None
    reading = asyncio.create_task(log.follow(process.stderr))
    try:
        await log.wait_for(READY)
        known = Settings(data_dir=data_dir, port=port)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE) as client:
            yield Server(process, log, RunningService(known, client), reading)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


async def start(data_dir: Path, port: int, **settings: str) -> asyncio.subprocess.Process:
    """Start `pet serve` and do not wait for it."""
    chosen = {"data_dir": str(data_dir), "port": str(port), "rate_limits": "off", **settings}
    return await asyncio.create_subprocess_exec(
        PET, "serve", env=environment_of(chosen), stderr=asyncio.subprocess.PIPE
    )


def environment_of(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process that has these settings and no others; names are without their prefix."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("PET_")}
    return others | {f"PET_{name.upper()}": value for name, value in settings.items()}


def kept_files(media: Path) -> list[Path]:
    """Return the files in a media folder, temporary ones included; the lock is no medium."""
    return [path for path in media.rglob("*") if path.is_file() and path.name != LOCK_FILE]
