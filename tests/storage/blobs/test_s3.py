"""What is the store's own: what lies in the bucket, when, after a crash, and how many calls it takes."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from pet.domain.errors import NotFound, Unavailable
from pet.domain.ids import new_uuid7
from pet.domain.media import MIB
from pet.storage.blobs import open_blobs
from pet.storage.blobs.s3 import S3Blobs
from tests.engines.s3 import PREFIX, Bucket, S3Server
from tests.faults.link import faulty_link

KEY = "files/01/song.mp3"

WRITER = """
import asyncio, sys
from pathlib import Path
from pet.storage.blobs import open_blobs

async def main():
    async with open_blobs(sys.argv[1], spool=Path(sys.argv[2]), timeout_seconds=10) as blobs, blobs.stage() as staged:
        for _ in range(12):
            await staged.write(b"x" * 1024 * 1024)
        if sys.argv[3] == "stored":
            staged._blobs.copy = hang
            await staged.keep("files/01/song.mp3")
        await hang()

async def hang(*_):
    print("writing", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
async def blobs(s3_bucket: Bucket, tmp_path: Path) -> AsyncIterator[S3Blobs]:
    async with open_blobs(s3_bucket.url, spool=tmp_path / "spool", timeout_seconds=10) as opened:
        assert isinstance(opened, S3Blobs)
        yield opened


async def keep(blobs: S3Blobs, key: str, content: bytes, content_type: str | None = None) -> None:
    async with blobs.stage() as staged:
        await staged.write(content)
        await staged.keep(key, content_type=content_type)


def spooled(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "spool").iterdir() if not path.name.startswith(".")]


async def test_an_object_lies_under_the_prefix_and_nothing_else_stays(
    blobs: S3Blobs, s3_bucket: Bucket, tmp_path: Path
) -> None:
    await keep(blobs, KEY, b"x" * 12 * MIB)
    found = s3_bucket.client.list_objects_v2(Bucket=s3_bucket.name)["Contents"]
    assert [(item["Key"], item["Size"]) for item in found] == [(f"{PREFIX}/{KEY}", 12 * MIB)]
    assert (s3_bucket.unfinished(), spooled(tmp_path)) == ([], [])


async def test_an_upload_grows_in_the_store_while_it_arrives(blobs: S3Blobs, s3_bucket: Bucket) -> None:
    async with blobs.stage() as staged:
        for _ in range(14):
            await staged.write(b"x" * MIB)
        (upload,) = s3_bucket.client.list_multipart_uploads(Bucket=s3_bucket.name)["Uploads"]
        parts = s3_bucket.client.list_parts(Bucket=s3_bucket.name, Key=upload["Key"], UploadId=upload["UploadId"])
        assert [part["Size"] for part in parts["Parts"]] in ([5 * MIB], [5 * MIB] * 2)  # the second may be on its way
        assert s3_bucket.unfinished()[0].startswith("staging/")
    assert (s3_bucket.keys(), s3_bucket.unfinished()) == ([], [])


async def test_what_is_refused_after_inspection_is_aborted_and_was_never_an_object(
    blobs: S3Blobs, s3_bucket: Bucket
) -> None:
    async with blobs.stage() as staged:
        await staged.write(b"x" * 7 * MIB)
        async with staged.local_path() as path:
            assert path.stat().st_size == 7 * MIB
    assert (s3_bucket.keys(), s3_bucket.unfinished()) == ([], [])


async def test_a_small_object_takes_three_calls_and_a_read_of_any_length_one(blobs: S3Blobs, s3_bucket: Bucket) -> None:
    before = len(s3_bucket.requests())
    await keep(blobs, KEY, b"x" * MIB)
    staged = s3_bucket.requests()[before].removeprefix("PUT ")
    assert s3_bucket.requests()[before:] == [f"PUT {staged}", f"PUT {KEY}", f"DELETE {staged}"]
    await keep(blobs, KEY, b"x" * 12 * MIB)
    before = len(s3_bucket.requests())
    assert sum([len(chunk) async for chunk in blobs.read(KEY, 5, 11 * MIB)]) == 11 * MIB - 5
    assert s3_bucket.requests()[before:] == [f"GET {KEY}"]


@pytest.mark.parametrize("content_type", ["audio/mpeg", "image/webp", None])
async def test_an_object_has_the_type_that_was_told(
    blobs: S3Blobs, s3_bucket: Bucket, content_type: str | None
) -> None:
    await keep(blobs, KEY, b"1", content_type)
    head = s3_bucket.client.head_object(Bucket=s3_bucket.name, Key=f"{PREFIX}/{KEY}")
    assert head["ContentType"] == (content_type or "binary/octet-stream")


