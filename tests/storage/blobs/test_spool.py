"""The beginning and the end of an upload: what is kept, what is not, and how much room it takes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pet.domain.errors import Unavailable
from pet.storage.blobs.spool import Spool

HEAD, TAIL = 100, 40


def spooled(path: Path, content: bytes, step: int) -> bytes:
    spool = Spool(path, head_bytes=HEAD, tail_bytes=TAIL)
    for start in range(0, len(content), step):
        spool.append(content[start : start + step])
    spool.assemble()
    seen = path.read_bytes()
    spool.remove()
    return seen


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 139, 140, 141, 179, 180, 181, 250, 1000])
@pytest.mark.parametrize("step", [1, 7, 40, 64, 100, 1000])
def test_either_end_is_kept_and_a_hole_is_between(tmp_path: Path, size: int, step: int) -> None:
    content = random.Random(size).randbytes(size)
    hole = max(0, size - HEAD - TAIL)
    expected = content[:HEAD] + bytes(hole) + content[HEAD + hole :]
    assert spooled(tmp_path / "upload", content, step) == expected
    assert list(tmp_path.iterdir()) == []


def test_the_hole_takes_no_room(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "upload", head_bytes=1 << 20, tail_bytes=1 << 20)
    for _ in range(64):
        spool.append(b"x" * (1 << 20))
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2 << 20
    spool.assemble()
    status = spool.path.stat()
    spool.remove()
    assert (status.st_size, status.st_blocks * 512 <= 3 << 20) == (64 << 20, True)


def test_a_thread_that_was_left_behind_brings_nothing_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "upload")
    spool.remove()
    with pytest.raises(ValueError, match="gone"):
        spool.append(b"late")
    spool.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_means_that_the_service_is_down(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        Spool(tmp_path / "missing" / "upload").append(b"1")
