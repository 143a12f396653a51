"""The README's first track, run by a shell as it stands."""

from __future__ import annotations

import asyncio
import os
import re
import wave
from pathlib import Path

import pytest

from tests.e2e.server import serve

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.slow
async def test_the_first_track_plays_by_copy_and_paste(tmp_path: Path) -> None:
    (script,) = re.findall(r"## A first track playing.*?```sh\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(script.splitlines()) == 5

    async with serve(tmp_path / "data") as server:
        environment = {**os.environ, "PET": str(server.client.base_url)}
        shell = await asyncio.create_subprocess_exec(
            "sh",
            "-e",
            "-c",
            script,
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
        )
        said = (await shell.communicate())[0].decode().splitlines()

        assert shell.returncode == 0
        assert said[0] == "206 audio/wav"
        url = said[1].removeprefix("Play it in any browser: ")
        song = (tmp_path / "song.wav").read_bytes()
        assert (await server.client.get(url)).content == song
        assert (tmp_path / "part.wav").read_bytes() == song[:100_000]
    with wave.open(str(tmp_path / "song.wav")) as tune:
        assert tune.getnframes() / tune.getframerate() == 4
