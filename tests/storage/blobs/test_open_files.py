"""Files that stay open for a while: lent again without a trip to the disk, and closed when they are not wanted."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from pet.storage.blobs.open_files import OpenFiles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("one", "two", "three"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


@pytest.fixture
async def files(folder: Path) -> AsyncIterator[OpenFiles]:
    opened = OpenFiles(folder, most=2)
    yield opened
    await opened.close()
    assert held(folder) == []


def held(folder: Path) -> list[str]:
    """Return the names of the folder's files that are open in this process."""
    targets = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # it was that of the listing
            targets.append(descriptor.readlink())
    return sorted(target.name for target in targets if target.parent == folder)


async def touch(files: OpenFiles, name: str) -> None:
    (await files.lend(name)).close()


async def test_a_file_is_opened_once_for_all_who_want_it(files: OpenFiles, folder: Path) -> None:
    lent = await asyncio.gather(*(files.lend("one") for _ in range(10)))
    assert {os.pread(file.fileno(), 100, 0) for file in lent} == {b"one"}
    assert ({file.size_bytes for file in lent}, held(folder)) == ({3}, ["one"])
    for file in lent:
        file.close()
        file.close()
    assert held(folder) == ["one"]


async def test_those_that_were_wanted_last_stay_open(files: OpenFiles, folder: Path) -> None:
    for name in ("one", "two", "one", "three"):
        await touch(files, name)
    assert held(folder) == ["one", "three"]


async def test_a_file_that_is_read_stays_open_though_others_are_wanted(files: OpenFiles, folder: Path) -> None:
    with closing(await files.lend("one")) as lent, closing(lent.again()) as once_more:
        for name in ("two", "three"):
            await touch(files, name)
        lent.close()
        assert (os.pread(once_more.fileno(), 100, 0), held(folder)) == (b"one", ["one", "three", "two"])
    assert held(folder) == ["three", "two"]


async def test_a_file_that_was_given_back_cannot_be_used(files: OpenFiles) -> None:
    lent = await files.lend("one")
    lent.close()
    for use in (lent.fileno, lent.again):
        with pytest.raises(ValueError, match="given back"):
            use()


async def test_what_is_forgotten_is_closed_when_its_last_reader_goes(files: OpenFiles, folder: Path) -> None:
    await touch(files, "two")
    with closing(await files.lend("one")):
        files.forget("one")
        files.forget("two")
        assert held(folder) == ["one"]
    assert held(folder) == []


async def test_what_another_process_removes_is_not_lent_any_more(files: OpenFiles, folder: Path) -> None:
    await touch(files, "one")
    (folder / "one").unlink()
    with pytest.raises(FileNotFoundError):
        await files.lend("one")
    assert held(folder) == []


async def test_what_another_process_replaces_or_cuts_is_lent_as_it_is_now(files: OpenFiles, folder: Path) -> None:
    for name in ("one", "two"):
        await touch(files, name)
    (folder / "new").write_bytes(b"another")
    (folder / "new").replace(folder / "one")
    os.truncate(folder / "two", 1)
    with closing(await files.lend("one")) as one, closing(await files.lend("two")) as two:
        assert (os.pread(one.fileno(), 100, 0), one.size_bytes, two.size_bytes) == (b"another", 7, 1)


async def test_a_folder_is_no_file(files: OpenFiles, folder: Path) -> None:
    (folder / "album").mkdir()
    with pytest.raises(FileNotFoundError):
        await files.lend("album")


async def test_who_waits_for_a_file_may_leave_without_it(files: OpenFiles, folder: Path) -> None:
    waiting = asyncio.create_task(files.lend("one"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with closing(await files.lend("one")):
        assert held(folder) == ["one"]


async def test_what_nobody_wants_for_a_while_is_closed(folder: Path) -> None:
    files = OpenFiles(folder, idle_seconds=0.02)
    for name in ("one", "two"):
        await touch(files, name)
        async with asyncio.timeout(10):
            while held(folder):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
    await files.close()


async def test_closing_waits_for_what_is_being_opened(folder: Path) -> None:
    files = OpenFiles(folder)
    lending = asyncio.create_task(files.lend("one"))
    await asyncio.sleep(0)
    lending.cancel()
    await files.close()
    assert held(folder) == []
