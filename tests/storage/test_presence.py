"""Being alone in a folder: who is, who is not, and who has to wait."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from pet.domain.errors import Unavailable
from pet.storage.presence import LOCK_FILE, Tidy, present

HOLDER = """
import asyncio, sys
from pathlib import Path
from pet.storage.presence import present

async def tidy(is_alone):
    print(is_alone, flush=True)

async def main():
    async with present(Path(sys.argv[1]), tidy):
        print("present", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def noting(seen: list[bool]) -> Tidy:
    async def tidy(is_alone: bool) -> None:
        seen.append(is_alone)

    return tidy


async def test_the_first_is_alone_and_the_second_is_not(tmp_path: Path) -> None:
    seen: list[bool] = []
    async with present(tmp_path / "media", noting(seen)), present(tmp_path / "media", noting(seen)):
        assert seen == [True, False]


async def test_whoever_comes_after_all_have_left_is_alone(tmp_path: Path) -> None:
    seen: list[bool] = []
    for _ in range(2):
        async with present(tmp_path, noting(seen)):
            pass
    assert seen == [True, True]


async def test_the_first_that_leaves_does_not_make_another_alone(tmp_path: Path) -> None:
    seen: list[bool] = []
    second = present(tmp_path, noting(seen))
    async with present(tmp_path, noting(seen)):
        await second.__aenter__()
    async with present(tmp_path, noting(seen)):
        await second.__aexit__(None, None, None)
    assert seen == [True, False, False]


async def test_another_waits_until_the_one_that_is_alone_has_tidied_up(tmp_path: Path) -> None:
    tidying, go_on = asyncio.Event(), asyncio.Event()
    seen: list[str] = []

    async def slow(_is_alone: bool) -> None:
        tidying.set()
        await go_on.wait()
        seen.append("tidied")

    async def come(name: str, tidy: Tidy) -> None:
        async with present(tmp_path, tidy):
            seen.append(name)

    async with asyncio.TaskGroup() as group:
        group.create_task(come("first", slow))
        await tidying.wait()
        group.create_task(come("second", noting([])))
        await asyncio.sleep(0.05)  # time enough to come too early
        go_on.set()
    assert seen[0] == "tidied"
    assert sorted(seen[1:]) == ["first", "second"]


async def test_a_killed_process_is_present_no_more(tmp_path: Path) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert [await holder.stdout.readline() for _ in range(2)] == [b"True\n", b"present\n"]
    seen: list[bool] = []
    async with present(tmp_path, noting(seen)):
        pass
    holder.kill()
    await holder.communicate()
    async with present(tmp_path, noting(seen)):
        pass
    assert seen == [False, True]


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    seen: list[bool] = []
    with pytest.raises(Unavailable):
        async with present(tmp_path / "file" / "media", noting(seen)):
            pass
    assert seen == []


async def test_a_file_system_without_locks_lets_nobody_be_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("pet.storage.presence.fcntl.flock", refuse)
    seen: list[bool] = []
    async with present(tmp_path, noting(seen)):
        assert (tmp_path / LOCK_FILE).exists()
    assert seen == [False]
