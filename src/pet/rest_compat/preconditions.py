"""Conditional requests: a GET or HEAD proceeds, fails, or finds its client up to date (RFC 9110, section 13)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto

_ENTITY_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')

# RFC 9110, section 5.6.7: the preferred form, then the two that recipients must still accept.
_HTTP_DATES = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y")

RAW_CONDITIONS = frozenset((b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range"))
"""The names of all fields that make a request conditional, as ASGI has them."""


class Verdict(Enum):
    """How the answer goes on after the preconditions."""

    PROCEED = auto()
    NOT_MODIFIED = auto()
    PRECONDITION_FAILED = auto()


@dataclass(frozen=True, slots=True)
class Conditions:
    """The values of a request's conditional fields, several lines joined by commas; None where a field is absent."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_unmodified_since: str | None = None
    if_range: str | None = None

    @classmethod
    def read(cls, field: Callable[[str], str | None]) -> Conditions:
        """Read the conditions of a request whose fields `field` looks up by name."""
        return cls(
            if_match=field("If-Match"),
            if_none_match=field("If-None-Match"),
            if_modified_since=field("If-Modified-Since"),
            if_unmodified_since=field("If-Unmodified-Since"),
            if_range=field("If-Range"),
        )


@dataclass(frozen=True, slots=True)
class Validators:
    """What tells one version of an object from another: a strong, quoted entity tag and an aware time.

    Times are compared by the second, because that is all that `Last-Modified` shows. Where an object may be replaced
    twice within a second, its date is a weak validator (section 8.8.2.2).
    """

    etag: str
    last_modified: datetime
    is_date_strong: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, and whether a `Range` field of the request counts. It never counts unless the request proceeds."""

    verdict: Verdict
    range_applies: bool


def evaluate(conditions: Conditions, current: Validators) -> Decision:
    """Decide about a GET or HEAD request for an object that exists, in the order of section 13.2.2."""
    if not _is_expected_version(conditions, current):
        return Decision(Verdict.PRECONDITION_FAILED, range_applies=False)
    if _is_held_by_client(conditions, current):
        return Decision(Verdict.NOT_MODIFIED, range_applies=False)
    return Decision(Verdict.PROCEED, range_applies=_is_same_version(conditions.if_range, current))


def _is_expected_version(conditions: Conditions, current: Validators) -> bool:
    """Evaluate `If-Match`, or in its absence `If-Unmodified-Since` (sections 13.1.1 and 13.1.4)."""
    if conditions.if_match is not None:
        return _names_strongly(conditions.if_match, current.etag)
    unmodified_since = _parse_date(conditions.if_unmodified_since)
    return unmodified_since is None or _second(current) <= unmodified_since


def _is_held_by_client(conditions: Conditions, current: Validators) -> bool:
    """Evaluate `If-None-Match`, or in its absence `If-Modified-Since` (sections 13.1.2 and 13.1.3)."""
    if conditions.if_none_match is not None:
        return _names_weakly(conditions.if_none_match, current.etag)
    modified_since = _parse_date(conditions.if_modified_since)
    return modified_since is not None and _second(current) <= modified_since


def _is_same_version(if_range: str | None, current: Validators) -> bool:
    """Evaluate `If-Range` (section 13.1.5): one strong tag, or the exact date of `Last-Modified` where it is strong."""
    if if_range is None or if_range.strip() == current.etag:
        return True
    return current.is_date_strong and _parse_date(if_range) == _second(current)


def _names_strongly(field: str, etag: str) -> bool:
    tags = _ENTITY_TAG.findall(field)
    return field.strip() == "*" or any(not weak and tag == etag for weak, tag in tags)


def _names_weakly(field: str, etag: str) -> bool:
    return field.strip() == "*" or any(tag == etag for _, tag in _ENTITY_TAG.findall(field))


def _second(current: Validators) -> datetime:
    return current.last_modified.replace(microsecond=0)


def _parse_date(text: str | None) -> datetime | None:
    """Return the moment of an HTTP-date; None for anything else, because an invalid date is ignored."""
    if text is None:
        return None
    for form in _HTTP_DATES:
        try:
            return datetime.strptime(text.strip(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
