"""What every store of bytes does, whatever its technology."""

from __future__ import annotations

import asyncio
import errno
import random
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.engines.s3 import Bucket

from pet.domain.errors import NotFound, OutOfSpace, Unavailable
from pet.domain.media import MIB, Blobs
from pet.domain.times import utc_now
from pet.storage.blobs import open_blobs


def folder_url(request: pytest.FixtureRequest) -> str:
    path: Path = request.getfixturevalue("tmp_path")
    return str(path / "media")


def bucket_url(request: pytest.FixtureRequest) -> str:
    bucket: Bucket = request.getfixturevalue("s3_bucket")
    return bucket.url


ADAPTERS: dict[str, Callable[[pytest.FixtureRequest], str]] = {"folder": folder_url, "s3": bucket_url}


@pytest.fixture(params=ADAPTERS)
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Blobs]:
    url = ADAPTERS[request.param](request)
    async with open_blobs(url, spool=tmp_path / "spool", timeout_seconds=10) as opened:
        yield opened


async def keep(blobs: Blobs, key: str, *chunks: bytes) -> None:
    async with blobs.stage() as staged:
        for chunk in chunks:
            await staged.write(chunk)
        await staged.keep(key)


async def read(blobs: Blobs, key: str, start: int = 0, end: int | None = None) -> bytes:
    end = await blobs.size(key) if end is None else end
    return b"".join([chunk async for chunk in blobs.read(key, start, end)])


async def test_what_was_kept_is_read_whole(blobs: Blobs) -> None:
    await keep(blobs, "tracks/one", b"la", b"", b"lalu")
    assert await blobs.size("tracks/one") == 6
    assert await read(blobs, "tracks/one") == b"lalalu"


async def test_one_staged_object_may_be_kept_under_two_keys(blobs: Blobs) -> None:
    async with blobs.stage() as staged:
        await staged.write(b"lalala")
        await staged.keep("tracks/one")
        await staged.keep("tracks/two")
        async with staged.local_path() as path:
            assert path.read_bytes() == b"lalala"
    await blobs.remove("tracks/one")
    assert await read(blobs, "tracks/two") == b"lalala"


@pytest.mark.parametrize("size", [0, 7, 11 * MIB])
async def test_what_is_staged_at_its_key_is_there_when_it_is_kept_and_not_before(blobs: Blobs, size: int) -> None:
    content = random.Random(size).randbytes(size)
    async with blobs.stage_at("exports/one.zip", content_type="application/zip") as staged:
        for start in range(0, size, MIB):
            await staged.write(content[start : start + MIB])
        with pytest.raises(NotFound):
            await blobs.size("exports/one.zip")
        await staged.keep("exports/one.zip", content_type="application/zip")
    assert await read(blobs, "exports/one.zip") == content
    assert await blobs.sweep(older_than=timedelta(seconds=-1)) == 0


async def test_what_is_staged_at_its_key_and_not_kept_is_nowhere(blobs: Blobs) -> None:
    for content in (b"", b"lala", bytes(6 * MIB)):
        async with blobs.stage_at("exports/one.zip", content_type="application/zip") as staged:
            await staged.write(content)
        with pytest.raises(NotFound):
            await blobs.size("exports/one.zip")


async def test_an_object_may_be_empty(blobs: Blobs) -> None:
    await keep(blobs, "tracks/silence")
    assert await blobs.size("tracks/silence") == 0
    assert await read(blobs, "tracks/silence", 0, 10) == b""


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        pytest.param(0, 1, b"0", id="first_byte"),
        pytest.param(3, 7, b"3456", id="middle"),
        pytest.param(9, 10, b"9", id="last_byte"),
        pytest.param(8, 99, b"89", id="end_beyond_the_object"),
        pytest.param(4, 4, b"", id="empty"),
        pytest.param(10, 12, b"", id="start_at_the_end"),
        pytest.param(50, 60, b"", id="start_beyond_the_object"),
    ],
)
async def test_a_range_is_half_open(blobs: Blobs, start: int, end: int, expected: bytes) -> None:
    await keep(blobs, "digits", b"0123456789")
    assert await read(blobs, "digits", start, end) == expected


