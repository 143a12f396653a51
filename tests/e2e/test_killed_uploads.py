"""Killed at any point of an upload, a server leaves a whole track or nothing, over either front."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from pet.settings import Settings
from tests.conftest import Person, RunningService
from tests.e2e.server import DEADLINE, environment_of, free_port, kept_files
from tests.media_factory import jpeg, wav

pytestmark = pytest.mark.slow

KILLS = 25
"""By each front."""

SONG = wav(5.0, artwork=jpeg())
CHUNKS = [SONG[start : start + 16 * 1024] for start in range(0, len(SONG), 16 * 1024)]
BOUNDARY = "b"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
UPLOAD = "mutation ($file: Upload!) { uploadTrack(file: $file) { track { fileId } userErrors { message } } }"


@dataclass
class Nursery:
    """A server on one folder that is killed and started again, and what has become of its uploads."""

    process: asyncio.subprocess.Process
    data_dir: Path
    service: RunningService
    port: int
    musician: Person | None = None
    acknowledged: set[str] = field(default_factory=set)
    checked: set[str] = field(default_factory=set)
    server_id: int = 0

    async def start(self) -> None:
        """Start a server; requests wait until it is ready."""
        chosen = {"data_dir": str(self.data_dir), "port": str(self.port), "rate_limits": "off", "log_level": "error"}
        settings = {f"PET_{name.upper()}": value for name, value in chosen.items()}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(settings).encode() + b"\n")
        self.server_id = int(await self._line())
        async with asyncio.timeout(DEADLINE):
            while True:
                try:
                    await self.service.client.get("/health/live")
                except httpx.ConnectError:
                    await asyncio.sleep(0.02)
                else:
                    return

    async def kill(self) -> None:
        """Kill the server, and wait until it is gone."""
        os.kill(self.server_id, signal.SIGKILL)
        assert await self._line() == ""

    async def _line(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE):
            return (await self.process.stdout.readline()).decode().rstrip("\n")

    @property
    def media(self) -> Path:
        """Where its bytes are."""
        return self.data_dir / "media"


@asynccontextmanager
async def nursery(folder: Path) -> AsyncIterator[Nursery]:
    """Prepare to start servers quickly, until the context is left."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.e2e.nursery",
        env=environment_of({}),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE) as client:
        try:
            yield Nursery(process, folder, RunningService(Settings(data_dir=folder, port=port), client), port)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def rest_body(by: Person) -> tuple[str, bytes, bytes]:
    """Return path, beginning and end of an upload's body over REST; the file is in between."""
    user = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="userId"\r\n\r\n{by.user_id}\r\n'
    return "/media/upload/track", f"{user}{_file_head('file')}".encode(), f"\r\n--{BOUNDARY}--\r\n".encode()


def graphql_body(by: Person) -> tuple[str, bytes, bytes]:
    """Return the same over GraphQL, whose user the token names."""
    del by
    fields = {
        "operations": json.dumps({"query": UPLOAD, "variables": {"file": None}}),
        "map": '{"0": ["variables.file"]}',
    }
    texts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    return "/graphql", f"{''.join(texts)}{_file_head('0')}".encode(), f"\r\n--{BOUNDARY}--\r\n".encode()


def _file_head(name: str) -> str:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="song.wav"\r\n\r\n'


Body = Callable[[Person], tuple[str, bytes, bytes]]


@dataclass
class Sending:
    """An upload on its way: it tells when it has sent so many chunks."""

    sent: int = 0
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def chunks(self, head: bytes, tail: bytes) -> AsyncIterator[bytes]:
        """Yield the body."""
        for chunk in (head, *CHUNKS, tail):
            yield chunk
            self.sent += 1
            self.moved.set()

    async def until_sent(self, count: int) -> None:
        """Wait until so many chunks were taken."""
        while self.sent < count:
            self.moved.clear()
            await self.moved.wait()


Moment = Callable[[Nursery, Sending, random.Random], Awaitable[None]]


