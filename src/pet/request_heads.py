"""What the head of a request must be, beyond what the parser sees to (RFC 9112): what two servers could understand in
two ways is refused, or whoever sends it could hide one request in another.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from itertools import chain
from typing import NamedTuple

MAX_HEAD_BYTES = 64 * 1024
"""The request line with all headers. Ours have about 1 KiB, and proxies stop at 8 to 32 KiB."""

MAX_HEADERS = 100
"""Browsers send about 20, proxies add a few."""

_HOST = re.compile(rb"(?:[\w.~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
"""RFC 9110, section 7.2."""


class Objection(NamedTuple):
    """Why a request is not taken."""

    status: HTTPStatus
    sentence: str


MALFORMED = Objection(HTTPStatus.BAD_REQUEST, "The request is not valid HTTP.")
TOO_LARGE = Objection(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of the request is too large.")
_VERSION = Objection(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "This server speaks HTTP/1.1.")
_HOSTS = Objection(HTTPStatus.BAD_REQUEST, "A request has one header Host, with a name and perhaps a port.")
_CODING = Objection(HTTPStatus.NOT_IMPLEMENTED, "The one transfer coding that this server takes is chunked.")
_NO_PROXY = Objection(HTTPStatus.NOT_IMPLEMENTED, "This server is no proxy.")
_SOCKET = Objection(HTTPStatus.BAD_REQUEST, "A WebSocket begins with a GET that has no body.")


def objection_to(
    version: str, method: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]], *, becomes_socket: bool
) -> Objection | None:
    """Return why a head is refused; None for a good one.

    Args:
        version: such as `1.1`.
        method: as sent.
        target: as sent.
        headers: names in lower case.
        becomes_socket: whether the connection is to be a WebSocket.
    """
    if version not in {"1.0", "1.1"}:
        return _VERSION
    if method == b"CONNECT":
        return _NO_PROXY
    size = len(target) + sum(map(len, chain.from_iterable(headers)))
    if size > MAX_HEAD_BYTES or len(headers) > MAX_HEADERS:
        return TOO_LARGE
    return _objection_to_fields(version, headers, becomes_socket)


def _objection_to_fields(
    version: str, headers: Sequence[tuple[bytes, bytes]], becomes_socket: bool
) -> Objection | None:
    hosts = [value for name, value in headers if name == b"host"]
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if len(hosts) > 1 or (not hosts and version == "1.1") or not all(map(_HOST.fullmatch, hosts)):
        return _HOSTS
    if codings and (version == "1.0" or codings != [b"chunked"]):
        return _CODING
    if becomes_socket and (codings or any(name == b"content-length" for name, _ in headers)):
        return _SOCKET
    return None
