"""A disk that is small enough to be filled by a test."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

BLOCK = bytes(64 * 1024)


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk of its own, mounted at a folder."""

    folder: Path

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self, *, leave_bytes: int = 0) -> None:
        """Take all room but so much."""
        with self._ballast.open("ab", buffering=0) as ballast:
            while (free := shutil.disk_usage(self.folder).free - leave_bytes) > 0:
                ballast.write(BLOCK[:free])

    def make_room(self) -> None:
        """Give back what `fill` took."""
        self._ballast.unlink()


@contextmanager
def small_disk(folder: Path, *, size_mib: int) -> Iterator[Disk]:
    """Mount a disk at an empty folder until the context is left.

    The test is skipped where this user may not mount, but never in CI.
    """
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    options = f"size={size_mib}m,uid={os.geteuid()},gid={os.getegid()}"
    mounted = _run(*as_root, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    if mounted is not None:
        reason = f"A small disk cannot be mounted here: {mounted}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        yield Disk(folder)
    finally:
        assert _run(*as_root, "umount", "--lazy", str(folder)) is None


def _run(*command: str) -> str | None:
    """Return what went wrong; None when nothing did."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr.strip()
