"""Worker processes that a hostile file may kill, and nothing else: any job on any file, within limits."""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import structlog

from pet.domain.errors import Service, Unavailable
from pet.inspection.worker import ACCEPTED, LENGTH, Job, Limits, UnreadableError

MOST_WORKERS = 2
"""Files looked into at the same time. Uploads are rare next to reads, which keep the other cores."""

MOST_WAITING = 100
"""Jobs that wait for a worker; each keeps its file on the disk meanwhile. At 10 seconds a job, the longest there is,
the last of them would wait for eight minutes, and no client does."""

JOBS_EACH = 200
"""After so many a worker is replaced: what libraries leak, and what a job left behind, goes with it."""

IDLE_SECONDS = 60.0
"""How long a worker waits for another job before its memory is given back."""

START_SECONDS = 20.0
"""How long a worker may take to start and import its libraries, on a machine that has much else to do."""

MOST_RESULT_BYTES = 64 * 1024
"""What a worker may send of a job: facts, or a reason. It writes pictures into files."""

_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "LANG", "TZ")
"""What a worker is told of the environment: nothing secret."""

_START = """
import sys; sys.path[:] = {path!r}
import os; os.nice({niceness})
from pet.inspection.worker import serve; serve()
"""
"""Not `-m`, which would put the current folder, whatever lies in it, before everything else on the path."""

T = TypeVar("T")
_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Worker:
    """A worker process of ours with the pipes to it and from it, and how many jobs it was given."""

    process: Process
    requests: asyncio.StreamWriter
    results: asyncio.StreamReader
    jobs: int = 0
    idle_since: float = 0.0

    async def begin(self, request: bytes) -> bool:
        """Give it a job; tell whether it took it."""
        self.jobs += 1
        with suppress(ConnectionError):  # it died while it was idle
            self.requests.write(request)
            await self.requests.drain()
        return await self.results.read(len(ACCEPTED)) == ACCEPTED

    async def result(self) -> bytes:
        """Wait for what it sends of the job.

        Raises:
            IncompleteReadError: it died.
            UnreadableError: it sends too much.
        """
        (length,) = LENGTH.unpack(await self.results.readexactly(LENGTH.size))
        if length > MOST_RESULT_BYTES:
            raise UnreadableError(f"a result of {length} bytes")
        return await self.results.readexactly(length)

    async def end(self) -> None:
        """Kill it, and see it gone even when the caller is cancelled meanwhile."""
        with suppress(ProcessLookupError):
            self.process.kill()
        await asyncio.shield(self.process.wait())
        self.requests.close()


class Workers:
    """A pool of worker processes: none until there is a job, none when there was none for a while.

    It belongs to one event loop, and is closed at last. Cancelling a call kills its worker.

    Args:
        most: jobs at the same time.
        niceness: how far behind the service's own priority they run, 0 to 19.
        most_waiting, jobs_each, idle_seconds: see the constants of this module.
    """

    def __init__(
        self,
        *,
        most: int = MOST_WORKERS,
        most_waiting: int = MOST_WAITING,
        jobs_each: int = JOBS_EACH,
        idle_seconds: float = IDLE_SECONDS,
        niceness: int = 0,
    ) -> None:
        self._most = most
        self._most_waiting = most_waiting
        self._jobs_each = jobs_each
        self._idle_seconds = idle_seconds
        self._niceness = niceness
        self._turns = asyncio.Semaphore(most)
        self._waiting = 0
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._pruning: asyncio.Task[None] | None = None

    async def run(self, job: Job[T], path: Path, limits: Limits) -> T:
        """Run a job on a file in a worker. Waiting for a free one and starting one do not count as its time.

        Raises:
            UnreadableError: the job failed, exceeded a limit, or its worker died. A file that it wrote may hold a part.
            Unavailable: too many jobs wait already, or no worker could be started.
            OSError: the file cannot be opened, or what the job made cannot be written.
        """
        pickled = pickle.dumps((job, path, limits), pickle.HIGHEST_PROTOCOL)
        await self._turn()
        try:
            return cast("T", await self._answer(LENGTH.pack(len(pickled)) + pickled, limits.wall_seconds))
        finally:
            self._turns.release()

    async def close(self) -> None:
        """End every worker, whatever it is at."""
        if self._pruning is not None:
            self._pruning.cancel()
        self._idle.clear()
        await asyncio.gather(*(self._end(worker) for worker in list(self._all)))

    async def _turn(self) -> None:
        if self._waiting >= self._most_waiting:
            _log.warning("too many files wait for inspection", waiting=self._waiting)
            raise Unavailable(Service.MEDIA)
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1

    async def _answer(self, request: bytes, wall_seconds: float) -> object:
        worker = await self._worker_at(request)
        try:
            async with asyncio.timeout(wall_seconds):
                is_result, value = pickle.loads(await worker.result())  # noqa: S301 - our own worker wrote it
        except asyncio.IncompleteReadError as error:
            await self._end(worker)
            raise UnreadableError("the worker died, out of CPU time or memory, or was killed") from error
        except TimeoutError as error:
            await self._end(worker)
            raise UnreadableError(f"not done within {wall_seconds} seconds") from error
        except BaseException:
            await self._end(worker)
            raise
        await self._rest(worker)
        if is_result:
            return value
        raise value

    async def _worker_at(self, request: bytes) -> _Worker:
        """Return a worker that has taken the job: what fails here is our machine's fault, not the file's.

        An idle worker may have died unnoticed, so each of them is tried, and then a new one.
        """
        failure: Exception | None = None
        for _ in range(self._most + 1):
            is_new = not self._idle
            try:
                worker = await self._start() if is_new else self._idle.pop()
            except OSError as error:
                failure = error
                continue
            try:
                async with asyncio.timeout(START_SECONDS):
                    if await worker.begin(request):
                        return worker
            except TimeoutError as error:
                failure = error
            except BaseException:
                await self._end(worker)
                raise
            await self._end(worker)
        _log.error("no worker could be started", reason=repr(failure))
        raise Unavailable(Service.MEDIA) from failure

    async def _start(self) -> _Worker:
        """Start a process. That is not interrupted, as nobody would know of one that was started half."""
        script = _START.format(path=sys.path, niceness=self._niceness)
        command = [sys.executable, "-I", "-S", *(["-B"] if sys.dont_write_bytecode else []), "-c", script]
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        starting = asyncio.ensure_future(
            asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment)
        )
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await self._end(self._added(await starting))
            raise
        return self._added(process)

    def _added(self, process: Process) -> _Worker:
        worker = _Worker(
            process, cast("asyncio.StreamWriter", process.stdin), cast("asyncio.StreamReader", process.stdout)
        )
        self._all.add(worker)
        return worker

    async def _rest(self, worker: _Worker) -> None:
        """Let a worker wait for another job, unless it has had its share of them."""
        if worker.jobs >= self._jobs_each:
            return await self._end(worker)
        worker.idle_since = asyncio.get_running_loop().time()
        self._idle.append(worker)
        if self._pruning is None or self._pruning.done():
            self._pruning = asyncio.create_task(self._prune())
        return None

    async def _prune(self) -> None:
        """End workers that were idle for long, until none is idle. The one that was used last is used next."""
        loop = asyncio.get_running_loop()
        while self._idle:
            await asyncio.sleep(max(0.0, self._idle[0].idle_since + self._idle_seconds - loop.time()))
            while self._idle and self._idle[0].idle_since + self._idle_seconds <= loop.time():
                await self._end(self._idle.pop(0))

    async def _end(self, worker: _Worker) -> None:
        await worker.end()
        self._all.discard(worker)
