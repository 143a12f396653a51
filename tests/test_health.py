"""The health checks: a supervisor asks whether the process lives, a proxy whether it can do its work."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Service
from tests.setups import on_embedded

pytestmark = on_embedded


async def test_a_process_that_answers_is_live(service: Service) -> None:
    response = await service.client.get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "live"})
    assert response.headers["cache-control"] == "no-store"


async def test_a_service_is_ready_when_its_engines_are(service: Service) -> None:
    response = await service.client.get("/health/ready")
    assert (response.status_code, response.json()) == (
        200,
        {"status": "ready", "checks": {"database": "up", "media": "up"}},
    )
    assert response.headers["cache-control"] == "no-store"


async def test_asking_leaves_nothing_behind(service: Service) -> None:
    await service.client.get("/health/ready")
    assert list((service.settings.data_dir / "media").glob("staging/*")) == []


async def test_a_media_folder_that_is_gone_is_down_until_it_is_back(service: Service) -> None:
    media = service.settings.data_dir / "media"
    shutil.rmtree(media)
    media.write_text("not a folder")
    response = await service.client.get("/health/ready")
    assert (response.status_code, response.json()) == (
        503,
        {"status": "unavailable", "checks": {"database": "up", "media": "down"}},
    )
    assert (await service.client.get("/health/live")).status_code == 200
    media.unlink()
    assert (await service.client.get("/health/ready")).status_code == 200


async def test_a_database_that_cannot_be_read_is_down(service: Service) -> None:
    with closing(sqlite3.connect(database_of(service))) as database:
        database.execute("ALTER TABLE account RENAME TO lost")
    await require_database_down(service)


async def test_a_database_whose_file_was_removed_is_down(service: Service) -> None:
    database_of(service).unlink()
    await require_database_down(service)


async def require_database_down(service: Service) -> None:
    response = await service.client.get("/health/ready")
    assert (response.status_code, response.json()) == (
        503,
        {"status": "unavailable", "checks": {"database": "down", "media": "up"}},
    )
    assert (await service.client.get("/health/live")).status_code == 200


def database_of(service: Service) -> Path:
    assert service.settings.database_file is not None
    return service.settings.database_file


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_health_is_asked_with_get_or_head(service: Service, path: str) -> None:
    assert (await service.client.head(path)).content == b""
    response = await service.client.post(path)
    assert (response.status_code, response.json()) == (
        405,
        {"success": False, "error": "This route does not take this method."},
    )
