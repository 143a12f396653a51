"""Texts without a word about their encoding."""

# ruff: noqa: RUF001 - letters that look like others are what this is about

from __future__ import annotations

import pytest

from pet.inspection.mojibake import readable


def read(*contents: bytes) -> list[str]:
    """Return texts that are called Latin-1, read together."""
    return list(readable({str(number): content.decode("latin-1") for number, content in enumerate(contents)}).values())


@pytest.mark.parametrize(
    "texts",
    [
        ["Песня"],
        ["ПЕСНЯ О ДРУГЕ", "Владимир Высоцкий"],
        ["Он и я", "Ария"],
        ["Love & Любовь (live) №5 — «Ёлка»"],
        ["Їжак", "Океан Ельзи"],
    ],
)
def test_windows_1251_is_read_as_such(texts: list[str]) -> None:
    assert read(*(text.encode("cp1251") for text in texts)) == texts


@pytest.mark.parametrize("texts", [["Песня", "Ann"], ["Motörhead"], ["夜に駆ける"], ["Größe"]])
def test_utf_8_is_read_as_such(texts: list[str]) -> None:
    assert read(*(text.encode() for text in texts)) == texts


@pytest.mark.parametrize(
    "texts",
    [
        ["Plain", "Ann"],
        ["Motörhead", "Blue Öyster Cult"],
        ["À la française", "Beyoncé"],
        ["Sigur Rós", "Ágætis byrjun"],
        ["Ænima"],
        ["Hüsker Dü"],
        ["¿Qué? ¡Olé!"],
        ["Ö"],
        ["ÄÖ", "ÜÄ"],
        ["5° à 10°"],
        ["×÷×"],
        ["Pêche à la ligne", "Ïåñíÿ mixÿ"],
    ],
)
def test_latin_1_stays(texts: list[str]) -> None:
    assert read(*(text.encode("latin-1") for text in texts)) == texts


def test_what_is_no_latin_1_stays() -> None:
    assert readable({"title": "Песня", "artist": "Ïåñíÿ"}) == {"title": "Песня", "artist": "Ïåñíÿ"}
