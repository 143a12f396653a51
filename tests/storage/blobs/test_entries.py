"""Which folders are synced for the entry of a new file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pet.domain.media import StagedBlob
from pet.storage.blobs.folder import FolderBlobs, open_folder

ONE, TWO, OTHER = "files/ab/one", "files/ab/two", "files/cd/one"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "media"


@pytest.fixture
def blobs(root: Path) -> FolderBlobs:
    return open_folder(str(root))


@pytest.fixture
def synced(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was synced, by its path below the root; a file that had no key yet is `a file`."""
    paths: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(root)
        paths.append("a file" if path.parts[:1] == ("staging",) else str(path))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    return paths


async def test_new_folders_last_up_to_the_root(blobs: FolderBlobs, synced: list[str]) -> None:
    await keep(blobs, ONE)

    assert synced == ["a file", "files/ab", "files", "."]


async def test_what_lasts_is_not_synced_again(blobs: FolderBlobs, synced: list[str]) -> None:
    await keep(blobs, ONE)
    synced.clear()

    await keep(blobs, TWO)
    await keep(blobs, OTHER)

    assert synced == ["a file", "files/ab", "a file", "files/cd", "files"]


async def test_folders_that_an_earlier_process_made_need_not_last_yet(
    blobs: FolderBlobs, root: Path, synced: list[str]
) -> None:
    (root / "files/ab").mkdir(parents=True)

    await keep(blobs, ONE)

    assert synced == ["a file", "files/ab", "files", "."]


async def test_a_folder_that_was_removed_is_made_to_last_anew(
    blobs: FolderBlobs, root: Path, synced: list[str]
) -> None:
    await keep(blobs, ONE)
    shutil.rmtree(root / "files")
    synced.clear()

    await keep(blobs, TWO)

    assert synced == ["a file", "files/ab", "files", "."]
    assert (root / TWO).read_bytes() == b"1"


async def keep(blobs: FolderBlobs, key: str) -> None:
    staged: StagedBlob
    async with blobs.stage() as staged:
        await staged.write(b"1")
        await staged.keep(key)
