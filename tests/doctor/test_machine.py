"""What `pet doctor` finds on a machine, without any engine."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pet.doctor.machine import machine_findings
from pet.domain.media import MIB
from pet.settings import Settings
from pet.storage.findings import Level


class Usage(NamedTuple):
    """As `shutil.disk_usage` returns it."""

    total: int
    used: int
    free: int


def levels(tmp_path: Path, **settings: Any) -> dict[str, Level]:
    """Return the level of each finding by its subject."""
    findings = machine_findings(Settings(data_dir=tmp_path, **settings))
    return {finding.subject: finding.level for finding in findings}


def test_a_laptop_is_fine(tmp_path: Path) -> None:
    found = levels(tmp_path)
    assert list(found) == ["secret", "proxy", "data folder", "temporary folder", "open files"]
    assert set(found.values()) == {Level.FINE}


def test_looking_makes_nothing(tmp_path: Path) -> None:
    assert levels(tmp_path / "later")["data folder"] is Level.FINE
    assert not (tmp_path / "later").exists()


@pytest.mark.parametrize(
    ("settings", "level"),
    [
        ({"public_url": "https://music.example"}, Level.WARNING),
        ({"public_url": "https://music.example", "trusted_proxies": "10.0.0.1"}, Level.FINE),
        ({"trusted_proxies": "10.0.0.1"}, Level.WARNING),
        ({"host": "0.0.0.0"}, Level.WARNING),  # noqa: S104
        ({"host": "0.0.0.0", "public_url": "http://music.example"}, Level.FINE),  # noqa: S104
    ],
)
def test_the_public_url_is_judged_against_proxies_and_address(
    tmp_path: Path, settings: dict[str, Any], level: Level
) -> None:
    assert levels(tmp_path, **settings)["proxy"] is level


@pytest.mark.parametrize("settings", [{"rate_limits": False}, {"trust_client_user_id": True}])
def test_open_doors_are_told(tmp_path: Path, settings: dict[str, Any]) -> None:
    assert levels(tmp_path, **settings)["access"] is Level.WARNING


@pytest.mark.parametrize(("mode", "level"), [(0o600, Level.FINE), (0o640, Level.FAILURE)])
def test_a_secret_that_others_can_read_fails(tmp_path: Path, mode: int, level: Level) -> None:
    (tmp_path / "secret.key").write_bytes(b"k" * 32)
    (tmp_path / "secret.key").chmod(mode)
    assert levels(tmp_path)["secret"] is level


@pytest.mark.parametrize(("free", "level"), [(2000, Level.FINE), (900, Level.WARNING), (150, Level.FAILURE)])
def test_a_disk_that_fills_up_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: Level) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, free * MIB))
    assert levels(tmp_path)["data folder"] is level


def test_a_file_where_a_folder_should_be_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert levels(tmp_path / "file" / "data")["data folder"] is Level.FAILURE


def test_a_media_folder_elsewhere_is_looked_at_too(tmp_path: Path) -> None:
    assert levels(tmp_path, media_url=str(tmp_path / "far" / "media"))["media folder"] is Level.FINE


def test_a_low_limit_of_open_files_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1024))
    assert levels(tmp_path)["open files"] is Level.WARNING
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, resource.RLIM_INFINITY))
    assert levels(tmp_path)["open files"] is Level.FINE
