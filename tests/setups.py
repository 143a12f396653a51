"""The set-ups on which the whole service is tested: which engines it stands on, empty at the start of each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from pet.settings import Settings

Prepare = Callable[[Path], dict[str, Any]]
"""Makes empty engines for the service that keeps its data in a folder, and returns the settings that name them."""

EMBEDDED = "embedded"
on_embedded = pytest.mark.parametrize("prepare", [EMBEDDED], indirect=True)
"""For a test that breaks an engine in a way of its own, or looks into it."""


def prepare_on(name: str, request: pytest.FixtureRequest) -> Prepare:
    """Return what prepares the set-up of a name; the engines that it needs are started when they do not run yet."""
    return SET_UPS[name](request)


def _embedded(request: pytest.FixtureRequest) -> Prepare:
    """Stand on a SQLite file and a folder in the data directory: the defaults."""
    migrated_database: Path = request.getfixturevalue("migrated_database")

    def prepare(data_dir: Path) -> dict[str, Any]:
        shutil.copy(migrated_database, data_dir / "pet.sqlite3")
        return {}

    return prepare


SET_UPS: dict[str, Callable[[pytest.FixtureRequest], Prepare]] = {EMBEDDED: _embedded}


def kept_objects(settings: Settings) -> list[PurePosixPath]:
    """Return the key of every object of audio and images, temporary ones included, sorted.

    Dotfiles in a folder are the service's own marks.
    """
    folder = Path(settings.media_url)
    found = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return sorted(PurePosixPath(path) for path in found)
