"""Identifiers: their types, how they are made and how a stranger's text becomes one.

`UserId` and `FileId` are UUIDs version 7 (RFC 9562, section 5.7) in lower-case canonical form; an `ObjectId` is the
legacy `_id` of 24 hexadecimal digits, the same on every engine. Both begin with the time, so indexes grow at one end.
"""

from __future__ import annotations

import secrets
import time
from typing import NewType
from uuid import UUID

UserId = NewType("UserId", str)
FileId = NewType("FileId", str)
SessionId = NewType("SessionId", str)
EventId = NewType("EventId", str)
ObjectId = NewType("ObjectId", str)


def new_uuid7() -> str:
    """Return a new UUID version 7: 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=value))


def new_object_id() -> ObjectId:
    """Return 24 hexadecimal digits: 4 bytes of Unix seconds, then 8 random bytes."""
    return ObjectId(f"{int(time.time()) & 0xFFFF_FFFF:08x}{secrets.token_hex(8)}")


def parse_uuid(text: str) -> str | None:
    """Return the canonical form of a UUID in any usual spelling, or None when the text is no UUID."""
    if len(text) != 36:
        return None
    try:
        return str(UUID(text))
    except ValueError:
        return None
