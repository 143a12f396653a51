"""The store behind the whole service, failing in every way: what clients see, what is left, and when it is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Person, Service, StartService
from tests.e2e.server import serve
from tests.engines.s3 import Bucket, S3Server
from tests.faults.link import Fault, Link, faulty_link
from tests.media_factory import mp3, png, wav

DOWN = {"success": False, "error": "Media Service is temporarily unavailable. Please try again later."}
FAULTS = [Fault.SLOW, Fault.HANG, Fault.REFUSE, Fault.RESET, Fault.LOSE_ANSWERS, Fault.CUT_ANSWERS]
ANSWER_SECONDS = 3.0
"""Within this a client is answered, at the default deadline of two seconds."""

BACK_SECONDS = 4.0
"""Two seconds for the return of the store to be used, and as many for a machine that has other work."""


@dataclass
class Scene:
    """A service whose store is at the other end of a link, with Ann and a track of hers."""

    service: Service
    link: Link
    bucket: Bucket
    ann: Person
    song: dict[str, Any]
    upload_seconds: float
    """What an upload takes here while all is well: inspecting a file is no fault of the store."""

    async def requests(self) -> list[httpx.Response]:
        """Ask for everything that needs the store, one after the other; each answer has to come in time."""
        asked: list[Callable[[], Awaitable[httpx.Response]]] = [
            lambda: self.service.client.get(self.song["url"]),
            lambda: self.service.client.get(self.song["url"], headers={"Range": "bytes=100-"}),
            lambda: self.service.upload("avatar", png(), by=self.ann),
            lambda: self.service.upload("track", mp3(1.0), by=self.ann),
        ]
        answers = []
        for ask in asked:
            started = time.monotonic()
            answers.append(await ask())
            assert time.monotonic() - started < ANSWER_SECONDS + self.upload_seconds
        return answers

    async def readiness(self) -> tuple[int, str]:
        """Return what the health check says."""
        response = await self.service.client.get("/health/ready")
        return response.status_code, response.json()["checks"]["media"]

    async def profile(self) -> dict[str, Any]:
        """Return Ann's profile."""
        data: dict[str, Any] = (await self.service.client.get(f"/users/{self.ann.user_id}/profile")).json()["data"]
        return data


@pytest.fixture
async def link(s3_bucket: Bucket, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Link]:
    async with faulty_link("127.0.0.1", s3_server.port) as opened:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{opened.port}")
        yield opened


async def begin(service: Service, link: Link, bucket: Bucket) -> Scene:
    ann = await service.register("ann")
    started = time.monotonic()
    uploaded = await service.upload("track", mp3(3.0), by=ann)
    assert uploaded.status_code == 200, uploaded.text
    return Scene(service, link, bucket, ann, uploaded.json()["file"], time.monotonic() - started)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_store_that_fails_is_told_leaves_nothing_and_comes_back(
    start_service: StartService, s3_bucket: Bucket, link: Link, fault: Fault
) -> None:
    scene = await begin(await start_service(media_url=s3_bucket.url), link, s3_bucket)
    before, kept = await scene.profile(), s3_bucket.keys()
    await link.fail(fault)

    for answer in await scene.requests():
        assert (answer.status_code, answer.json()) == (500, DOWN)
    assert await scene.readiness() == (503, "down")
    assert await scene.profile() == before

    await link.mend()
    back = time.monotonic()
    played = await scene.service.client.get(scene.song["url"])
    assert (played.status_code, played.content) == (200, mp3(3.0))
    assert time.monotonic() - back < BACK_SECONDS
    again = await scene.service.upload("avatar", png(), by=scene.ann)
    assert again.status_code == 200
    assert await scene.readiness() == (200, "up")

    avatar = again.json()["file"]["fileId"]
    expected = sorted([*kept, f"files/{avatar[-2:]}/{avatar}.png"])
    for _ in range(50):  # what was on its way through a slow link may arrive behind a sweep: the next one removes it
        await scene.service.services.uploads.sweep(is_alone=True)
        if s3_bucket.keys() == expected:
            break
        await asyncio.sleep(0.2)
    assert s3_bucket.keys() == expected
    tracks = (await scene.service.client.get("/users/ann/tracks")).json()["data"]
    assert [track["fileId"] for track in tracks] == [scene.song["fileId"]]


async def test_what_needs_no_store_goes_on(start_service: StartService, s3_bucket: Bucket, link: Link) -> None:
    scene = await begin(await start_service(media_url=s3_bucket.url), link, s3_bucket)
    await link.fail(Fault.HANG)
    bob = await scene.service.register("bob")
    followed = await scene.service.client.post(
        f"/social/follow/{scene.ann.user_id}", json={"followerId": bob.user_id}, headers=bob.headers
    )
    head = await scene.service.client.head(scene.song["url"])
    held = await scene.service.client.get(scene.song["url"], headers={"If-None-Match": f'"{scene.song["fileId"]}"'})
    gone = await scene.service.client.delete(f"/media/file/{scene.song['fileId']}", headers=scene.ann.headers)
    assert [followed.status_code, head.status_code, held.status_code, gone.status_code] == [200, 200, 304, 200]
    assert (await scene.service.client.get(scene.song["url"])).status_code == 404
    await link.mend()
    for _ in range(40):  # the relay removes the bytes, two seconds after each failure
        if not s3_bucket.keys():
            break
        await asyncio.sleep(0.2)
    assert s3_bucket.keys() == []