async def while_bytes_arrive(nursery: Nursery, sending: Sending, dice: random.Random) -> None:
    """Wait for some chunk."""
    await sending.until_sent(dice.randrange(len(CHUNKS) + 2))


async def while_the_file_is_looked_into(nursery: Nursery, sending: Sending, dice: random.Random) -> None:
    """Wait for the last chunk, and somewhat longer."""
    await sending.until_sent(len(CHUNKS) + 2)
    await asyncio.sleep(dice.uniform(0, 0.8))


async def while_it_is_kept(nursery: Nursery, sending: Sending, dice: random.Random) -> None:
    """Wait until the first bytes are under their key, and a few milliseconds longer: all else happens within these."""
    before = len(list((nursery.media / "files").rglob("*.*")))
    async with asyncio.timeout(DEADLINE):
        while len(list((nursery.media / "files").rglob("*.*"))) == before:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.001)
    await asyncio.sleep(dice.uniform(0, 0.03))


MOMENTS: list[Moment] = [while_bytes_arrive, while_the_file_is_looked_into, while_it_is_kept, while_it_is_kept]


async def test_a_kill_at_any_of_fifty_points_leaves_whole_tracks_or_nothing(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        bodies: dict[str, Body] = {"rest": rest_body, "graphql": graphql_body}
        opened = [await stack.enter_async_context(nursery(tmp_path / name)) for name in bodies]
        histories = [history(each, body) for each, body in zip(opened, bodies.values(), strict=True)]
        for kept, lost in await asyncio.gather(*histories):
            assert kept > 0
            assert lost > 0


async def history(nursery: Nursery, body: Body) -> tuple[int, int]:
    """Kill one server after the other, look at what each left, and return how many uploads were kept and lost."""
    dice = random.Random(body.__name__)
    await nursery.start()
    nursery.musician = await nursery.service.register("muse")
    for number in range(KILLS):
        sending = Sending()
        uploading = asyncio.create_task(upload(nursery, body, sending))
        await MOMENTS[number % len(MOMENTS)](nursery, sending, dice)
        await nursery.kill()
        await uploading
        await nursery.start()
        await require_whole_tracks_alone(nursery)
    return len(nursery.checked), KILLS - len(nursery.checked)


async def upload(nursery: Nursery, body: Body, sending: Sending) -> None:
    """Upload the song; whatever comes of it, a track that was acknowledged is noted."""
    assert nursery.musician is not None
    path, head, tail = body(nursery.musician)
    length = len(head) + len(SONG) + len(tail)
    headers = {**HEADERS, **nursery.musician.headers, "Content-Length": str(length)}
    try:
        answer = await nursery.service.client.post(path, content=sending.chunks(head, tail), headers=headers)
    except httpx.TransportError:
        return
    finally:
        sending.sent = sys.maxsize
        sending.moved.set()
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    nursery.acknowledged.add((told.get("file") or told["data"]["uploadTrack"]["track"])["fileId"])


async def require_whole_tracks_alone(nursery: Nursery) -> None:
    """Acknowledged tracks are there; what is there is counted and whole, with its cover; no other bytes stay."""
    client, musician = nursery.service.client, nursery.musician
    assert musician is not None
    listed = {track["fileId"] for track in (await client.get("/users/muse/tracks")).json()["data"]}
    assert nursery.acknowledged <= listed
    profile = (await client.get(f"/users/{musician.user_id}/profile")).json()["data"]
    assert profile["stats"]["tracksCount"] == len(listed)
    for file_id in listed - nursery.checked:
        assert (await client.get(f"/media/track/{file_id}", headers=musician.headers)).content == SONG
        assert (await client.get(f"/media/cover/{file_id}")).content.startswith(b"\xff\xd8")
    nursery.checked |= listed
    assert len(kept_files(nursery.media)) == 2 * len(listed)
    with closing(sqlite3.connect(nursery.data_dir / "pet.sqlite3")) as database:
        counts = "SELECT (SELECT count(*) FROM file), (SELECT count(*) FROM blob_reservation)"
        assert database.execute(counts).fetchone() == (2 * len(listed), 0)
