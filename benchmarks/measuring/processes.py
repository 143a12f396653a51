"""What the kernel says of a process and its children."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process and its descendants have used so far, in user and kernel."""
    ticks = 0
    for each in with_descendants(pid):
        fields = (PROC / str(each) / "stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # `utime` and `stime`: fields 14 and 15 (proc(5))
    return ticks / TICKS_A_SECOND


def resident_bytes(pid: int) -> int:
    """Return the memory that a process and its descendants hold now; what they share is counted once."""
    return sum(_kib(each, "smaps_rollup", "Pss:") for each in with_descendants(pid)) * 1024


def peak_bytes(pid: int) -> int:
    """Return the most memory that one process has held since it began, or since `forget_peak`."""
    return _kib(pid, "status", "VmHWM:") * 1024


def forget_peak(pid: int) -> None:
    """Let the peak begin again at what is held now."""
    (PROC / str(pid) / "clear_refs").write_text("5")


def with_descendants(pid: int) -> Iterator[int]:
    """Give a process, then its children, and theirs."""
    yield pid
    for task in (PROC / str(pid) / "task").iterdir():
        for child in (task / "children").read_text().split():
            yield from with_descendants(int(child))


def _kib(pid: int, file: str, field: str) -> int:
    lines = (PROC / str(pid) / file).read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))