async def test_a_long_object_comes_in_chunks_of_at_most_a_mebibyte(blobs: Blobs) -> None:
    content = random.Random(1).randbytes(11 * MIB + 5)
    pieces = [content[start : start + 77_777] for start in range(0, len(content), 77_777)]
    await keep(blobs, "tracks/long", *pieces)
    assert await blobs.size("tracks/long") == len(content)
    chunks = [chunk async for chunk in blobs.read("tracks/long", 5, len(content))]
    assert {0 < len(chunk) <= MIB for chunk in chunks} == {True}
    assert b"".join(chunks) == content[5:]


async def test_a_reader_may_stop_anywhere_and_another_reads_on(blobs: Blobs) -> None:
    content = random.Random(2).randbytes(3 * MIB)
    await keep(blobs, "tracks/long", content)
    seen = b""
    while len(seen) < len(content):
        chunks = blobs.read("tracks/long", len(seen), len(content))
        seen += await anext(chunks)
        await chunks.aclose()  # type: ignore[attr-defined]
    assert seen == content


async def test_what_is_not_there_is_not_found(blobs: Blobs) -> None:
    with pytest.raises(NotFound):
        await blobs.size("tracks/none")
    with pytest.raises(NotFound):
        await read(blobs, "tracks/none", 0, 10)
    with pytest.raises(NotFound):
        await read(blobs, "tracks/none", 0, 0)


async def test_a_prefix_of_keys_is_no_object(blobs: Blobs) -> None:
    await keep(blobs, "tracks/one", b"1")
    with pytest.raises(NotFound):
        await blobs.size("tracks")


async def test_a_removed_object_is_gone_and_removing_it_again_does_nothing(blobs: Blobs) -> None:
    await keep(blobs, "tracks/one", b"1")
    await keep(blobs, "tracks/two", b"2")
    await blobs.remove("tracks/one")
    await blobs.remove("tracks/one")
    with pytest.raises(NotFound):
        await blobs.size("tracks/one")
    assert await read(blobs, "tracks/two") == b"2"


async def test_a_staged_object_shows_its_size_and_its_bytes_before_it_is_kept(blobs: Blobs) -> None:
    async with blobs.stage() as staged:
        assert staged.size_bytes == 0
        await staged.write(b"RIFF")
        await staged.write(b"....WAVE")
        assert staged.size_bytes == 12
        async with staged.local_path() as path:
            assert path.read_bytes() == b"RIFF....WAVE"
        await staged.keep("tracks/inspected")
    assert await read(blobs, "tracks/inspected") == b"RIFF....WAVE"


async def test_nothing_can_be_written_after_inspection(blobs: Blobs) -> None:
    async with blobs.stage() as staged:
        await staged.write(b"checked")
        async with staged.local_path():
            pass
        with pytest.raises(ValueError, match="complete"):
            await staged.write(b" and changed")
        await staged.keep("tracks/checked")
    assert await read(blobs, "tracks/checked") == b"checked"


async def test_what_was_not_kept_vanishes(blobs: Blobs) -> None:
    async with blobs.stage() as staged, staged.local_path() as path:
        assert path.exists()
    assert not path.exists()


async def test_an_error_while_staging_leaves_nothing_and_is_passed_on(blobs: Blobs) -> None:
    async def fail() -> None:
        async with blobs.stage() as staged, staged.local_path() as path:
            paths.append(path)
            raise ConnectionError("the client is gone")

    paths: list[Path] = []
    with pytest.raises(ConnectionError, match="the client is gone"):
        await fail()
    assert [path.exists() for path in paths] == [False]


async def test_an_object_is_not_there_until_it_is_kept(blobs: Blobs) -> None:
    async with blobs.stage() as staged:
        await staged.write(b"1")
        with pytest.raises(NotFound):
            await blobs.size("tracks/one")
        await staged.keep("tracks/one")
        assert await blobs.size("tracks/one") == 1


