"""`pet` on PostgreSQL, as an operator runs it: migrate, serve, and one clear sentence when something is wrong."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import PASSWORD
from tests.e2e.server import PET, free_port, serve
from tests.engines.postgres import HOST, PostgresServer
from tests.media_factory import mp3

pytestmark = pytest.mark.slow

CANNOT = "Error: The database (PET_DATABASE_URL) cannot be used: "


@pytest.fixture
async def empty_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The URL of a database without tables."""
    async with postgres_server.database("template1") as name:
        yield postgres_server.url(name)


async def pet(command: str, data_dir: Path, url: str) -> tuple[int | None, str, str]:
    """Run a command; return its status, and what it wrote to standard output and standard error."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PET_")}
    environment |= {"PET_DATABASE_URL": url, "PET_DATA_DIR": str(data_dir), "PET_PORT": str(free_port())}
    process = await asyncio.create_subprocess_exec(
        PET, command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def test_an_empty_database_is_migrated_by_command_and_served(tmp_path: Path, empty_url: str) -> None:
    assert await pet("serve", tmp_path, empty_url) == (
        1,
        "",
        "Error: The tables of the database are not of this version. Run `pet migrate`, then try again.\n",
    )
    assert await pet("migrate", tmp_path, empty_url) == (0, "The database is up to date.\n", "")
    async with serve(tmp_path, database_url=empty_url) as server:
        ann = await server.service.register("ann")
        song = (await server.service.upload("track", mp3(1.0), by=ann, name="song.mp3")).json()["file"]
        port = server.service.settings.port
        assert await server.stop() == 0
    async with serve(tmp_path, port=port, database_url=empty_url) as server:
        given = {"email": ann.email, "password": PASSWORD}
        assert (await server.client.post("/auth/login", json=given)).status_code == 200
        assert (await server.client.get(song["url"])).status_code == 200
        ready = (await server.client.get("/health/ready")).json()
        assert ready == {"status": "ready", "checks": {"database": "up", "media": "up"}}


@pytest.mark.parametrize(
    ("command", "place", "reason"),
    [
        (
            "serve",
            "guest:hush-hush@{host}:{port}/pet",
            'Password authentication failed for user "guest". Check the user',
        ),
        ("serve", "postgres@{host}:{port}/nowhere", 'Database "nowhere" does not exist. Make it with createdb'),
        ("serve", "postgres:hush-hush@nowhere.invalid/pet", "Name or service not known. Check the host in the URL."),
        (
            "serve",
            "postgres:hush-hush@{host}:1/pet",
            "Connect call failed ('127.0.0.1', 1). Check that PostgreSQL runs",
        ),
        ("migrate", "postgres:hush-hush@{host}:1/pet", "Connect call failed ('127.0.0.1', 1). Check that PostgreSQL"),
    ],
    ids=["password", "database", "host", "refused", "refused_to_migrate"],
)
async def test_what_is_wrong_is_told_in_one_sentence(
    postgres_server: PostgresServer, tmp_path: Path, command: str, place: str, reason: str
) -> None:
    url = f"postgres://{place.format(host=HOST, port=postgres_server.port)}?sslmode=disable"
    began = time.monotonic()
    status, output, errors = await pet(command, tmp_path, url)
    assert (status, output) == (1, "")
    assert errors.startswith(CANNOT + reason)
    assert errors.count("\n") == 1
    assert "hush" not in errors
    assert time.monotonic() - began < 15
