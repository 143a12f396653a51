"""What happens inside a worker process: limits first, then one job on one open file.

A worker serves many jobs, so every job sets its limits anew from what the process has used so far. They need POSIX; the
limit on memory is Linux's, elsewhere the limits on time have to do.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

T = TypeVar("T")

Job = Callable[[BinaryIO], T]
"""Reads an open file and returns plain data. Both cross processes: a function of a module, or a `partial` of one."""

_REASON_LENGTH = 2000


class UnreadableError(Exception):
    """A job could not read its file. The reason is for the log: it may quote the file and is not shown to a client."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one job may use: seconds of CPU time, and bytes of address space beyond those mapped when it starts."""

    cpu_seconds: int
    memory_bytes: int


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
        OSError: the file could not be opened, which is no fault of its content.
    """
    settle()
    _confine(limits)
    with path.open("rb") as file:
        try:
            return job(file)
        except UnreadableError:
            raise
        except MemoryError:
            os._exit(1)
        except Exception as error:
            raise UnreadableError(traceback.format_exc(limit=-3)[-_REASON_LENGTH:]) from error


def _confine(limits: Limits) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used_seconds = math.ceil(usage.ru_utime + usage.ru_stime)
    _lower(resource.RLIMIT_CPU, used_seconds + limits.cpu_seconds)
    if sys.platform == "linux":
        _lower(resource.RLIMIT_AS, _mapped_bytes() + limits.memory_bytes)


def _lower(kind: int, soft: int) -> None:
    """Set a soft limit and leave the hard one, which only a privileged process could raise again for the next job."""
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _mapped_bytes() -> int:
    """Return the size of the process's address space (proc(5), statm: the first number, in pages)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()
