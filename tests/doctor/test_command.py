"""`pet doctor` as an operator runs it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from pet.domain.times import utc_now
from pet.storage.findings import Level, clock_finding
from tests.test_cli import pet


def lines(output: str) -> dict[str, str]:
    """Return the level of each line by its subject; of two lines on one subject the worse one."""
    order = [level.value for level in Level]
    found: dict[str, str] = {}
    for line in output.splitlines()[:-1]:
        level, subject = line[:8].strip(), line[8:26].strip()
        found[subject] = max(found.get(subject, level), level, key=order.index)
    return found


def test_before_the_first_start_there_is_nothing_to_mend(tmp_path: Path) -> None:
    result = pet("doctor", data_dir=tmp_path / "data")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "Nothing to mend.")
    assert (lines(result.stdout)["database"], lines(result.stdout)["media"]) == ("ok", "ok")
    assert not (tmp_path / "data").exists()


def test_a_service_that_runs_is_found_well(tmp_path: Path, migrated_database: Path) -> None:
    shutil.copy(migrated_database, tmp_path / "pet.sqlite3")
    (tmp_path / "media").mkdir()
    result = pet("doctor", data_dir=tmp_path)
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "Nothing to mend.")
    assert [lines(result.stdout)[subject] for subject in ("database", "migrations", "media")] == ["ok"] * 3
    assert list((tmp_path / "media").rglob("*.*")) == []


def test_tables_of_another_version_fail_with_the_command_that_mends_them(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "pet.sqlite3")):
        pass
    result = pet("doctor", data_dir=tmp_path)
    assert (result.exit_code, lines(result.stdout)["migrations"]) == (1, "failure")
    assert "Run: pet migrate" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("1 failures")


def test_a_file_that_is_no_database_fails_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "pet.sqlite3").write_text("this is a text, and no database\n" * 200)
    result = pet("doctor", data_dir=tmp_path)
    assert (result.exit_code, lines(result.stdout)["database"], lines(result.stdout)["media"]) == (1, "failure", "ok")
    assert "Traceback" not in result.output


def test_a_media_folder_that_cannot_be_written_fails(tmp_path: Path) -> None:
    (tmp_path / "media").write_text("not a folder")
    result = pet("doctor", data_dir=tmp_path)
    assert (result.exit_code, lines(result.stdout)["media"]) == (1, "failure")


def test_a_clock_is_compared_with_the_moments_around_the_look_at_it() -> None:
    now = utc_now()
    for theirs, level in (
        (now, Level.FINE),
        (now + timedelta(seconds=0.9), Level.FINE),
        (now + timedelta(seconds=1.6), Level.WARNING),
        (now - timedelta(seconds=5), Level.WARNING),
    ):
        found = clock_finding("database", theirs, asked=now, answered=now + timedelta(seconds=0.1))
        assert found.level is level
