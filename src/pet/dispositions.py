"""Content-Disposition of a form's part, as browsers, curl and HTTP libraries write it (RFC 7578, section 4.2)."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from pet.domain.errors import Invalid

# Whoever escapes, escapes both quotes and backslashes. Browsers escape neither (a quote becomes %22), so a value that
# is no such text ends at the next quote. Every repetition is possessive, which keeps hostile headers at linear cost.
_PARAMETER = re.compile(
    rb';[ \t]*+(?P<name>[^\s=;"]++)[ \t]*+=[ \t]*+'
    rb'(?:"(?P<escaped>(?:[^"\\]|\\["\\])*+)"|"(?P<raw>[^"]*+)"|(?P<token>[^";]*+))[ \t]*+(?=;|\Z)'
)
_ESCAPE = re.compile(rb'\\(["\\])')

_BROWSER_ESCAPE = re.compile(rb"%22|%0D|%0A")
"""The three escapes of the HTML standard (multipart/form-data encoding algorithm); any other percent sign is text."""


def part_names(disposition: bytes) -> tuple[str, str | None]:
    """Return a part's name, and its file name if it has one; empty for an input without a file.

    File names may be of any language: raw UTF-8 as browsers send it, or `filename*`, which wins (RFC 6266, 4.3).

    Raises:
        Invalid: the header is malformed, or the part has no name.
    """
    parameters = _parameters(disposition)
    name, file_name, extended = (parameters.get(key) for key in (b"name", b"filename", b"filename*"))
    if not name:
        raise Invalid("A part of the form has no name.")
    if extended is not None:
        return _browser_text(name), _extended_text(extended)
    return _browser_text(name), None if file_name is None else _browser_text(file_name)


def _parameters(disposition: bytes) -> dict[bytes, bytes]:
    """Return the parameters of a Content-Disposition by lower-case name.

    The library's parser does not serve here: it cuts the folder from what looks like a Windows path and drops
    `filename*`.
    """
    found: dict[bytes, bytes] = {}
    rest = disposition.rstrip(b"; \t")
    position = len(rest.partition(b";")[0])
    while position < len(rest):
        match = _PARAMETER.match(rest, position)
        if match is None:
            raise Invalid("A part of the form has a malformed Content-Disposition header.")
        escaped, raw, token = match.group("escaped", "raw", "token")
        found[match["name"].lower()] = (
            raw or (token or b"").strip() if escaped is None else _ESCAPE.sub(rb"\1", escaped)
        )
        position = match.end()
    return found


def _browser_text(raw: bytes) -> str:
    return _text(_BROWSER_ESCAPE.sub(lambda match: unquote_to_bytes(match[0]), raw))


def _extended_text(value: bytes) -> str:
    """Decode `charset'language'percent-encoded` (RFC 5987, section 3.2)."""
    if value.count(b"'") < 2:
        raise Invalid("A part of the form has a malformed filename* parameter.")
    charset, _, encoded = value.split(b"'", 2)
    raw = unquote_to_bytes(encoded)
    return raw.decode("latin-1") if charset.lower() == b"iso-8859-1" else _text(raw)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
