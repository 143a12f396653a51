"""`pet serve` under a supervisor, who starts it again whenever it ends, and the other commands of `pet`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e import server as servers
from tests.e2e.server import DEADLINE, READY, Log, environment_of, free_port, start


@dataclass
class Unit:
    """One process at a time, always on the same port."""

    data_dir: Path
    settings: dict[str, str]
    port: int = field(default_factory=free_port)
    log: Log = field(default_factory=Log)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it is to run no longer."""
    kills: int = 0
    _first_line: int = 0
    _process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """Kill the process, wherever it is."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            self.kills += 1

    async def until_ready(self) -> None:
        """Wait until the process of the moment takes requests."""
        async with asyncio.timeout(2 * DEADLINE), self.log.changed:
            await self.log.changed.wait_for(lambda: any(READY in line for line in self.log.lines[self._first_line :]))

    async def keep_running(self) -> None:
        """Start it again and again until it is over."""
        while not self.over.is_set():
            self._first_line = len(self.log.lines)
            self._process = await start(self.data_dir, self.port, **self.settings)
            if self.over.is_set():
                self.kill()
            assert self._process.stderr is not None
            await self.log.follow(self._process.stderr)
            await self._process.wait()


@asynccontextmanager
async def supervised(unit: Unit) -> AsyncIterator[Unit]:
    """Keep a process running until the context is left."""
    supervising = asyncio.create_task(unit.keep_running())
    try:
        yield unit
    finally:
        unit.over.set()
        unit.kill()
        await supervising


async def pet(*words: str, **settings: str) -> list[str]:
    """Run a command of `pet` that must succeed; return the lines that it prints."""
    process = await asyncio.create_subprocess_exec(
        servers.PET, *words, env=environment_of(settings), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode().splitlines()
