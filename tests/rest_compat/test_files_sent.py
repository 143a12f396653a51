"""Stored objects that are files of this machine: the same answers, with bytes that the server takes from the file."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.testing import capture_logs

from pet.rest_compat.bytes import BlobResponse
from pet.storage.blobs.open_files import LentFile, OpenFiles
from pet.zero_copy import ZERO_COPY, FileEndedError
from tests.rest_compat.test_bytes import ANSWERS, CONTENT, FIRST_BYTES, TRACK, WHOLE, Answer, Fields, Source, request


@dataclass
class Store:
    """A folder with one object; it counts what is lent."""

    files: OpenFiles
    lent: list[LentFile] = field(default_factory=list)

    async def open_file(self) -> LentFile:
        self.lent.append(await self.files.lend("song"))
        return self.lent[-1]

    def all_are_back(self) -> bool:
        for file in self.lent:
            with pytest.raises(ValueError, match="given back"):
                file.fileno()
        return True


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    (tmp_path / "song").write_bytes(CONTENT)
    async with AsyncExitStack() as stack:
        files = OpenFiles(tmp_path)
        stack.push_async_callback(files.close)
        yield Store(files)


def taking_files(app: ASGIApp) -> ASGIApp:
    """Serve an application as a server does that takes files."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] != ZERO_COPY:
                await send(message)
                return
            with closing(message["file"]) as file:
                content = os.pread(file.fileno(), message["count"], message["offset"])
            if len(content) < message["count"]:
                raise FileEndedError
            await send({"type": "http.response.body", "body": content, "more_body": message["more_body"]})

        await app({**scope, "extensions": {ZERO_COPY: {}}}, receive, sending)

    return served


async def ask(store: Store, headers: Fields, *, method: str = "GET", **others: Any) -> tuple[Answer, Source]:
    """Return the answer, and the source from which nothing should have been read."""
    source = Source()
    app = BlobResponse(others.pop("track", TRACK), source.read, open_file=store.open_file, **others)
    return await request(taking_files(app), headers, method=method), source  # type: ignore[arg-type]


@pytest.mark.parametrize(("headers", "answer"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_a_get_is_answered_from_the_file_as_from_any_store(store: Store, headers: Fields, answer: Answer) -> None:
    given, source = await ask(store, headers)
    assert (given, source.asked_for, store.all_are_back()) == (answer, [], True)


async def test_several_ranges_come_from_the_file_between_their_heads(store: Store) -> None:
    (status, headers, body), source = await ask(store, {"Range": "bytes=900-,0-149"})
    boundary = re.sub("^.*=", "", headers["content-type"]).encode()
    assert (status, len(body), source.asked_for, len(store.lent)) == (206, int(headers["content-length"]), [], 1)
    head = b"Content-Type: audio/mpeg\r\nContent-Range: bytes %b/1000\r\n\r\n"
    assert body.split(b"\r\n--" + boundary)[1:] == [
        b"\r\n" + head % b"900-999" + CONTENT[900:],
        b"\r\n" + head % b"0-149" + CONTENT[:150],
        b"--\r\n",
    ]


@pytest.mark.parametrize(("method", "headers", "count"), FIRST_BYTES.values(), ids=FIRST_BYTES.keys())
async def test_the_hook_hears_of_the_first_byte_of_a_file(
    store: Store, method: str, headers: Fields, count: int
) -> None:
    heard: list[str] = []

    async def hear() -> None:
        heard.append(method)

    await ask(store, headers, method=method, on_first_byte=hear)
    assert (len(heard), store.all_are_back()) == (count, True)


async def test_a_head_opens_no_file(store: Store) -> None:
    assert (await ask(store, {}, method="HEAD"))[0] == (*WHOLE[:2], b"")
    assert store.lent == []


@pytest.mark.parametrize("fails", [FileNotFoundError, LookupError], ids=["file", "hook"])
async def test_a_failure_before_the_first_byte_of_a_file_is_left_to_the_error_handler(
    store: Store, fails: type[Exception]
) -> None:
    async def fail() -> None:
        raise LookupError

    if fails is FileNotFoundError:
        store.files = OpenFiles(Path("/nowhere"))
    with capture_logs() as logs, pytest.raises(fails):
        await ask(store, {}, on_first_byte=fail)
    assert (logs, store.all_are_back()) == ([], True)


async def test_a_file_that_shrinks_midway_is_logged_and_the_answer_stays_unfinished(
    store: Store, tmp_path: Path
) -> None:
    async def shrink() -> None:
        os.truncate(tmp_path / "song", 500)

    with capture_logs() as logs, pytest.raises(FileEndedError):
        await ask(store, {}, on_first_byte=shrink)
    event = {"event": "media stream broken", "log_level": "error", "exc_info": True}
    assert logs == [{**event, "path": "/", "etag": '"v2"'}]
    assert store.all_are_back()


PUMPED: dict[str, tuple[Fields, int]] = {
    "of_another_size_than_its_record": ({}, 999),
    "whose_request_has_a_body": ({"Content-Length": "3"}, 1000),
    "whose_request_has_chunks": ({"Transfer-Encoding": "chunked"}, 1000),
}


@pytest.mark.parametrize(("headers", "size_bytes"), PUMPED.values(), ids=PUMPED.keys())
async def test_an_object_is_read_in_chunks(store: Store, headers: Fields, size_bytes: int) -> None:
    answer, source = await ask(store, headers, track=replace(TRACK, size_bytes=size_bytes))
    assert (answer[2], source.asked_for, store.all_are_back()) == (CONTENT[:size_bytes], [(0, size_bytes)], True)


async def test_where_the_server_takes_no_files_none_is_opened(store: Store) -> None:
    assert await request(BlobResponse(TRACK, Source().read, open_file=store.open_file), {}) == WHOLE
    assert store.lent == []
