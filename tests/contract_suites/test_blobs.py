"""What every store of bytes does, whatever its technology."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from pet.domain.errors import NotFound
from pet.domain.media import MIB, Blobs
from pet.storage.blobs import open_blobs

ADAPTERS: dict[str, Callable[[Path], Blobs]] = {"folder": lambda folder: open_blobs(str(folder / "media"))}


@pytest.fixture(params=ADAPTERS)
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return ADAPTERS[request.param](tmp_path)


async def keep(blobs: Blobs, key: str, *chunks: bytes) -> None:
    async with blobs.stage() as staged:
        for chunk in chunks:
            await staged.write(chunk)
        await staged.keep(key)


async def read(blobs: Blobs, key: str, start: int = 0, end: int | None = None) -> list[bytes]:
    end = await blobs.size(key) if end is None else end
    return [chunk async for chunk in blobs.read(key, start, end)]


async def test_what_was_kept_is_read_whole(blobs: Blobs) -> None:
    await keep(blobs, "tracks/one", b"la", b"", b"lalu")
    assert await blobs.size("tracks/one") == 6
    assert await read(blobs, "tracks/one") == [b"lalalu"]


async def test_one_staged_object_may_be_kept_under_two_keys(blobs: Blobs) -> None:
    async with blobs.stage() as staged:
        await staged.write(b"lalala")
        await staged.keep("tracks/one")
        await staged.keep("tracks/two")
        async with staged.local_path() as path:
            assert path.read_bytes() == b"lalala"
    await blobs.remove("tracks/one")
    assert await read(blobs, "tracks/two") == [b"lalala"]


async def test_an_object_may_be_empty(blobs: Blobs) -> None:
    await keep(blobs, "tracks/silence")
    assert await blobs.size("tracks/silence") == 0
    assert await read(blobs, "tracks/silence", 0, 10) == []


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
    assert b"".join(await read(blobs, "digits", start, end)) == expected


async def test_a_long_object_comes_in_chunks_of_a_mebibyte(blobs: Blobs) -> None:
    content = bytes(range(256)) * 4096 * 2 + b"tail"
    pieces = [content[start : start + 77_777] for start in range(0, len(content), 77_777)]
    await keep(blobs, "tracks/long", *pieces)
    chunks = await read(blobs, "tracks/long", 5)
    assert [len(chunk) for chunk in chunks] == [MIB, MIB - 1]
    assert b"".join(chunks) == content[5:]


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
    assert await read(blobs, "tracks/two") == [b"2"]


async def test_a_staged_object_shows_its_size_and_its_bytes_before_it_is_kept(blobs: Blobs) -> None:
    async with blobs.stage() as staged:
        assert staged.size_bytes == 0
        await staged.write(b"RIFF")
        await staged.write(b"....WAVE")
        assert staged.size_bytes == 12
        async with staged.local_path() as path:
            assert path.read_bytes() == b"RIFF....WAVE"
        await staged.keep("tracks/inspected")
    assert await read(blobs, "tracks/inspected") == [b"RIFF....WAVE"]


async def test_nothing_can_be_written_after_inspection(blobs: Blobs) -> None:
    async with blobs.stage() as staged:
        await staged.write(b"checked")
        async with staged.local_path():
            pass
        with pytest.raises(ValueError, match="complete"):
            await staged.write(b" and changed")
        await staged.keep("tracks/checked")
    assert await read(blobs, "tracks/checked") == [b"checked"]


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
    assert b"".join(await read(blobs, "avatars/one")) in contents


async def test_many_objects_are_written_and_read_at_the_same_time(blobs: Blobs) -> None:
    contents = {f"tracks/{number}": bytes([number]) * 100_000 for number in range(20)}
    await asyncio.gather(*(keep(blobs, key, content) for key, content in contents.items()))
    found = await asyncio.gather(*(read(blobs, key) for key in contents))
    assert dict(zip(contents, map(b"".join, found), strict=True)) == contents


async def test_chunks_written_at_the_same_time_keep_the_order_of_the_calls(blobs: Blobs) -> None:
    chunks = [bytes([number]) * 300_000 for number in range(12)]
    async with blobs.stage() as staged:
        await asyncio.gather(*(staged.write(chunk) for chunk in chunks))
        await staged.keep("tracks/ordered")
    assert b"".join(await read(blobs, "tracks/ordered")) == b"".join(chunks)


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
    assert await read(blobs, "tracks/one") + await read(blobs, "tracks/two") == [b"1", b"2"]