async def test_a_reader_who_stops_gives_the_connection_back(
    s3_bucket: Bucket, s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with faulty_link("127.0.0.1", s3_server.port) as link:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{link.port}")
        async with open_blobs(s3_bucket.url, spool=tmp_path / "spool", timeout_seconds=10) as blobs:
            assert isinstance(blobs, S3Blobs)
            await keep(blobs, KEY, b"x" * 30 * MIB)
            link.cut()  # what is idle
            await asyncio.sleep(0.1)
            chunks = blobs.read(KEY, 0, 30 * MIB)
            await anext(chunks)
            assert len(link._open) == 2  # both ends of one
            await chunks.aclose()  # type: ignore[attr-defined]
            await asyncio.sleep(1)
            assert len(link._open) == 0


async def test_a_reader_may_be_slower_than_any_deadline(blobs: S3Blobs, s3_bucket: Bucket, tmp_path: Path) -> None:
    content = b"x" * 40 * MIB
    await keep(blobs, KEY, content)
    taken = 0
    async with open_blobs(s3_bucket.url, spool=tmp_path / "spool", timeout_seconds=1) as impatient:
        async for chunk in impatient.read(KEY, 0, len(content)):
            taken += len(chunk)
            if taken < MIB:
                await asyncio.sleep(1.2)
    assert taken == len(content)


async def test_a_spool_that_takes_nothing_more_has_no_room_and_the_store_answers(
    blobs: S3Blobs, tmp_path: Path
) -> None:
    assert (await blobs.answers(), await blobs.has_room(), spooled(tmp_path)) == (True, True, [])
    shutil.rmtree(tmp_path / "spool")
    assert (await blobs.answers(), await blobs.has_room()) == (True, False)
    (tmp_path / "spool").mkdir()


async def test_a_sweep_removes_what_is_old_in_any_number(blobs: S3Blobs, s3_bucket: Bucket) -> None:
    await keep(blobs, KEY, b"1")
    for _ in range(230):
        s3_bucket.client.put_object(Bucket=s3_bucket.name, Key=f"{PREFIX}/staging/{new_uuid7()}", Body=b"")
    assert await blobs.sweep(older_than=timedelta(minutes=1)) == 0
    assert await blobs.sweep(older_than=timedelta(minutes=-1)) == 230
    assert s3_bucket.keys() == [KEY]


@pytest.mark.parametrize(
    ("moment", "keys", "unfinished"), [("sending", 0, 1), ("stored", 1, 0)], ids=["while_sending", "before_the_copy"]
)
async def test_a_killed_process_leaves_only_what_is_staged(
    s3_bucket: Bucket, tmp_path: Path, moment: str, keys: int, unfinished: int
) -> None:
    pipe = asyncio.subprocess.PIPE
    arguments = (s3_bucket.url, str(tmp_path / "spool"), moment)
    writer = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, *arguments, stdout=pipe)
    assert writer.stdout is not None
    assert await writer.stdout.readline() == b"writing\n"
    writer.kill()
    await writer.communicate()
    assert (len(s3_bucket.keys()), len(s3_bucket.unfinished())) == (keys, unfinished)
    assert all(key.startswith("staging/") for key in (*s3_bucket.keys(), *s3_bucket.unfinished()))
    async with open_blobs(s3_bucket.url, spool=tmp_path / "spool", timeout_seconds=10) as blobs:
        assert spooled(tmp_path) == []
        assert await blobs.sweep(older_than=timedelta(minutes=-1)) == keys
    assert s3_bucket.keys() == []


@pytest.mark.parametrize("pause", [0.0, 0.005, 0.02, 0.05, 0.1, 0.2])
async def test_an_upload_cancelled_at_any_moment_leaves_nothing(
    blobs: S3Blobs, s3_bucket: Bucket, tmp_path: Path, pause: float
) -> None:
    async def upload() -> None:
        async with blobs.stage() as staged:
            for _ in range(16):
                await staged.write(b"x" * MIB)
            await staged.keep(KEY)
            await asyncio.sleep(60)

    task = asyncio.create_task(upload())
    await asyncio.sleep(pause)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await blobs.close()
    assert (s3_bucket.unfinished(), spooled(tmp_path)) == ([], [])
    assert s3_bucket.keys() in ([], [KEY])


async def test_a_cancelled_scope_leaves_nothing(blobs: S3Blobs, s3_bucket: Bucket) -> None:
    with anyio.move_on_after(0.1) as scope:
        async with blobs.stage() as staged:
            await staged.write(b"x" * 6 * MIB)
            await anyio.sleep(60)
    await blobs.close()
    assert (scope.cancelled_caught, s3_bucket.keys(), s3_bucket.unfinished()) == (True, [], [])


async def test_a_bucket_that_is_gone_is_not_an_object_that_is_not_there(blobs: S3Blobs, s3_bucket: Bucket) -> None:
    with pytest.raises(NotFound):
        await anext(blobs.read(KEY, 0, 1))
    s3_bucket.client.delete_bucket(Bucket=s3_bucket.name)
    with pytest.raises(Unavailable):
        await anext(blobs.read(KEY, 0, 1))
    with pytest.raises(Unavailable):
        await keep(blobs, KEY, b"1")
    assert await blobs.answers() is False


async def test_an_upload_that_the_store_has_forgotten_is_the_store_s_failure(blobs: S3Blobs, s3_bucket: Bucket) -> None:
    async def upload() -> None:
        async with blobs.stage() as staged:
            for _ in range(7):
                await staged.write(b"x" * MIB)
            (begun,) = s3_bucket.client.list_multipart_uploads(Bucket=s3_bucket.name)["Uploads"]
            s3_bucket.client.abort_multipart_upload(Bucket=s3_bucket.name, Key=begun["Key"], UploadId=begun["UploadId"])
            await staged.keep(KEY)

    with pytest.raises(Unavailable):
        await upload()
    assert (s3_bucket.keys(), s3_bucket.unfinished()) == ([], [])
