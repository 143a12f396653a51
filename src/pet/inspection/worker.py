"""What happens inside a worker process: limits first, then one job on one open file.

A worker serves many jobs, so every job sets its limits anew from what the process has used so far. They need POSIX; the
limit on memory is Linux's, elsewhere the limits on time have to do.
"""

from __future__ import annotations

import errno
import math
import os
import pickle
import pkgutil
import resource
import signal
import struct
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

Job = Callable[[BinaryIO], T]
"""Reads an open file and returns plain data. Both cross processes by pickle: a `Remote`, a function of a module, or a
`partial` of one."""

LENGTH = struct.Struct("<Q")
"""What precedes every pickle on a pipe: its length in bytes."""

ACCEPTED = b"!"
"""What a worker sends when it begins with a job. What goes wrong before is no fault of the file."""

_REASON_LENGTH = 2000

_LATE_SECONDS = 2
"""How long after the time of a job a worker ends itself: it is for one whose service was killed, which else does so."""


class UnreadableError(Exception):
    """A job could not read its file. The reason is for the log: it may quote the file and is not shown to a client."""


class UnwrittenError(OSError):
    """What a job made could not be written, which is no fault of the file that it read."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one job may use.

    Seconds of CPU time, bytes of address space beyond those mapped when it starts, seconds of any time, and bytes of
    any one file that it writes.
    """

    cpu_seconds: int
    memory_bytes: int
    wall_seconds: float
    file_bytes: int = 0


@dataclass(frozen=True)
class Remote(Generic[T_co]):
    """A job by name, `Remote[Tags]("pet.inspection.tags:read_tags", container)`: workers alone import its module.

    The modules that parse hostile bytes stand on large libraries, which the service itself neither needs nor trusts.
    """

    name: str
    arguments: tuple[object, ...] = ()

    def __call__(self, file: BinaryIO) -> T_co:
        """Do the job here."""
        result: T_co = _found(self.name, self.arguments)(file)
        return result

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        """Arrive in the worker as the function itself: imported before the limits are set, so it counts for nothing."""
        return _found, (self.name, self.arguments)


def _found(name: str, arguments: tuple[object, ...]) -> Callable[[BinaryIO], Any]:
    """Return the function of a name with all but its first argument, the file."""
    function: Callable[..., Any] = pkgutil.resolve_name(name)
    return partial(_called, function, arguments)


def _called(function: Callable[..., Any], arguments: tuple[object, ...], file: BinaryIO) -> Any:
    return function(file, *arguments)


def serve() -> None:
    """Take jobs from standard input and send what they return to standard output, until there is no more input."""
    jobs, results = _pipes()
    settle()
    while len(header := jobs.read(LENGTH.size)) == LENGTH.size:
        job, path, limits = pickle.loads(jobs.read(*LENGTH.unpack(header)))  # noqa: S301 - the service wrote it
        results.write(ACCEPTED)
        results.flush()
        content = _outcome(job, path, limits)
        signal.setitimer(signal.ITIMER_REAL, 0)
        results.write(LENGTH.pack(len(content)) + content)
        results.flush()


def _outcome(job: Job[Any], path: Path, limits: Limits) -> bytes:
    """Return what the job returned, or the error that it raised, pickled with a mark of which of both it is."""
    try:
        return pickle.dumps((True, run(job, path, limits)), pickle.HIGHEST_PROTOCOL)
    except MemoryError:
        os._exit(1)
    except (UnreadableError, OSError) as error:  # an `UnwrittenError` among them
        return pickle.dumps((False, error), pickle.HIGHEST_PROTOCOL)


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for the service alone: what a library reads or prints goes nowhere."""
    jobs, results = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    return jobs, results


def settle() -> None:
    """Make a new worker deaf to the signals that end the service, and the first to go when the machine's memory ends.

    Ctrl-C and a service manager's SIGTERM reach every process of the group. The service then finishes its requests, for
    which it needs its workers, and kills them at last; a worker whose service is gone ends when its input does.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with suppress(OSError):  # not on every platform, and a preference only
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")  # proc(5): the highest


def run(job: Job[T], path: Path, limits: Limits) -> T:
    """Return what the job makes of the file.

    Running out of CPU time ends the process by SIGXCPU, even inside a C library. So does running out of memory: what
    is left of the process then is not worth trusting.

    Raises:
        UnreadableError: the job failed, whatever the error.
        OSError: the file could not be opened, or an `UnwrittenError`: no fault of its content.
    """
    _confine(limits)
    with path.open("rb") as file:
        try:
            return job(file)
        except (UnreadableError, UnwrittenError):
            raise
        except MemoryError:
            os._exit(1)
        except Exception as error:
            raise UnreadableError(traceback.format_exc(limit=-3)[-_REASON_LENGTH:]) from error


def write(path: Path, content: bytes | memoryview) -> None:
    """Write what a job made into the empty file that the service named for it.

    It is never made here: once the service has removed it, a job that is late cannot bring it back.

    Raises:
        UnreadableError: it is more than the job may write.
        UnwrittenError: the disk is full, or the file is gone.
    """
    try:
        with path.open("r+b") as file:
            file.write(content)
    except OSError as error:
        if error.errno == errno.EFBIG:  # Python ignores the signal that goes with it
            raise UnreadableError(f"{len(content)} bytes would have to be written") from error
        raise UnwrittenError(error.errno, error.strerror) from error


def _confine(limits: Limits) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used_seconds = math.ceil(usage.ru_utime + usage.ru_stime)
    _lower(resource.RLIMIT_CPU, used_seconds + limits.cpu_seconds)
    _lower(resource.RLIMIT_FSIZE, limits.file_bytes)
    if sys.platform == "linux":
        _lower(resource.RLIMIT_AS, _mapped_bytes() + limits.memory_bytes)
    signal.setitimer(signal.ITIMER_REAL, limits.wall_seconds + _LATE_SECONDS)  # its signal ends the process


def _lower(kind: int, soft: int) -> None:
    """Set a soft limit and leave the hard one, which only a privileged process could raise again for the next job."""
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _mapped_bytes() -> int:
    """Return the size of the process's address space (proc(5), statm: the first number, in pages)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()
