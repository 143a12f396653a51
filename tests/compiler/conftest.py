"""What the tests of the compiler share: one network for all of them, and both executors over it."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.compiler.both import Both
from tests.compiler.network import Network, make_network, opened


@pytest.fixture(scope="session")
def network_folder(tmp_path_factory: pytest.TempPathFactory, migrated_database: Path) -> Path:
    """The folder in which the data of `network` are; nobody writes there."""
    folder = tmp_path_factory.mktemp("network")
    shutil.copy(migrated_database, folder / "pet.sqlite3")
    return folder


@pytest.fixture(scope="session")
def network(network_folder: Path) -> Network:
    """A small network, the same in every run."""
    return asyncio.run(make_network(network_folder))


@pytest.fixture
async def both(network: Network, network_folder: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Both]:
    """Both executors over the network. What fails is not logged: there is too much of it."""
    caplog.set_level(logging.CRITICAL, "pet.graphql")
    async with opened(network_folder) as parts:
        yield Both(parts.services)
