"""Programs that people download and play media with."""

from __future__ import annotations

import asyncio
import os
import shutil

import pytest

SECONDS = 60.0
"""After which a program is given up: far more than it takes."""


async def run_program(name: str, *arguments: str) -> tuple[bytes, str]:
    """Run a program that must succeed; return what it wrote and what it said.

    The test is skipped where the program is missing, but never where CI should have seen to it.
    """
    found = shutil.which(name)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail(f"There is no {name}; `make players` installs it.")
    if found is None:
        pytest.skip(f"There is no {name}; `make players` installs it.")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        found, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    try:
        async with asyncio.timeout(SECONDS):
            written, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, (written, said)
    return written, said.decode(errors="replace")