async def test_of_two_that_keep_one_key_the_object_is_one_of_both_whole(blobs: Blobs) -> None:
    contents = [b"a" * 300_000, b"b" * 200_000]
    await asyncio.gather(*(keep(blobs, "avatars/one", content) for content in contents))
    assert await read(blobs, "avatars/one") in contents


async def test_many_objects_are_written_and_read_at_the_same_time(blobs: Blobs) -> None:
    contents = {f"tracks/{number}": bytes([number]) * 100_000 for number in range(20)}
    await asyncio.gather(*(keep(blobs, key, content) for key, content in contents.items()))
    found = await asyncio.gather(*(read(blobs, key) for key in contents))
    assert dict(zip(contents, found, strict=True)) == contents


async def test_chunks_written_at_the_same_time_keep_the_order_of_the_calls(blobs: Blobs) -> None:
    chunks = [bytes([number]) * 300_000 for number in range(12)]
    async with blobs.stage() as staged:
        await asyncio.gather(*(staged.write(chunk) for chunk in chunks))
        await staged.keep("tracks/ordered")
    assert await read(blobs, "tracks/ordered") == b"".join(chunks)


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../secret", "a/../b", "a//b", "a/", "a/.hidden", "A", "a b", "a\n", "ä", "staging/x"]
)
async def test_a_key_that_the_network_cannot_have_made_is_refused(blobs: Blobs, key: str) -> None:
    with pytest.raises(ValueError, match="no key"):
        await blobs.size(key)
    with pytest.raises(ValueError, match="no key"):
        await read(blobs, key, 0, 1)
    with pytest.raises(ValueError, match="no key"):
        await blobs.remove(key)
    with pytest.raises(ValueError, match="no key"):
        await keep(blobs, key, b"1")


async def test_a_sweep_leaves_what_is_kept_and_what_is_being_written(blobs: Blobs) -> None:
    await keep(blobs, "tracks/one", b"1")
    async with blobs.stage() as staged:
        await staged.write(b"2")
        assert await blobs.sweep() == 0
        await staged.keep("tracks/two")
    assert await read(blobs, "tracks/one") + await read(blobs, "tracks/two") == b"12"


async def test_a_sweep_takes_what_is_old_enough_and_never_what_is_kept(blobs: Blobs) -> None:
    await keep(blobs, "tracks/one", b"1")
    async with blobs.stage() as staged:
        await staged.write(b"2")
        await staged.keep("tracks/two")
        assert await blobs.sweep(older_than=timedelta(minutes=-1)) in {0, 1}  # moved away already, or still there
    assert await blobs.sweep(older_than=timedelta(minutes=-1)) == 0
    assert await read(blobs, "tracks/one") + await read(blobs, "tracks/two") == b"12"


async def test_what_an_object_was_replaced_with_is_read(blobs: Blobs) -> None:
    await keep(blobs, "avatars/one", b"old and longer")
    await keep(blobs, "avatars/one", b"new")
    assert (await blobs.size("avatars/one"), await read(blobs, "avatars/one")) == (3, b"new")


async def test_a_staged_object_cannot_be_kept_after_its_context(blobs: Blobs) -> None:
    async with blobs.stage() as staged:
        await staged.write(b"1")
    with pytest.raises(ValueError, match="gone"):
        await staged.keep("tracks/one")
    with pytest.raises(NotFound):
        await blobs.size("tracks/one")


async def test_an_upload_of_several_parts_that_was_cancelled_at_any_moment_leaves_nothing(blobs: Blobs) -> None:
    async def upload() -> None:
        async with blobs.stage() as staged:
            for _ in range(14):
                await staged.write(b"x" * MIB)
            await asyncio.sleep(60)

    for pause in (0, 0.002, 0.01, 0.05, 0.1):
        task = asyncio.create_task(upload())
        await asyncio.sleep(pause)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await blobs.sweep(older_than=timedelta(minutes=-1)) == 0


