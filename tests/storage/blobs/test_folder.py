"""What is the folder's own: what lies on the disk, when, and after a crash."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from pet.domain.errors import NotFound, Unavailable
from pet.domain.media import MIB
from pet.domain.times import utc_now
from pet.storage.blobs import open_blobs
from pet.storage.blobs.entries import LastingEntries
from pet.storage.blobs.folder import READ_BYTES, FolderBlobs, _StagedFile, open_folder
from tests.storage.blobs.test_open_files import held

WRITER = """
import asyncio, sys
from pet.storage.blobs.folder import open_folder

async def main():
    async with open_folder(sys.argv[1]).stage() as staged:
        for _ in range(3):
            await staged.write(b"x" * 1024 * 1024)
        print("writing", flush=True)
        await asyncio.sleep(60)
        await staged.keep("tracks/never")

asyncio.run(main())
"""

FULL_DISK = """
import resource, signal

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * 1024 - 100, 1024 * 1024 - 100))
"""
"""A file that may not grow further takes a part of a write and refuses the rest, as a full disk does."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data" / "media"


@pytest.fixture
def blobs(root: Path) -> FolderBlobs:
    return open_folder(str(root))


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


async def keep(blobs: FolderBlobs, key: str, content: bytes) -> None:
    async with blobs.stage() as staged:
        await staged.write(content)
        await staged.keep(key)


def test_the_folder_is_made(blobs: FolderBlobs, root: Path) -> None:
    assert root.is_dir()


@pytest.mark.parametrize("url_of", [Path.as_uri, lambda path: f"file://localhost{path}"], ids=["file", "localhost"])
async def test_a_file_url_names_the_same_folder(tmp_path: Path, url_of: Callable[[Path], str]) -> None:
    folder = tmp_path / "my music"
    await keep(open_folder(str(folder)), "tracks/one", b"1")
    assert await open_folder(url_of(folder).replace(" ", "%20")).size("tracks/one") == 1


async def test_a_relative_path_stays_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blobs = open_folder("media")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    await keep(blobs, "tracks/one", b"1")
    assert files(tmp_path) == ["media/tracks/one"]


@pytest.mark.parametrize("url", ["", "s3://key:hidden@bucket", "http://host/media", "file://host/media", "file:media"])
def test_what_names_no_folder_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="Media are kept in a folder") as refusal:
        open_folder(url)
    assert "hidden" not in str(refusal.value)


async def test_an_object_is_a_file_named_by_its_key_and_nothing_else_stays(blobs: FolderBlobs, root: Path) -> None:
    await keep(blobs, "tracks/ab/one.flac", b"fLaC")
    assert files(root) == ["tracks/ab/one.flac"]
    assert (root / "tracks/ab/one.flac").read_bytes() == b"fLaC"


async def test_an_upload_grows_on_the_disk_not_in_memory(blobs: FolderBlobs, root: Path) -> None:
    async with blobs.stage() as staged:
        for _ in range(40):
            await staged.write(b"x" * 100_000)
        [path] = (root / "staging").iterdir()
        assert staged.size_bytes - path.stat().st_size < MIB


async def test_single_bytes_do_not_pile_up_in_memory(blobs: FolderBlobs, root: Path) -> None:
    async with blobs.stage() as staged:
        (path,) = (root / "staging").iterdir()
        for _ in range(20_000):  # as many objects as a MiB holds
            await staged.write(b"x")
        assert 20_000 - path.stat().st_size < 11_000


async def test_a_killed_process_leaves_only_a_staged_file_that_a_later_sweep_removes(
    blobs: FolderBlobs, root: Path
) -> None:
    await keep(blobs, "tracks/one", b"1")
    writer = await start(WRITER, root)
    assert writer.stdout is not None
    assert await writer.stdout.readline() == b"writing\n"
    writer.kill()
    await writer.communicate()
    staged, kept = files(root)
    assert (staged.split("/")[0], kept) == ("staging", "tracks/one")
    assert await blobs.sweep() == 0
    age(root / staged, timedelta(hours=23))
    assert await blobs.sweep() == 0
    age(root / staged, timedelta(hours=25))
    assert await blobs.sweep() == 1
    assert files(root) == ["tracks/one"]


async def test_a_sweep_leaves_old_objects_alone(blobs: FolderBlobs, root: Path) -> None:
    await keep(blobs, "tracks/one", b"1")
    age(root / "tracks/one", timedelta(days=400))
    assert await blobs.sweep() == 0
    assert files(root) == ["tracks/one"]


def age(path: Path, by: timedelta) -> None:
    moment = (utc_now() - by).timestamp()
    os.utime(path, (moment, moment))


