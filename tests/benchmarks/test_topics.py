"""Every benchmark still runs: in its smallest size, without peers, and whatever time it takes."""

from __future__ import annotations

import asyncio
import re
import sys

import pytest
from benchmarks.run import HERE, TOPICS

from tests.benchmarks.wrk import require_wrk

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("topic", TOPICS)
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