async def test_a_request_that_is_called_off_gives_its_connection_back(
    start_service: StartService, s3_bucket: Bucket, link: Link
) -> None:
    scene = await begin(await start_service(media_url=s3_bucket.url, engine_timeout=30), link, s3_bucket)
    await link.fail(Fault.HANG)
    asking = [asyncio.create_task(scene.service.client.get(scene.song["url"])) for _ in range(20)]
    await asyncio.sleep(0.3)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    await link.mend()
    await asyncio.sleep(0.5)
    assert len(link._open) <= 2  # one idle connection of the pool, both ends
    assert (await scene.service.client.get(scene.song["url"])).content == mp3(3.0)


def form(person: Person, content: bytes) -> tuple[bytes, dict[str, str]]:
    """Return a multipart form as bytes, and its header fields."""
    request = httpx.Request(
        "POST", "http://test", data={"userId": person.user_id}, files={"file": ("long.wav", content)}
    )
    return request.read(), {**person.headers, "Content-Type": request.headers["content-type"]}


async def sent_with_a_break(scene: Scene, fault: Fault, content: bytes) -> httpx.Response:
    """Upload; when most of it has arrived, the store fails."""
    body, headers = form(scene.ann, content)

    async def pieces() -> AsyncIterator[bytes]:
        step = 1024 * 1024
        for start in range(0, len(body), step):
            if start == 9 * step:
                await scene.link.fail(fault)
            yield body[start : start + step]

    return await scene.service.client.post("/media/upload/track", content=pieces(), headers=headers)


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.REFUSE, Fault.RESET, Fault.LOSE_ANSWERS, Fault.CUT_ANSWERS])
async def test_a_store_that_breaks_in_the_middle_of_an_upload_leaves_no_record(
    start_service: StartService, s3_bucket: Bucket, link: Link, fault: Fault
) -> None:
    scene = await begin(await start_service(media_url=s3_bucket.url), link, s3_bucket)
    kept, before = s3_bucket.keys(), await scene.profile()
    long = wav(160.0)
    assert len(long) > 12 * 1024 * 1024

    started = time.monotonic()
    answer = await sent_with_a_break(scene, fault, long)
    assert (answer.status_code, answer.json()) == (500, DOWN)
    assert time.monotonic() - started < ANSWER_SECONDS + 2 * scene.upload_seconds  # sending it takes a while, too
    assert await scene.profile() == before

    await link.mend()
    await asyncio.sleep(1)
    assert s3_bucket.keys() == kept
    assert all(key.startswith("staging/") for key in s3_bucket.unfinished())  # the bucket's own rule takes these
    again = await scene.service.upload("track", long, by=scene.ann)
    assert again.status_code == 200
    fetched = await scene.service.client.get(again.json()["file"]["url"])
    assert fetched.content == long


async def seen_before_the_break(url: str, link: Link, fault: Fault) -> bytes:
    """Download until the transfer breaks, which the store is made to do when the first bytes are here."""
    seen = b""
    async with httpx.AsyncClient(timeout=30) as client, client.stream("GET", url) as response:
        assert response.status_code == 200
        try:
            async for piece in response.aiter_bytes(64 * 1024):
                if not seen:
                    await link.fail(fault)
                seen += piece
        except httpx.RemoteProtocolError:
            return seen
    raise AssertionError("the transfer did not break")


@pytest.mark.slow
@pytest.mark.parametrize("fault", [Fault.HANG, Fault.REFUSE])
async def test_a_store_that_breaks_in_the_middle_of_a_download_breaks_the_transfer(
    s3_bucket: Bucket, link: Link, tmp_path: Path, fault: Fault
) -> None:
    long = wav(300.0)
    async with serve(tmp_path, media_url=s3_bucket.url) as server:
        ann = await server.service.register("ann")
        song = (await server.service.upload("track", long, by=ann)).json()["file"]
        path = f"/media/track/{song['fileId']}"
        seen = await seen_before_the_break(f"http://127.0.0.1:{server.service.settings.port}{path}", link, fault)
        assert 0 < len(seen) < len(long)
        assert long.startswith(seen)
        await link.mend()
        rest = await server.client.get(path, headers={"Range": f"bytes={len(seen)}-"})
        assert (rest.status_code, seen + rest.content) == (206, long)
        await server.log.wait_for("media stream broken")
        assert not any("AWS_SECRET" in line or "a-secret-of-the-tests" in line for line in server.log.lines)
        assert await server.stop() == 0


async def test_a_connection_that_is_cut_once_is_not_noticed(
    start_service: StartService, s3_bucket: Bucket, link: Link
) -> None:
    scene = await begin(await start_service(media_url=s3_bucket.url), link, s3_bucket)
    for _ in range(3):
        link.cut()  # what lies idle in the pool
        played = await scene.service.client.get(scene.song["url"])
        assert (played.status_code, played.content) == (200, mp3(3.0))
        link.cut()
        assert (await scene.service.upload("avatar", png(), by=scene.ann)).status_code == 200