@pytest.mark.parametrize("pauses", range(6))
async def test_a_task_cancelled_at_any_point_leaves_nothing_staged(blobs: FolderBlobs, root: Path, pauses: int) -> None:
    async def upload() -> None:
        async with blobs.stage() as staged:
            for _ in range(10):
                await staged.write(b"x" * MIB)
            await asyncio.sleep(60)

    task = asyncio.create_task(upload())
    await asyncio.sleep(pauses * 0.002)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.05)  # a thread that the cancelled task left behind has ended by now
    assert files(root) == []


async def test_a_cancelled_scope_leaves_nothing_staged(blobs: FolderBlobs, root: Path) -> None:
    with anyio.move_on_after(0.01) as scope:
        async with blobs.stage() as staged:
            await staged.write(b"x" * MIB)
            await anyio.sleep(60)
    assert scope.cancelled_caught
    assert files(root) == []


async def test_a_write_that_was_cancelled_spoils_the_object(blobs: FolderBlobs, root: Path) -> None:
    async with blobs.stage() as staged:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await staged.write(b"x" * MIB)
        with pytest.raises(ValueError, match="did not finish"):
            await staged.keep("tracks/one")
    assert files(root) == []


async def test_a_thread_that_a_cancelled_task_left_behind_brings_nothing_back(root: Path) -> None:
    staged = _StagedFile(root, "staging/late", LastingEntries(root))
    await staged.discard()
    await staged.open()
    assert files(root) == []


async def test_a_reader_who_stops_holds_no_file(blobs: FolderBlobs) -> None:
    await keep(blobs, "tracks/one", b"x" * 3 * MIB)
    before = open_files()
    chunks = blobs.read("tracks/one", 0, 3 * MIB)
    assert len(await anext(chunks)) == READ_BYTES
    assert open_files() == before


def open_files() -> list[str]:
    """Return the regular files that this process holds open."""
    paths = (os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd"))  # noqa: PTH208
    return sorted(path for path in paths if "/media/" in path)


async def test_removing_what_is_being_read_ends_the_reading(blobs: FolderBlobs) -> None:
    await keep(blobs, "tracks/one", b"x" * 3 * MIB)
    chunks = blobs.read("tracks/one", 0, 3 * MIB)
    await anext(chunks)
    await blobs.remove("tracks/one")
    with pytest.raises(NotFound):
        await anext(chunks)


async def test_a_disk_that_fails_means_that_the_service_is_down(blobs: FolderBlobs, root: Path) -> None:
    (root / "staging").write_text("a file where the folder should be")
    with pytest.raises(Unavailable, match="Media Service is temporarily unavailable"):
        await keep(blobs, "tracks/one", b"1")
    assert files(root) == ["staging"]


async def content_of(blobs: FolderBlobs, key: str) -> bytes:
    file = await blobs.open_file(key)
    assert file is not None
    with closing(file):
        return os.pread(file.fileno(), 100, 0)


async def test_an_object_lends_its_own_file_until_it_is_removed(blobs: FolderBlobs, root: Path) -> None:
    await keep(blobs, "tracks/one", b"1")
    assert await content_of(blobs, "tracks/one") == b"1"
    await keep(blobs, "tracks/one", b"another")
    assert await content_of(blobs, "tracks/one") == b"another"
    await blobs.remove("tracks/one")
    assert held(root / "tracks") == []
    with pytest.raises(NotFound):
        await blobs.open_file("tracks/one")


async def test_no_path_beside_the_keys_lends_a_file(blobs: FolderBlobs, root: Path) -> None:
    (root.parent / "secret.key").write_bytes(b"secret")
    with pytest.raises(ValueError, match="no key"):
        await blobs.open_file("../secret.key")


async def test_a_closed_place_holds_no_file_open(root: Path, tmp_path: Path) -> None:
    async with open_blobs(str(root), spool=tmp_path, timeout_seconds=1) as blobs:
        async with blobs.stage() as staged:
            await staged.keep("tracks/one")
        file = await blobs.open_file("tracks/one")
        assert file is not None
        file.close()
        assert held(root / "tracks") == ["one"]
    assert held(root / "tracks") == []


async def test_a_folder_that_takes_nothing_more_has_no_room_and_answers(blobs: FolderBlobs, root: Path) -> None:
    await keep(blobs, "tracks/one", b"1")
    assert (await blobs.answers(), await blobs.has_room()) == (True, True)
    (root / "staging").rmdir()
    (root / "staging").write_text("a file where the folder should be")
    assert (await blobs.answers(), await blobs.has_room()) == (True, False)


async def test_a_full_disk_refuses_the_upload_and_leaves_nothing(root: Path) -> None:
    writer = await start(FULL_DISK + WRITER, root)
    _, errors = await writer.communicate()
    assert b"Media Service is temporarily unavailable" in errors
    assert files(root) == []


async def start(program: str, root: Path) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(sys.executable, "-c", program, root, stdout=pipe, stderr=pipe)
