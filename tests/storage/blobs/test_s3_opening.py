"""What an operator is told when a store cannot be used, and what the documented permissions suffice for."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from pet.domain.media import MIB
from pet.storage.blobs import open_blobs
from pet.storage.opening import CannotOpen
from tests.engines.s3 import ACCESS_KEY, PREFIX, SECRET_KEY, Bucket, S3Server

DOCUMENT = Path(__file__).parents[3] / "docs" / "engines" / "s3.md"
TIMEOUT = 2.0


async def sentence(tmp_path: Path, url: str = "s3://pet-media/music", *, timeout_seconds: float = TIMEOUT) -> str:
    """Return what is told, without what stands before every such sentence; it may take no longer than the deadline."""
    started = time.monotonic()
    with pytest.raises(CannotOpen) as caught:
        async with open_blobs(url, spool=tmp_path / "spool", timeout_seconds=timeout_seconds):
            pass
    assert time.monotonic() - started < timeout_seconds + 1
    before, _, reason = str(caught.value).partition(" cannot be used: ")
    assert before == "The media store (PET_MEDIA_URL)"
    assert SECRET_KEY not in reason
    return reason


def documented_policy(bucket: Bucket) -> str:
    """Return the policy of the documentation, for this bucket."""
    policies: list[str] = re.findall(r"```json\n(\{\n  \"Version\".*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    (policy,) = policies
    policy = policy.replace("bucket/prefix/*", f"{bucket.name}/{PREFIX}/*")
    return policy.replace(":::bucket", f":::{bucket.name}")


@asynccontextmanager
async def answering(answer: bytes | None) -> AsyncIterator[str]:
    """Give the URL of a server that answers every request in one way, or not at all."""

    connections: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        with suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            if answer is not None:
                writer.write(answer)
                writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for connection in connections:
            connection.close()
            with suppress(ConnectionError):
                await connection.wait_closed()


async def test_a_bucket_that_is_not_there(s3_bucket: Bucket, s3_server: S3Server, tmp_path: Path) -> None:
    told = await sentence(tmp_path, "s3://pet-nowhere/music")
    assert told == f"{s3_server.endpoint} has no bucket pet-nowhere: make it, or correct the name."


CHECK = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, where one is used, AWS_SESSION_TOKEN."


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY, "InvalidAccessKeyId"),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY, "SignatureDoesNotMatch"),
    ],
)
async def test_keys_that_are_wrong(
    s3_bucket: Bucket,
    s3_server: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    code: str,
) -> None:
    with s3_server.guarded(documented_policy(s3_bucket)) as environment:
        for variable, known in {**environment, name: value}.items():
            monkeypatch.setenv(variable, known)
        told = await sentence(tmp_path, s3_bucket.url)
    assert told == f"{s3_server.endpoint} does not accept the credentials ({code}): {CHECK}"


async def test_credentials_that_may_not_write(
    s3_bucket: Bucket, s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server.guarded(documented_policy(s3_bucket).replace('"s3:PutObject", ', "")) as environment:
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        told = await sentence(tmp_path, s3_bucket.url)
    assert told == f"the credentials may not write, read, list and delete in {s3_bucket.name}: correct the policy."


async def test_the_documented_policy_suffices_for_everything(
    s3_bucket: Bucket, s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server.guarded(documented_policy(s3_bucket)) as environment:
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        async with open_blobs(s3_bucket.url, spool=tmp_path / "spool", timeout_seconds=10) as blobs:
            for _ in range(2):
                async with blobs.stage() as staged:
                    await staged.write(b"x" * 7 * MIB)
                    await staged.keep("files/01/song.mp3", content_type="audio/mpeg")
            async with blobs.stage() as dropped:
                await dropped.write(b"x" * 7 * MIB)
            found = [len(chunk) async for chunk in blobs.read("files/01/song.mp3", MIB, 2 * MIB)]
            assert (await blobs.size("files/01/song.mp3"), sum(found)) == (7 * MIB, MIB)
            assert (await blobs.sweep(older_than=timedelta(0)), await blobs.answers()) == (0, True)
            await blobs.remove("files/01/song.mp3")
    assert (s3_bucket.keys(), s3_bucket.unfinished()) == ([], [])


async def test_no_credentials_at_all(s3_bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    async with answering(None) as url:
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", url)  # as of a machine that hands out roles, and hands out none
        told = await sentence(tmp_path, s3_bucket.url)
    assert told == f"no credentials were found: set {CHECK.removeprefix('check ')}"


async def test_half_of_the_credentials(s3_bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert await sentence(tmp_path, s3_bucket.url) == f"one of the AWS_ variables is missing or cannot be used: {CHECK}"


async def test_nothing_listens(s3_bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    expected = "nothing at http://127.0.0.1:1 answers as a store does: check AWS_ENDPOINT_URL and that the store is up."
    assert await sentence(tmp_path, s3_bucket.url) == expected


@pytest.mark.parametrize("answer", [None, b"SSH-2.0-OpenSSH_9.2\r\n"], ids=["silent", "not_http"])
async def test_what_is_no_store(
    s3_bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes | None
) -> None:
    async with answering(answer) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        told = await sentence(tmp_path, s3_bucket.url, timeout_seconds=0.5)
    assert told == f"nothing at {url} answers as a store does: check AWS_ENDPOINT_URL and that the store is up."


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", ""], ids=["without_scheme", "empty"])
async def test_an_endpoint_that_is_no_url(
    s3_bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    expected = "AWS_ENDPOINT_URL is no URL: begin it with http:// or https://, or leave the variable out."
    assert await sentence(tmp_path, s3_bucket.url) == expected


async def test_a_bucket_of_another_region(s3_bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    # What Amazon answers then: a redirect without the place.
    moved = b"HTTP/1.1 301 Moved Permanently\r\nx-amz-bucket-region: eu-west-3\r\nContent-Length: 0\r\n\r\n"
    async with answering(moved) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        told = await sentence(tmp_path, s3_bucket.url)
    assert told == f"the bucket {s3_bucket.name} is in another region: set AWS_REGION to the bucket's own."


async def test_opening_leaves_nothing_in_the_bucket(s3_bucket: Bucket, tmp_path: Path) -> None:
    async with open_blobs(s3_bucket.url, spool=tmp_path / "spool", timeout_seconds=10):
        pass
    assert s3_bucket.keys() == []


async def test_a_bucket_may_be_used_without_a_prefix(s3_bucket: Bucket, tmp_path: Path) -> None:
    async with open_blobs(f"s3://{s3_bucket.name}", spool=tmp_path / "spool", timeout_seconds=10) as blobs:
        async with blobs.stage() as staged:
            await staged.write(b"1")
            await staged.keep("files/01/song.mp3")
        assert s3_bucket.keys() == ["files/01/song.mp3"]


async def test_what_a_crash_left_of_uploads_on_this_machine_is_removed(s3_bucket: Bucket, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "left").write_bytes(b"of an upload")
    async with open_blobs(s3_bucket.url, spool=spool, timeout_seconds=10):
        assert not (spool / "left").exists()
        (spool / "in-flight").write_bytes(b"of another process's upload")
        async with open_blobs(s3_bucket.url, spool=spool, timeout_seconds=10):
            assert (spool / "in-flight").exists()
