"""Identifiers: their types, how they are made and how a stranger's text becomes one.

`UserId` and `FileId` are UUIDs version 7 (RFC 9562, section 5.7) in lower-case canonical form; an `ObjectId` is the
legacy `_id` of 24 hexadecimal digits, the same on every engine. Both begin with the time, so indexes grow at one end.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from itertools import chain, repeat
from struct import unpack
from typing import NewType

UserId = NewType("UserId", str)
FileId = NewType("FileId", str)
SessionId = NewType("SessionId", str)
EventId = NewType("EventId", str)
ObjectId = NewType("ObjectId", str)
ExportId = NewType("ExportId", str)

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def new_uuid7() -> str:
    """Return a new UUID version 7: 48 bits of Unix milliseconds, 12 of their fraction, then 62 random bits.

    The fraction (RFC 9562, section 6.2, method 3) lets ids that one process makes one after the other grow.
    """
    return _uuid7(secrets.randbits(62))


_randoms = chain.from_iterable(unpack("512Q", os.urandom(4096)) for _ in repeat(None))


def new_request_id() -> str:
    """Return a UUID version 7 as well, for what is told to nobody else and kept nowhere; for the event loop alone.

    Its random bits are asked for by the page: the system takes longer for them than all the rest of an id.
    """
    return _uuid7(next(_randoms) >> 2)


def _uuid7(random_bits: int) -> str:
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    head = (milliseconds & 0xFFFF_FFFF_FFFF) << 16 | 0x7 << 12 | fraction
    return _canonical(head << 64 | 0x2 << 62 | random_bits)


def uuid7_since(milliseconds: int) -> str:
    """Return what every UUID version 7 is greater than that is made at or after a time of Unix milliseconds."""
    return _canonical((max(milliseconds, 1) << 80) - 1)


def _canonical(value: int) -> str:
    """Write a UUID, as `uuid.UUID` would in three times the time: every request has one."""
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_object_id() -> ObjectId:
    """Return 24 hexadecimal digits: 4 bytes of Unix seconds, then 8 random bytes."""
    return ObjectId(f"{int(time.time()) & 0xFFFF_FFFF:08x}{secrets.token_hex(8)}")


def parse_uuid(text: str) -> str | None:
    """Return the canonical form of a UUID in either case, or None when the text is no UUID.

    The standard library would also take line breaks, underscores and signs for digits.
    """
    return text.lower() if _UUID.fullmatch(text) else None
