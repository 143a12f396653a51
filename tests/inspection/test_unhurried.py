"""The peak reader: whole tracks decoded in workers that a hostile file may kill, and nothing else."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from pet.domain.errors import NotFound, UnsupportedMedia
from pet.domain.files import MediaFile
from pet.domain.media import AudioFormat
from pet.domain.waveforms import POINTS
from pet.inspection.pool import WorkerInspector
from pet.inspection.unhurried import WorkerPeakReader
from tests import media_factory
from tests.contract_suites.scene import ANN, track


def kept(folder: Path, content: bytes, container: AudioFormat) -> tuple[Path, MediaFile]:
    """Put a track into a folder, with the record of it."""
    path = folder / "object"
    path.write_bytes(content)
    return path, track(ANN, format=container.value, size_bytes=len(content))


@pytest.fixture
def song(tmp_path: Path) -> tuple[Path, MediaFile]:
    return kept(tmp_path, media_factory.mp3(2.0), AudioFormat.MP3)


@pytest.fixture
async def reader() -> AsyncIterator[WorkerPeakReader]:
    opened = WorkerPeakReader()
    yield opened
    await opened.close()


async def test_a_track_has_peaks(reader: WorkerPeakReader, song: tuple[Path, MediaFile]) -> None:
    peaks = await reader.peaks(*song)
    assert len(peaks) == POINTS
    assert max(peaks) < 120
    assert sorted(peaks)[POINTS // 10] > 80


@pytest.mark.parametrize("content", [b"", b"no sound at all", media_factory.jpeg()], ids=["empty", "text", "picture"])
async def test_what_cannot_be_decoded_is_refused(reader: WorkerPeakReader, tmp_path: Path, content: bytes) -> None:
    for container in AudioFormat:
        with pytest.raises(UnsupportedMedia):
            await reader.peaks(*kept(tmp_path, content, container))


@pytest.mark.parametrize(
    ("limit", "value"), [("WALL_PER_CPU_SECOND", 1e-6), ("MEMORY_BYTES", 1)], ids=["time", "memory"]
)
async def test_a_track_beyond_the_limits_is_refused_and_others_are_not(
    reader: WorkerPeakReader, song: tuple[Path, MediaFile], monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(f"pet.inspection.unhurried.{limit}", value)
        with pytest.raises(UnsupportedMedia):
            await reader.peaks(*song)
    assert len(await reader.peaks(*song)) == POINTS


async def test_whoever_waits_goes_first(reader: WorkerPeakReader, song: tuple[Path, MediaFile]) -> None:
    inspector, others = WorkerInspector(), set(await children())
    await reader.peaks(*song)
    assert [await niceness(child) for child in await children() if child not in others] == [19]
    assert (await inspector.audio(song[0], artwork=song[0].with_suffix(".artwork"))).format is AudioFormat.MP3
    assert sorted([await niceness(child) for child in await children() if child not in others]) == [os.nice(0), 19]
    await inspector.close()
    await reader.close()
    assert not set(await children()) - others


async def test_a_file_that_went_meanwhile_is_not_found(reader: WorkerPeakReader, song: tuple[Path, MediaFile]) -> None:
    song[0].unlink()
    with pytest.raises(NotFound):
        await reader.peaks(*song)


async def test_whoever_gives_up_stops_the_worker(reader: WorkerPeakReader, tmp_path: Path) -> None:
    long = kept(tmp_path, media_factory.mp3(10.0) * 300, AudioFormat.MP3)
    reading = asyncio.create_task(reader.peaks(*long))
    async with asyncio.timeout(60):
        worker = await worker_with(long[0])
        reading.cancel()
        await asyncio.wait((reading,))
        await ended(worker)
    assert reading.cancelled()


def test_ffmpeg_is_not_loaded_by_the_service_itself() -> None:
    code = "import sys, pet.app, pet.cli; print([name for name in ('av', 'numpy') if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


async def children() -> list[anyio.Path]:
    """Return the folders in /proc of this process's children."""
    me = anyio.Path("/proc/self")
    found = [await task.read_text() async for task in me.glob("task/*/children")]
    return [anyio.Path("/proc") / child for each in found for child in each.split()]


async def worker_with(path: Path) -> anyio.Path:
    """Return the worker that has a file open, once there is one."""
    while True:
        for worker in await children():
            if await has_open(worker, path):
                return worker
        await asyncio.sleep(0.02)


async def ended(worker: anyio.Path) -> None:
    """Wait until a worker is gone."""
    while True:
        if worker not in await children():
            return
        await asyncio.sleep(0.02)


async def niceness(process: anyio.Path) -> int:
    """Return how nice a process's main thread is (proc(5), stat: field 19)."""
    return int((await (process / "stat").read_text()).rpartition(")")[2].split()[16])


async def has_open(process: anyio.Path, path: Path) -> bool:
    """Tell whether a process has a file open."""
    try:
        return any([await file.resolve() == anyio.Path(path) async for file in (process / "fd").iterdir()])
    except OSError:  # it has ended
        return False
