"""A disk that runs full: what cannot be written is refused in the documented words, and all else goes on."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import PASSWORD, Person, RunningService
from tests.e2e.server import DEADLINE, PET, Server, environment_of, kept_files, serve
from tests.engines.disk import Disk, small_disk
from tests.engines.redis import until
from tests.media_factory import jpeg, mp3, png, wav

pytestmark = pytest.mark.slow

SONG = mp3(1.0, artwork=jpeg())
LARGE = wav(60.0)
"""5 MB: it begins to be written, and then there is no room."""

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
ROOM_FOR_THE_SONG = -(-len(SONG) // PAGE_BYTES) * PAGE_BYTES

DISK_MIB = 24
MEDIA_DOWN = "Media Service is temporarily unavailable. Please try again later."
AUTH_DOWN = "Auth Service is temporarily unavailable. Please try again later."
UPLOAD = "mutation ($file: Upload!) { uploadTrack(file: $file) { track { fileId } userErrors { message } } }"


@dataclass(frozen=True, slots=True)
class Scene:
    """A service with something on a small disk, and a track of Ann's."""

    server: Server
    disk: Disk
    ann: Person
    path: str
    data_dir: Path
    media: Path

    @property
    def service(self) -> RunningService:
        """The service."""
        return self.server.service

    async def upload(self, content: bytes) -> httpx.Response:
        """Upload a track over REST."""
        return await self.service.upload("track", content, by=self.ann, name="song")

    async def upload_by_graphql(self, content: bytes) -> httpx.Response:
        """Upload a track over GraphQL."""
        operations = json.dumps({"query": UPLOAD, "variables": {"file": None}})
        return await self.service.client.post(
            "/graphql",
            data={"operations": operations, "map": '{"0": ["variables.file"]}'},
            files={"0": ("song", content)},
            headers=self.ann.headers,
        )

    async def login(self) -> httpx.Response:
        """Log Ann in."""
        return await self.service.client.post("/auth/login", json={"email": self.ann.email, "password": PASSWORD})

    async def health(self) -> tuple[int, str, str]:
        """Return status, word and what is said of the media."""
        answer = await self.service.client.get("/health/ready")
        return answer.status_code, answer.json()["status"], answer.json()["checks"]["media"]

    async def require_reads(self) -> None:
        """Require that what is there can be read and heard."""
        heard = await self.service.client.get(self.path)
        assert (heard.status_code, heard.content) == (200, SONG)
        for path in (f"/users/{self.ann.user_id}/profile", "/users/ann/tracks", self.path.replace("track", "cover")):
            assert (await self.service.client.get(path)).status_code == 200
        listed = await self.service.graphql('{ profile(by: {username: "ann"}) { tracks(first: 5) { totalCount } } }')
        assert listed["data"]["profile"]["tracks"]["totalCount"] >= 1

    async def require_refused(self, content: bytes) -> None:
        """Require that an upload is refused by either front, and leaves nothing."""
        before = kept_files(self.media)
        by_rest = await self.upload(content)
        assert (by_rest.status_code, by_rest.json()) == (500, {"success": False, "error": MEDIA_DOWN})
        by_graphql = await self.upload_by_graphql(content)
        assert by_graphql.status_code in {200, 500}  # 500 while the form arrives, before anything could run
        (error,) = by_graphql.json()["errors"]
        assert (error["message"], error["extensions"]["code"]) == (MEDIA_DOWN, "UNAVAILABLE")
        # Temporary objects of GraphQL go when the answer is sent.
        await until(lambda: kept_files(self.media) == before, seconds=DEADLINE)

    def log_lines(self, event: str) -> list[dict[str, Any]]:
        """Return what the log has of this event."""
        return [
            line for text in self.server.log.lines if text[:1] == "{" and (line := json.loads(text))["event"] == event
        ]


@asynccontextmanager
async def on_a_small_disk(folder: Path, *, whole: bool) -> AsyncIterator[Scene]:
    """Run a service whose whole data, or whose media alone, are on a disk of 24 MiB."""
    mount = folder / "small"
    mount.mkdir()
    with small_disk(mount, size_mib=DISK_MIB) as disk:
        data_dir = (mount if whole else folder) / "data"
        media = (data_dir if whole else mount) / "media"
        async with serve(data_dir, media_url=str(media), log_format="json") as server:
            ann = await server.service.register("ann")
            song = await server.service.upload("track", SONG, by=ann)
            yield Scene(server, disk, ann, f"/media/track/{song.json()['file']['fileId']}", data_dir, media)


async def doctor(scene: Scene) -> str:
    """Return what `pet doctor` finds, which has to be a failure."""
    settings = environment_of({"data_dir": str(scene.data_dir), "media_url": str(scene.media)})
    examining = await asyncio.create_subprocess_exec(PET, "doctor", env=settings, stdout=asyncio.subprocess.PIPE)
    findings, _ = await examining.communicate()
    assert examining.returncode == 1
    return findings.decode()


async def test_media_on_a_full_disk_cannot_grow_and_all_else_goes_on(tmp_path: Path) -> None:
    async with on_a_small_disk(tmp_path, whole=False) as scene:
        scene.disk.fill(leave_bytes=len(LARGE) // 2)
        await scene.require_refused(LARGE)
        assert (await scene.upload(SONG)).status_code == 200  # what has room is taken as before
        scene.disk.fill(leave_bytes=ROOM_FOR_THE_SONG)
        await scene.require_refused(SONG)  # the song arrives whole, and its cover finds no room
        scene.disk.fill()
        await scene.require_refused(SONG)
        avatar = await scene.service.upload("avatar", png(), by=scene.ann)
        assert (avatar.status_code, avatar.json()["error"]) == (500, MEDIA_DOWN)
        assert await scene.health() == (200, "degraded", "full")
        assert (await scene.login()).status_code == 200
        await scene.service.register("bob")
        await scene.require_reads()
        scene.disk.make_room()
        assert await scene.health() == (200, "ready", "up")
        assert [(await scene.upload(LARGE)).status_code, (await scene.upload_by_graphql(SONG)).status_code] == [
            200,
            200,
        ]
        told = scene.log_lines("no space is left on a disk")
        assert len(told) == 7
        assert all("No space left on device" in line["exception"] for line in told)


async def test_a_service_whose_whole_disk_is_full_goes_on_to_be_read(tmp_path: Path) -> None:
    async with on_a_small_disk(tmp_path, whole=True) as scene:
        scene.disk.fill()
        await scene.require_refused(LARGE)
        await scene.require_refused(SONG)
        refused = await scene.login()
        assert (refused.status_code, refused.json()["error"]) == (500, AUTH_DOWN)
        assert await scene.health() == (200, "degraded", "full")
        await scene.require_reads()
        assert scene.log_lines("no space is left on a disk")
        findings = await doctor(scene)
        assert "0 MiB are free, too few for a single upload. Make room." in findings
        assert "No object can be written." in findings
        scene.disk.make_room()
        assert [(await scene.login()).status_code, (await scene.upload(LARGE)).status_code] == [200, 200]
        assert await scene.health() == (200, "ready", "up")
        await scene.require_reads()
