"""What people type: how it is compared, and how long it may be."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from pet.domain.errors import Invalid

MAX_NAME = 100
MAX_BIO = 2000
MAX_LOCATION = 100
MAX_TAGS = 20
MAX_TAG = 50
MAX_LINK = 200
MAX_TITLE = 200
MAX_FILE_NAME = 255
MAX_SEARCH_KEY = 100
"""Characters of a word that a search compares: one letter can become eighteen when it is decomposed."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def identity_key(text: str) -> str:
    """Return the form under which emails and usernames are unique: NFKC, casefolded."""
    return storable_text(unicodedata.normalize("NFKC", text).casefold())


def search_key(text: str) -> str:
    """Return the form in which names are searched: without case and diacritics, cut to 100 characters."""
    return _folded(text)[:MAX_SEARCH_KEY]


def search_words(username: str, display_name: str | None) -> frozenset[str]:
    """Return the words by whose beginnings a person is found: the username, and every word of the display name."""
    name = "".join(char if _belongs_to_word(char) else " " for char in _folded(display_name or ""))
    return frozenset({search_key(username), *(word[:MAX_SEARCH_KEY] for word in name.split())})


def beginnings(words: Collection[str]) -> frozenset[str]:
    """Return every beginning of some words, the words themselves among them."""
    return frozenset(word[:length] for word in words for length in range(1, len(word) + 1))


def _folded(text: str) -> str:
    decomposed = storable_text(unicodedata.normalize("NFKD", text).casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def _belongs_to_word(char: str) -> bool:
    """Tell whether a character is a letter, a digit, an underscore or a mark (many scripts write vowels as marks)."""
    return char == "_" or unicodedata.category(char)[0] in "LNM"


def storable_text(text: str) -> str:
    """Replace what not every store can even compare, NUL and lone surrogates, by a character that no name holds."""
    return _UNSTORABLE.sub("\ufffd", text)


def checked_text(value: str, *, field: str, limit: int, multiline: bool = False) -> str | None:
    """Return a text trimmed; blank becomes None.

    Raises:
        Invalid: the text is longer than `limit` characters, or holds control characters or lone surrogates.
    """
    text = value.strip()
    if len(text) > limit:
        raise Invalid(f"{field} must be at most {limit} characters long.", field=field)
    allowed = "\n\r\t" if multiline else ""
    if any(unicodedata.category(char) in ("Cc", "Cs") and char not in allowed for char in text):
        raise Invalid(f"{field} must not contain control characters.", field=field)
    return text or None


def checked_tags(values: list[str], *, field: str) -> tuple[str, ...]:
    """Return a short list of short texts, trimmed, without blanks and doubles, in the given order.

    Raises:
        Invalid: there are more than 20, or one is longer than 50 characters.
    """
    if len(values) > MAX_TAGS:
        raise Invalid(f"{field} must have at most {MAX_TAGS} entries.", field=field)
    texts = (checked_text(value, field=field, limit=MAX_TAG) for value in values)
    return tuple(dict.fromkeys(text for text in texts if text))
