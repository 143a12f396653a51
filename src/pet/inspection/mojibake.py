"""Texts whose encoding a tag does not tell, or tells wrongly: read right where that is certain enough.

ID3v1, the oldest frames of ID3v2 and RIFF INFO have no word for Cyrillic; programs wrote Windows-1251 or UTF-8 there,
and what follows the standard shows `Ïåñíÿ` for `Песня`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_LEAST_LETTERS = 3
"""Letters of a word that make Windows-1251 certain. No language written in Latin letters has three in a row that are
all outside ASCII."""

_WORD = re.compile(r"[^\W\d_]+")
_ASCII_LETTER = re.compile(r"[A-Za-z]")
_NOT_CYRILLIC = re.compile(
    r"[^\x00-\x7f\u0410-\u044f\u0401\u0451\u0404\u0454\u0406\u0456\u0407\u0457\u0490\u0491\u040e\u045e"
    r"\xa0\xab\xbb\u2013\u2014\u2018-\u201e\u2022\u2026\u2116]"
)
"""Neither ASCII nor a letter of Russian, Ukrainian or Belarusian, nor a sign that is printed with them."""


def readable(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the texts of one tag, given as Latin-1 says, as their writer meant them.

    UTF-8 explains itself. Windows-1251 is taken where all of the texts can be that, no word mixes both alphabets, as
    `Motörhead` would, and some word has at least three letters and the case of a word. Else they stay as they are.
    """
    try:
        raw = {name: text.encode("latin-1") for name, text in texts.items()}
    except UnicodeEncodeError:
        return dict(texts)
    try:
        return {name: content.decode("utf-8") for name, content in raw.items()}
    except UnicodeDecodeError:
        pass
    try:
        cyrillic = {name: content.decode("cp1251") for name, content in raw.items()}
    except UnicodeDecodeError:
        return dict(texts)
    return cyrillic if _is_cyrillic(" ".join(cyrillic.values())) else dict(texts)


def _is_cyrillic(text: str) -> bool:
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    return (
        not _NOT_CYRILLIC.search(text)
        and all(not _ASCII_LETTER.search(word) and _has_case_of_a_word(word) for word in words)
        and any(len(word) >= _LEAST_LETTERS for word in words)
    )


def _has_case_of_a_word(word: str) -> bool:
    return word.islower() or word.isupper() or word[1:].islower()