async def test_a_local_file_has_the_objects_bytes(blobs: Blobs, tmp_path: Path) -> None:
    content = random.Random(1).randbytes(3 * MIB + 1)
    await keep(blobs, "files/aa/one.mp3", content)
    async with blobs.local_file("files/aa/one.mp3") as path:
        assert path.read_bytes() == content
    assert await read(blobs, "files/aa/one.mp3") == content
    assert not [left for left in (tmp_path / "spool").glob("*") if not left.name.startswith(".")]


def left_in(folder: Path) -> list[Path]:
    """Return the files under a folder, but for what servers keep there."""
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]


async def test_a_scratch_file_gives_what_was_written_and_goes(blobs: Blobs, tmp_path: Path) -> None:
    content = random.Random(1).randbytes(3 * MIB + 1)
    async with blobs.scratch() as scratch:
        assert scratch.path.read_bytes() == b""
        assert [piece async for piece in scratch.pieces()] == []
        scratch.path.write_bytes(content)
        pieces = [piece async for piece in scratch.pieces()]
        assert (b"".join(pieces), max(map(len, pieces)) <= MIB) == (content, True)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, OutOfSpace), (errno.EIO, Unavailable)])
async def test_a_disk_that_refuses_a_scratch_file_is_told_apart_and_leaves_nothing(
    blobs: Blobs, tmp_path: Path, number: int, kind: type[Unavailable]
) -> None:
    async def refuse() -> None:
        async with blobs.scratch() as scratch:
            scratch.path.write_bytes(b"a part")
            raise OSError(number, "refused")

    with pytest.raises(Unavailable) as refused:
        await refuse()
    assert (type(refused.value), left_in(tmp_path)) == (kind, [])


async def test_a_scratch_file_that_was_cancelled_at_any_moment_leaves_nothing(blobs: Blobs, tmp_path: Path) -> None:
    async def work() -> None:
        async with blobs.scratch() as scratch:
            scratch.path.write_bytes(b"a part")
            await asyncio.sleep(60)

    for turns in range(12):
        task = asyncio.create_task(work())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await asyncio.sleep(0.1)  # for a thread that was left to itself
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("name", ADAPTERS)
async def test_a_scratch_file_that_a_crash_left_goes_at_the_next_start(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url, spool = ADAPTERS[name](request), tmp_path / "spool"
    async with open_blobs(url, spool=spool, timeout_seconds=10) as blobs, blobs.scratch() as scratch:
        left = scratch.path
    left.write_bytes(b"a part")
    async with open_blobs(url, spool=spool, timeout_seconds=10) as blobs:
        await blobs.sweep(older_than=timedelta(minutes=-1))
    assert not left.exists()


async def test_an_object_may_go_while_its_local_file_is_read(blobs: Blobs) -> None:
    await keep(blobs, "files/aa/one.mp3", b"lalala")
    async with blobs.local_file("files/aa/one.mp3") as path:
        with path.open("rb") as file:
            await blobs.remove("files/aa/one.mp3")
            assert file.read() == b"lalala"


async def test_there_is_no_local_file_of_what_is_not_there(blobs: Blobs) -> None:
    with pytest.raises(NotFound):
        async with blobs.local_file("files/aa/one.mp3"):
            pytest.fail("there is none")


async def test_kept_objects_are_listed_with_size_and_age(blobs: Blobs) -> None:
    before = utc_now() - timedelta(seconds=2)  # some stores tell whole seconds
    kept = {f"files/{number:02}/{number}.mp3": b"la" * number for number in range(5)}
    for key, content in kept.items():
        await keep(blobs, key, content)
    await keep(blobs, "tracks/one", b"elsewhere")
    async with blobs.stage() as staged:
        await staged.write(b"not kept")
        found = [stored async for page in blobs.listed("files") for stored in page]
    assert {stored.key: stored.size_bytes for stored in found} == {key: len(kept[key]) for key in kept}
    assert all(before <= stored.modified_at <= utc_now() + timedelta(seconds=2) for stored in found)


async def test_nothing_is_listed_where_nothing_was_kept(blobs: Blobs) -> None:
    assert [page async for page in blobs.listed("files") if page] == []
