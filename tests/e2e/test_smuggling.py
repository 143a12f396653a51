"""A real server and raw sockets: no request hides in another, and no target leads out of the routes."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.server import DEADLINE, Server, serve

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

HIDDEN = b"GET /users/username/hidden HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /auth/logout HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
GET = b"GET /users HTTP/1.1\r\nHost: x\r\n"

REFUSED: dict[str, bytes] = {
    "length_and_chunked": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked_and_length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two_lengths": POST + b"Content-Length: 4\r\nContent-Length: 0\r\n\r\n",
    "the_same_length_twice": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a_list_of_lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "a_length_with_a_sign": POST + b"Content-Length: +2\r\n\r\n{}",
    "a_negative_length": POST + b"Content-Length: -2\r\n\r\n",
    "a_hexadecimal_length": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "a_huge_length": POST + b"Content-Length: 99999999999999999999\r\n\r\n",
    "an_empty_length": POST + b"Content-Length: \r\n\r\n",
    "a_space_before_a_colon": POST + b"Content-Length : 2\r\n\r\n{}",
    "a_space_before_the_coding's_colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "an_unknown_coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "chunked_before_another": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked_behind_another": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked_twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "two_codings": POST + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two_codings_the_other_way": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a_coding_behind_a_control": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a_coding_of_http_1.0": CHUNKED.replace(b"1.1", b"1.0") + b"0\r\n\r\n",
    "a_folded_header": GET + b"X: a\r\n b\r\n\r\n",
    "a_folded_coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a_header_that_begins_with_a_space": b"GET /users HTTP/1.1\r\n Host: x\r\n\r\n",
    "bare_line_feeds": b"GET /users HTTP/1.1\nHost: x\n\n",
    "one_bare_line_feed": b"GET /users HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
    "a_bare_line_feed_at_the_end": GET + b"\n",
    "a_bare_carriage_return": b"GET /users HTTP/1.1\r\nHost: x\rX: y\r\n\r\n",
    "a_zero_byte": GET + b"X: a\0b\r\n\r\n",
    "a_header_without_a_name": GET + b": y\r\n\r\n",
    "a_line_feed_in_an_extension": CHUNKED + b"2;a\n{}\r\n0\r\n\r\n",
    "a_huge_chunk": CHUNKED + b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "a_chunk_with_a_prefix": CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "a_negative_chunk": CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n",
    "chunks_with_line_feeds": CHUNKED + b"2\n{}\n0\n\n",
    "a_space_behind_a_chunk's_size": CHUNKED + b"2 \r\n{}\r\n0\r\n\r\n",
    "a_chunk_that_is_longer_than_it_says": CHUNKED + b"2\r\n{}{}\r\n0\r\n\r\n",
    "a_chunk_without_an_end": CHUNKED + b"2\r\n{}XX0\r\n\r\n",
    "a_length_behind_the_body": CHUNKED + b"2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n",
    "no_host": b"GET /users HTTP/1.1\r\n\r\n",
    "two_hosts": GET + b"Host: y\r\n\r\n",
    "no_name_as_host": b"GET /users HTTP/1.1\r\nHost: x/../y\r\n\r\n",
    "a_tunnel": b"CONNECT other.example:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a_target_without_a_slash": b"GET users HTTP/1.1\r\nHost: x\r\n\r\n",
    "a_raw_byte_in_the_target": b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "http_2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a_head_of_http_2": b"GET /users HTTP/2.0\r\nHost: x\r\n\r\n",
    "http_0.9": b"GET /users\r\n\r\n",
    "a_socket_with_a_body": POST + SOCKET + b"Content-Length: 4\r\n\r\n",
    "a_socket_with_chunks": POST + SOCKET + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}
"""What two servers could read in two ways; each is followed by a request that must not be served."""

TAKEN: dict[str, tuple[bytes, int]] = {
    "a_length": (POST + b"Content-Length: 2\r\n\r\n{}", 400),
    "chunks": (CHUNKED + b"2\r\n{}\r\n0\r\n\r\n", 400),
    "chunks_with_an_extension": (CHUNKED + b'2;a="b"\r\n{}\r\n0\r\nX: y\r\n\r\n', 400),
    "a_body_that_is_a_request": (POST + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN, 400),
    "a_get_with_a_body_that_is_a_request": (GET + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN, 200),
    "another_protocol": (POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}", 400),
    "an_absolute_target": (b"GET http://other.example/users HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    "empty_lines_before": (b"\r\n\r\n" + GET + b"\r\n", 200),
}
"""What has one meaning: one answer each, and the connection goes on."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server of this module's own."""
    async with serve(tmp_path_factory.mktemp("data"), log_format="json") as running:
        yield running


async def talk(server: Server, sent: bytes, *, ends: bool) -> list[int]:
    """Send bytes and return the statuses of all answers.

    Args:
        ends: whether the server has to end the connection; else a last request of ours ends it.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", server.client.base_url.port or 0)
    async with asyncio.timeout(DEADLINE):
        writer.write(sent if ends else sent + b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        heard = bytearray()
        try:
            while piece := await reader.read(65_536):
                heard += piece
        except ConnectionError:  # what was sent behind a refusal is never read
            pass
        writer.close()
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", bytes(heard))]


async def served_by_mistake(server: Server) -> list[str]:
    """Return the log's lines about the request that hides, once all requests before are in the log."""
    last = f"/nothing/{secrets.token_hex(8)}"
    await server.client.get(last)
    await server.log.wait_for(last)
    return [line for line in server.log.lines if "hidden" in line]


@pytest.mark.parametrize("name", REFUSED)
async def test_what_can_be_read_in_two_ways_is_refused_with_all_that_follows(server: Server, name: str) -> None:
    statuses = await talk(server, REFUSED[name] + HIDDEN, ends=True)
    assert len(statuses) == 1
    assert statuses[0] in {400, 501, 505}
    assert await served_by_mistake(server) == []


@pytest.mark.parametrize("name", TAKEN)
async def test_what_has_one_meaning_is_answered_once(server: Server, name: str) -> None:
    sent, status = TAKEN[name]
    assert await talk(server, sent, ends=False) == [status, 200]
    assert await served_by_mistake(server) == []


async def test_nothing_is_served_behind_a_request_that_ends_the_connection(server: Server) -> None:
    assert await talk(server, GET + b"Connection: close\r\n\r\n" + HIDDEN, ends=True) == [200]
    assert await served_by_mistake(server) == []


TARGETS = [
    "/graphql/assets/../../pet.sqlite3",
    "/graphql/assets/%2e%2e/%2e%2e/__init__.py",
    "/graphql/assets/..%2f..%2f__init__.py",
    "/graphql/assets/..%5c..%5c__init__.py",
    "/graphql/assets//etc/passwd",
    "/graphql/assets/%2fetc%2fpasswd",
    "/graphql/assets/%00",
    "/media/file/../../../../etc/passwd",
    "/media/file/..%2f..%2fsecret.key",
    "/media/track/%2e%2e%2fpet.sqlite3",
    "/media/cover/..%00",
    "/media/avatar/..",
    "/users/username/..%2f..%2fetc%2fpasswd",
    "/users/%2e%2e/profile",
    "//etc/passwd",
    "/../../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/static/..%c0%af..%c0%afetc/passwd",
]


@pytest.mark.parametrize("target", TARGETS)
async def test_no_target_leads_to_a_file(server: Server, target: str) -> None:
    request = f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    [status, _] = await talk(server, request, ends=False)
    assert status == 404
