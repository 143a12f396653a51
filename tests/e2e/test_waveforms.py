"""Waveforms of real processes: killed at their work, and taken up again; and what a browser makes of the picture."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pet.app import Overrides
from pet.domain.times import utc_now
from tests.conftest import StartService
from tests.e2e.server import DEADLINE, serve
from tests.media_factory import mp3
from tests.setups import on_embedded

pytestmark = [pytest.mark.slow, on_embedded]

MINUTES = 6
PROCESSING = "query ($fileId: ID!) { track(fileId: $fileId) { processing waveform(points: 4) } }"


def in_a_minute() -> datetime:
    """Tell a time at which nothing is held any more by who died just now."""
    return utc_now() + timedelta(minutes=1)


def recording() -> bytes:
    """Return an MP3 that takes seconds to decode."""
    frames = mp3(10.0)
    return frames * (MINUTES * 6)


async def begun(database: Path, file_id: str) -> None:
    """Wait until a process has begun with a track."""
    async with asyncio.timeout(DEADLINE):
        while True:
            if attempts(database, file_id):
                return
            await asyncio.sleep(0.01)


def attempts(database: Path, file_id: str) -> int:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT attempts FROM waveform WHERE file_id = ?", (file_id,)).fetchall()
    finally:
        connection.close()
    return rows[0][0] if rows else 0


async def test_what_a_killed_process_was_decoding_is_finished_by_another(
    tmp_path: Path, start_service: StartService
) -> None:
    data_dir = tmp_path / "data"
    async with serve(data_dir) as server:
        ann = await server.service.register("ann")
        uploaded = await server.service.upload("track", recording(), by=ann, name="long.mp3")
        file_id = uploaded.json()["file"]["fileId"]
        await begun(data_dir / "pet.sqlite3", file_id)
        assert await server.stop(signal.SIGKILL) == -signal.SIGKILL
    service = await start_service(makes_waveforms=True, overrides=Overrides(clock=in_a_minute))
    async with asyncio.timeout(4 * DEADLINE):
        while True:
            found = (await service.graphql(PROCESSING, {"fileId": file_id}))["data"]["track"]
            if found["processing"] != "PENDING":
                break
            await asyncio.sleep(0.1)
    assert found["processing"] == "READY"
    assert all(0.3 < peak < 0.45 for peak in found["waveform"])
    assert attempts(data_dir / "pet.sqlite3", file_id) == 2
