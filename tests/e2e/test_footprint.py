"""What a real server needs for media: memory for large uploads and for those who stop reading, and open handles."""

# mypy: disable-error-code="no-untyped-call"
# mutagen's functions carry no annotations.

from __future__ import annotations

import asyncio
import io
import json
import random
import re
import struct
from collections.abc import AsyncIterator, Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from mutagen.id3 import APIC, ID3
from PIL import Image

from pet.domain.media import COVER_MAX_BYTES, MIB, TRACK_MAX_BYTES
from pet.storage.presence import LOCK_FILE
from tests.e2e.server import DEADLINE
from tests.e2e.ways import Way, opened_way
from tests.engines.redis import until
from tests.media_factory import mp3, saved_image

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

PROMISED_MIB = 16
"""By so much a process may grow for an upload of 100 MiB."""

EACH_READER_MIB = 2
"""By so much it may grow for a listener who has stopped to take bytes."""

BLOCK = random.Random(100).randbytes(MIB)
UPLOAD = "mutation ($file: Upload!) { uploadTrack(file: $file) { track { fileId size } userErrors { message } } }"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["folder-proxy", "s3-proxy"])
async def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Way]:
    async with opened_way(request.param, request, tmp_path_factory) as opened:
        await opened.upload(mp3(2.0))  # what is made once, a worker's start among it, is no matter of the upload's size
        yield opened


