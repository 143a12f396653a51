"""Real clients against a started server: the examples of `docs/graphql-clients.md`, and audits of both protocols."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests import media_factory
from tests.e2e.server import Server, serve

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "graphql-clients.md"
ADDRESS = "http://localhost:3000/graphql"
SONG = media_factory.mp3(1.0)
NODE = (20, 19)

pytestmark = pytest.mark.slow


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serve(tmp_path / "data") as started:
        yield started


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.mp3"
    path.write_bytes(SONG)
    return path


async def test_the_clients_of_javascript_and_the_audits_pass(
    server: Server, song: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    npm = installed_npm()
    if not is_installed():
        await run(npm, "ci", "--no-progress")
    said = await run(npm, "test", GRAPHQL_URL=endpoint(server), SONG=str(song))
    counts = re.findall(r"^(?:ℹ )?((?:graphql-http audit:|tests |pass |fail ).*)$", said, re.MULTILINE)  # noqa: RUF001
    with capsys.disabled():
        print("", *counts, sep="\n")  # noqa: T201 - the audit's count is to be seen in every run
    assert "graphql-http audit: 61 of 61" in counts
    assert "fail 0" in counts


async def test_the_python_client_runs_as_it_is_written(server: Server, song: Path, tmp_path: Path) -> None:
    (script,) = re.findall(r"^```python client\.py\n(.*?)^```$", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    assert script.count(ADDRESS) == 1
    program = tmp_path / "client.py"
    program.write_text(script.replace(ADDRESS, endpoint(server)))
    said = (await run(sys.executable, "-W", "error", str(program), str(song))).splitlines()
    assert said[0] == "uploaded Night Train"
    url = said[1].removeprefix("found Night Train ")
    assert (await server.client.get(url)).content == SONG


def endpoint(server: Server) -> str:
    return f"{str(server.client.base_url).rstrip('/')}/graphql"


def installed_npm() -> str:
    """Return npm's path; skip the test where there is none that is new enough, but never in CI, which has it."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm and node and version_of(node) >= NODE:
        return npm
    missing = f"there is no npm with Node.js {NODE[0]}.{NODE[1]} or newer on the PATH"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


def version_of(node: str) -> tuple[int, ...]:
    said = subprocess.run([node, "--version"], capture_output=True, check=True, text=True).stdout
    return tuple(int(number) for number in re.findall(r"\d+", said))


def is_installed() -> bool:
    """Whether the packages are those of the lock file, as npm's own record of its last installation tells."""
    record = HERE / "node_modules" / ".package-lock.json"
    return record.exists() and record.stat().st_mtime >= (HERE / "package-lock.json").stat().st_mtime


async def run(*command: str, **environment: str) -> str:
    """Run a command to its end and return what it said; where it fails, the test shows that."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=HERE,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    return said
