"""Every benchmark still runs: in its smallest size, without peers, and whatever time it takes."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys

import pytest
from benchmarks.run import HERE, TOPICS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("topic", [name for name in TOPICS if (HERE / f"{name}.py").exists()])
async def test_a_topic_runs(topic: str) -> None:
    require_wrk()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"benchmarks.{topic}", "--smoke"),
        cwd=HERE.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaints = await process.communicate()
    assert (process.returncode, complaints.decode()) == (0, "")
    assert re.search(r"^    \S.* 1\.00 \(1\.00-1\.00\) ", said.decode(), re.MULTILINE), said.decode()


def require_wrk() -> None:
    """Skip the test where there is no wrk, but never where CI should have seen to it."""
    if shutil.which("wrk") is None and os.environ.get("CI") == "true":
        pytest.fail("There is no wrk; `make wrk` installs it.")
    if shutil.which("wrk") is None:
        pytest.skip("There is no wrk; `make wrk` installs it.")