def memory_mib(way: Way, what: str) -> float:
    """Return `VmRSS`, what the server's process holds, or `VmHWM`, the most since its peak was reset."""
    status = (process_of(way) / "status").read_text()
    found = re.search(rf"^{what}:\s+(\d+) kB", status, flags=re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def process_of(way: Way) -> Path:
    return Path("/proc") / str(way.server.process.pid)


def head_of_wav(size_bytes: int, tag_bytes: int = 0) -> bytes:
    """Return the head of a WAV of that size, stereo, 16 bits, 44.1 kHz, of which so much is a tag at the end."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 44_100, 176_400, 4, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", size_bytes - 8, b"WAVE")
        + form
        + struct.pack("<4sI", b"data", size_bytes - tag_bytes - 44)
    )


@cache
def noise(encoder: str) -> bytes:
    """Return a picture of 9 MB, which no encoder makes smaller."""
    side = 1_750 if encoder == "PNG" else 2_850
    pixels = np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
    picture = saved_image(Image.fromarray(pixels), encoder, quality=95)
    assert 8.5 * MIB < len(picture) < COVER_MAX_BYTES, len(picture) / MIB
    return picture


def with_artwork(picture: bytes) -> bytes:
    """Return a WAV's chunk with an ID3 tag that holds a picture."""
    frame = APIC(encoding=3, mime="image/png", type=3, desc="", data=picture)
    tag, buffer = ID3(), io.BytesIO()
    tag.add(frame)
    tag.save(buffer)
    return struct.pack("<4sI", b"id3 ", len(buffer.getvalue())) + buffer.getvalue()


def field(name: str, value: str) -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def opening_of_file(name: str) -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="song.wav"\r\n\r\n'.encode()


Parts = tuple[str, list[bytes], bytes]
"""A path, a form's fields, and the beginning of its file."""


def by_rest(way: Way) -> Parts:
    return "/media/upload/track", [field("userId", way.owner.user_id)], opening_of_file("file")


def by_graphql(way: Way) -> Parts:
    operations = json.dumps({"query": UPLOAD, "variables": {"file": None}})
    return (
        "/graphql",
        [field("operations", operations), field("map", '{"0": ["variables.file"]}')],
        opening_of_file("0"),
    )


async def send(
    way: Way, front: Callable[[Way], Parts], *, file_first: bool, size_bytes: int, tag: bytes = b""
) -> tuple[int, str]:
    """Upload a track of a size, a tag at its end included; return status and answer."""
    path, fields, opening = front(way)
    before, after = (b"", b"".join(fields)) if file_first else (b"".join(fields), b"")
    head = head_of_wav(size_bytes, len(tag))
    around = len(before + opening + b"\r\n" + after + b"--b--\r\n")

    async def body() -> AsyncIterator[bytes]:
        yield before + opening + head
        for start in range(len(head), size_bytes - len(tag), MIB):
            yield BLOCK[: size_bytes - len(tag) - start]
        yield tag
        yield b"\r\n" + after + b"--b--\r\n"

    headers = {
        **way.owner.headers,
        "Content-Type": "multipart/form-data; boundary=b",
        "Content-Length": str(around + size_bytes),
    }
    answer = await way.client.post(path, content=body(), headers=headers)
    return answer.status_code, answer.text


@pytest.mark.parametrize("front", [by_rest, by_graphql])
@pytest.mark.parametrize("file_first", [False, True], ids=["fields_first", "file_first"])
async def test_an_upload_of_100_mb_takes_little_memory(
    way: Way, front: Callable[[Way], Parts], *, file_first: bool
) -> None:
    (process_of(way) / "clear_refs").write_text("5")  # the peak begins anew (man 5 proc)
    before = memory_mib(way, "VmRSS")
    status, answer = await send(way, front, file_first=file_first, size_bytes=TRACK_MAX_BYTES)
    assert (status, f'"size":{TRACK_MAX_BYTES}' in answer) == (200, True), answer
    assert memory_mib(way, "VmHWM") - before < PROMISED_MIB


def left_in(way: Way) -> list[Path]:
    """Return what uploads have left on this machine's disk of what is temporary."""
    folder = way.server.service.settings.data_dir
    temporary = [*folder.glob("spool/*"), *folder.glob("media/staging/*")]
    return [path for path in temporary if path.name != LOCK_FILE]


@pytest.mark.parametrize("encoder", ["PNG", "JPEG"])
@pytest.mark.parametrize("front", [by_rest, by_graphql])
async def test_a_track_with_a_large_cover_in_it_takes_little_memory(
    way: Way, front: Callable[[Way], Parts], encoder: str
) -> None:
    tag = with_artwork(noise(encoder))
    (process_of(way) / "clear_refs").write_text("5")
    before = memory_mib(way, "VmRSS")
    status, answer = await send(way, front, file_first=False, size_bytes=40 * MIB, tag=tag)
    peak = memory_mib(way, "VmHWM")
    assert status == 200, answer
    (file_id,) = re.findall(r'"fileId":"([^"]+)"', answer)
    cover = await way.client.get(f"/media/cover/{file_id}")
    assert (cover.status_code, len(cover.content) > 8 * MIB) == (200, True)
    assert peak - before < PROMISED_MIB
    await until(lambda: left_in(way) == [], seconds=DEADLINE)  # the last of it goes when the answer is sent


async def test_a_large_cover_takes_little_memory(way: Way) -> None:
    (process_of(way) / "clear_refs").write_text("5")
    before = memory_mib(way, "VmRSS")
    answer = await way.client.post(
        "/media/upload/cover",
        files={"file": ("cover.png", noise("PNG"))},
        data={"userId": way.owner.user_id},
        headers=way.owner.headers,
    )
    assert answer.status_code == 200, answer.text
    assert memory_mib(way, "VmHWM") - before < PROMISED_MIB
    await until(lambda: left_in(way) == [], seconds=DEADLINE)  # the last of it goes when the answer is sent


@pytest.mark.parametrize("front", [by_rest, by_graphql])
async def test_a_larger_file_is_refused_with_limit_and_size(way: Way, front: Callable[[Way], Parts]) -> None:
    status, answer = await send(way, front, file_first=False, size_bytes=TRACK_MAX_BYTES + 20 * MIB)
    assert (status, "The file is too large: 120 MB, at most 100 MB are allowed." in answer) == (413, True), answer


async def open_download(way: Way, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for a track and read the head of the answer and a little more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", way.server.service.settings.port, limit=1024)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(1024)
    return reader, writer


def handles_of(way: Way) -> int:
    return len(list((process_of(way) / "fd").iterdir()))


async def test_those_who_stop_reading_take_little_memory_and_those_who_leave_no_handles(way: Way) -> None:
    path = await way.upload(head_of_wav(20 * MIB) + BLOCK * 20)
    for connection in [await open_download(way, path) for _ in range(5)]:
        connection[1].transport.abort()  # what is opened once stays open
    before_mib, before_handles = memory_mib(way, "VmRSS"), handles_of(way)
    readers = [await open_download(way, path) for _ in range(40)]
    await asyncio.sleep(0.5)  # time to read ahead, which nothing may use
    assert memory_mib(way, "VmRSS") - before_mib < len(readers) * EACH_READER_MIB
    for _, writer in readers:
        writer.transport.abort()
    await until(lambda: handles_of(way) <= before_handles, seconds=DEADLINE)
    assert (await way.client.get(path, headers={"Range": "bytes=0-0"})).status_code == 206
