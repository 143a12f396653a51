"""The deletion of an account, killed at every step that it takes: the relay of any process finishes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.contract_suites.leaving import Killed, Process, interrupted_at_every_step, leaving
from tests.contract_suites.scene import Store, account, stub

from pet.domain.errors import Conflict
from pet.storage.blobs.folder import FolderBlobs, open_folder


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    """A folder for bytes."""
    return open_folder(str(tmp_path / "media"))


async def test_a_deletion_leaves_nothing_and_frees_the_names(store: Store, blobs: FolderBlobs) -> None:
    town = await leaving(store, blobs, "ann")
    with pytest.raises(Conflict):
        await store.accounts.add(account("ann"), stub())
    await Process(store, blobs).delivery.deliver([town.left])
    await town.require_clean()


@pytest.mark.parametrize("is_carried_out", [False, True], ids=["before", "after"])
async def test_a_deletion_killed_at_any_step_is_finished_by_another_process(
    store: Store, blobs: FolderBlobs, is_carried_out: bool
) -> None:
    assert await interrupted_at_every_step(store, blobs, Killed, is_carried_out=is_carried_out) > 20
