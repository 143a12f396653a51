"""What the demo's tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pet.app import Parts
from tests.demo.network import opened


@pytest.fixture
async def parts(tmp_path: Path, migrated_database: Path) -> AsyncIterator[Parts]:
    """The services on an empty network."""
    async with opened(tmp_path / "data", migrated_database) as parts:
        yield parts
