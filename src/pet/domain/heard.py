"""What one subscription has heard: how it goes on after a break without a hole and without a double.

Events are delivered in an order that nobody knows at once: a delivery is dated before it is committed, and by the clock
of its process. So a place in that order is not enough. What was heard is told by a place up to which everything is
known, some seconds in the past, and by a digest of each event that was heard beyond it.

A cursor is all of this in a text, made for one user.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from collections import OrderedDict
from datetime import datetime, timedelta

from pet.domain.errors import Invalid
from pet.domain.ids import EventId, UserId
from pet.domain.outbox import KEEP_DELIVERED
from pet.domain.paging import Position
from pet.domain.times import from_milliseconds, to_milliseconds

OVERLAP = timedelta(seconds=5)
"""How late a delivery may be seen: the clocks of two processes may differ by 2 seconds, and a commit take the rest."""

CLOCK_MARGIN = timedelta(seconds=2)
"""How far the clock that dates a delivery may be ahead of ours."""

MAX_DIGESTS = 2000
"""Of 7 seconds at most. A user whose followees do more than 285 things a second may hear one of them twice."""

MAX_CURSOR = 32_768
"""Characters; that many digests take 22,000."""

_HEAD = struct.Struct(">B4sqB")
_ENTRY = struct.Struct(">6sH")
_VERSION = 1
_TICK = timedelta(milliseconds=10)
_MAX_TICKS = 0xFFFF
_TRIMMED_EARLIER = timedelta(minutes=1)
"""By a process whose clock is ahead, or while the replay goes on."""

_FOREIGN = "after is not a cursor that feedActivity has given you. Use the cursor of the last activity that you heard."
_OLD = "after is too old: less than 7 days can be made up for. Read feed, and subscribe without after."


class Heard:
    """What a user has heard by now.

    Args:
        after: everything that was delivered up to this place is known.
    """

    def __init__(self, user_id: UserId, after: Position) -> None:
        self.after = after
        self._user_id = user_id
        self._digests: OrderedDict[bytes, datetime] = OrderedDict()

    def knows(self, event_id: EventId) -> bool:
        """Tell whether an event from beyond `after` was heard."""
        return _digest(event_id) in self._digests

    def add(self, event_id: EventId, *, no_later_than: datetime) -> None:
        """Note that an event is heard; it was delivered no later than a moment."""
        self._digests[_digest(event_id)] = no_later_than
        if len(self._digests) > MAX_DIGESTS:
            self._digests.popitem(last=False)

    def advance(self, after: Position) -> None:
        """Note that everything up to a place is known; what lies behind it needs no digest any more."""
        if (after.at, after.id) <= (self.after.at, self.after.id):
            return
        self.after = after
        while self._digests and next(iter(self._digests.values())) < after.at:
            self._digests.popitem(last=False)

    def cursor(self) -> str:
        """Return the opaque text from which `resumed` goes on."""
        event_id = self.after.id.encode()
        parts = [_HEAD.pack(_VERSION, _tag(self._user_id), to_milliseconds(self.after.at), len(event_id)), event_id]
        for digest, latest in self._digests.items():
            ticks = -((self.after.at - latest) // _TICK) + 1
            parts.append(_ENTRY.pack(digest, min(max(ticks, 0), _MAX_TICKS)))
        return base64.urlsafe_b64encode(b"".join(parts)).decode().rstrip("=")


def resumed(user_id: UserId, cursor: str, *, now: datetime) -> Heard:
    """Return what a user had heard when the cursor was made.

    Raises:
        Invalid: the cursor is malformed, another user's, or too old.
    """
    try:
        heard = _parsed(user_id, cursor)
    except (ValueError, OverflowError, OSError, binascii.Error, struct.error) as error:
        raise Invalid(_FOREIGN, field="after") from error
    if heard.after.at > now + OVERLAP:
        raise Invalid(_FOREIGN, field="after")
    if heard.after.at <= now - KEEP_DELIVERED + _TRIMMED_EARLIER:
        raise Invalid(_OLD, field="after")
    return heard


def _parsed(user_id: UserId, cursor: str) -> Heard:
    if len(cursor) > MAX_CURSOR:
        raise ValueError(len(cursor))
    raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    version, tag, milliseconds, length = _HEAD.unpack_from(raw)
    event_id, entries = raw[_HEAD.size : _HEAD.size + length].decode("ascii"), raw[_HEAD.size + length :]
    is_ours = version == _VERSION and tag == _tag(user_id) and set(event_id) <= set("0123456789abcdef-")
    if not is_ours or len(event_id) != length or len(entries) > MAX_DIGESTS * _ENTRY.size:
        raise ValueError(version)
    heard = Heard(user_id, Position(from_milliseconds(milliseconds), event_id))
    for digest, ticks in _ENTRY.iter_unpack(entries):
        heard._digests[digest] = heard.after.at + ticks * _TICK  # noqa: SLF001
    return heard


def _digest(event_id: EventId) -> bytes:
    """Return 48 bits, which two of some thousand events share once in a hundred million times."""
    return hashlib.blake2b(event_id.encode(), digest_size=6).digest()


def _tag(user_id: UserId) -> bytes:
    return hashlib.blake2b(user_id.encode(), digest_size=4).digest()
