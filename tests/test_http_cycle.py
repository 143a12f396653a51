"""Answers as they are written: as uvicorn's own, byte for byte, and nothing that would end a field or a head early."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from starlette.types import Message
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from pet.http_cycle import SMALL_BYTES, USUAL_NAMES, Cycle

Fields = list[tuple[bytes, bytes]]

LENGTH = (b"content-length", b"4")
DATE = (b"date", b"Tue, 24 Nov 2026 17:00:00 GMT")


class Written(asyncio.Transport):
    """Keeps what is written, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.is_closed = True


def begun(
    kind: Callable[..., RequestResponseCycle], method: str = "GET", *, keep_alive: bool = True
) -> tuple[RequestResponseCycle, Written]:
    transport = Written()
    logger = logging.getLogger("pet.tests.cycle")
    cycle = kind(
        scope=cast("Any", {"type": "http", "method": method}),
        transport=transport,
        flow=FlowControl(transport),
        logger=logger,
        access_logger=logger,
        access_log=False,
        default_headers=[DATE],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: None,
    )
    return cycle, transport


def start(status: int, fields: Fields) -> Message:
    return {"type": "http.response.start", "status": status, "headers": fields}


def body(piece: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": piece, "more_body": more}


async def outcome(cycle: RequestResponseCycle, transport: Written, messages: Sequence[Message]) -> object:
    try:
        for message in messages:
            await cycle.send(cast("Any", message))
    except (RuntimeError, ValueError) as error:
        return type(error), str(error)
    state = cycle.response_complete, cycle.expected_content_length, cycle.chunked_encoding, cycle.keep_alive
    return b"".join(transport.pieces), state, transport.is_closed


USUAL: Fields = [(name, b"7 \t \xe9") for name in sorted(USUAL_NAMES) if name != b"content-length"]

ANSWERS: dict[str, tuple[int, Fields, Sequence[Message]]] = {
    "every usual field": (200, [LENGTH, *USUAL], [body(b"body")]),
    "in pieces": (200, [LENGTH], [body(b"bo", more=True), body(b"dy", more=True), body(b"")]),
    "without a length": (200, [], [body(b"bo", more=True), body(b"dy")]),
    "large": (200, [(b"content-length", b"%d" % (SMALL_BYTES + 1))], [body(b"z" * (SMALL_BYTES + 1))]),
    "empty": (200, [(b"content-length", b"0")], [body(b"")]),
    "nothing new": (304, [(b"etag", b'"7"')], [body(b"")]),
    "a field twice": (200, [LENGTH, (b"link", b"<1>"), (b"link", b"<2>")], [body(b"body")]),
    "two lengths": (200, [LENGTH, (b"content-length", b"5")], [body(b"body")]),
    "chunked by itself": (200, [(b"transfer-encoding", b"chunked")], [body(b"body")]),
    "the last one": (200, [LENGTH, (b"connection", b"close")], [body(b"body")]),
    "a strange name": (200, [LENGTH, (b"x-strange", b"7")], [body(b"body")]),
    "a capital name": (200, [(b"Content-Length", b"4")], [body(b"body")]),
    "too long": (200, [LENGTH], [body(b"bodyguard")]),
    "too short": (200, [LENGTH], [body(b"bo")]),
    "a length that is none": (200, [(b"content-length", b"four")], [body(b"four")]),
    "a body first": (200, [LENGTH], [start(200, [LENGTH])]),
}


@pytest.mark.parametrize("keep_alive", [True, False], ids=["kept", "closed"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("status", "fields", "rest"), ANSWERS.values(), ids=ANSWERS)
async def test_an_answer_is_what_uvicorn_writes(
    status: int, fields: Fields, rest: Sequence[Message], method: str, *, keep_alive: bool
) -> None:
    messages = [start(status, fields), *rest]
    expected = await outcome(*begun(RequestResponseCycle, method, keep_alive=keep_alive), messages)
    assert await outcome(*begun(Cycle, method, keep_alive=keep_alive), messages) == expected


@pytest.mark.parametrize("control", [code for code in (*range(0x20), 0x7F) if code != ord("\t")])
@pytest.mark.parametrize("name", [b"link", b"x-strange"])
async def test_no_control_character_gets_into_a_head(name: bytes, control: int) -> None:
    cycle, transport = begun(Cycle)
    fields = [LENGTH, (name, b"<1>" + bytes((control,)) + b"evil: 7")]
    with pytest.raises(RuntimeError, match="Invalid HTTP header value"):
        await cycle.send(cast("Any", start(200, fields)))
    assert transport.pieces == []


async def test_a_name_is_no_place_for_a_further_field_either() -> None:
    cycle, transport = begun(Cycle)
    with pytest.raises(RuntimeError, match="Invalid HTTP header name"):
        await cycle.send(cast("Any", start(200, [LENGTH, (b"link: 1\r\nevil", b"7")])))
    assert transport.pieces == []


async def test_a_small_answer_is_one_write() -> None:
    cycle, transport = begun(Cycle)
    await outcome(cycle, transport, [start(200, [LENGTH]), body(b"body")])
    assert len(transport.pieces) == 1


@pytest.mark.parametrize("fields", [[], [(b"content-length", b"%d" % (SMALL_BYTES + 1))]], ids=["a stream", "large"])
async def test_the_head_of_any_other_does_not_wait_for_its_body(fields: Fields) -> None:
    cycle, transport = begun(Cycle)
    await cycle.send(cast("Any", start(200, fields)))
    assert b"".join(transport.pieces).endswith(b"\r\n\r\n")
