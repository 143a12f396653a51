"""How texts are compared, and how long they may be."""

from __future__ import annotations

import pytest

from pet.domain.errors import Invalid
from pet.domain.texts import (
    MAX_SEARCH_KEY,
    checked_tags,
    checked_text,
    identity_key,
    search_key,
    search_words,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann", "aNN"),
        ("STRASSE", "straße"),
        ("\uff41nn", "ann"),
        ("ﬁn", "fin"),
        ("Ёж", "ёЖ"),
        ("e\u0301", "\u00e9"),
    ],
    ids=ascii,
)
def test_identities_that_are_the_same(one: str, other: str) -> None:
    assert identity_key(one) == identity_key(other)


def test_identities_that_differ_by_a_diacritic_are_two() -> None:
    assert identity_key("zoë") != identity_key("zoe")


@pytest.mark.parametrize("make", [identity_key, search_key])
def test_what_no_store_can_compare_becomes_what_no_name_holds(make: object) -> None:
    assert callable(make)
    assert [make(text) for text in ("a\0b", "\ud800", "\udfff")] == ["a\ufffdb", "\ufffd", "\ufffd"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Zoë", "zoe"),
        ("ЁЛКА", "елка"),
        ("Ångström", "angstrom"),
        ("İ", "i"),
        ("\uff2e\uff36", "nv"),
        ("🎸", "🎸"),
        ("", ""),
    ],
    ids=ascii,
)
def test_a_search_ignores_case_and_diacritics(text: str, key: str) -> None:
    assert search_key(text) == key


def test_a_search_key_is_bounded_as_the_words_are() -> None:
    text = "\u337f" * 100
    assert len(search_key(text)) == MAX_SEARCH_KEY
    assert search_words("ann", text) == {"ann", search_key(text)}


@pytest.mark.parametrize(
    ("username", "display_name", "words"),
    [
        ("Ann.B-1", None, {"ann.b-1"}),
        ("ann", "", {"ann"}),
        ("ann", " !?— ", {"ann"}),
        ("ann", "Zoë O'Brien-Smith", {"ann", "zoe", "o", "brien", "smith"}),
        ("ann", "Ann ANN ann", {"ann"}),
        ("ann", "DJ 🎸 snake_case 2", {"ann", "dj", "snake_case", "2"}),
        ("ann", "Мария\u00a0Ёлкин", {"ann", "мария", "елкин"}),
    ],
)
def test_a_person_is_found_by_username_and_words(username: str, display_name: str | None, words: set[str]) -> None:
    assert search_words(username, display_name) == words


def test_a_word_with_vowel_marks_stays_one() -> None:
    assert search_words("ann", "हिन्दी") == {"ann", search_key("हिन्दी")}


@pytest.mark.parametrize(
    ("value", "text"), [("  Ann  ", "Ann"), ("", None), (" \t\n ", None), ("a b", "a b"), ("🎸" * 5, "🎸" * 5)]
)
def test_a_text_is_trimmed_and_blank_is_none(value: str, text: str | None) -> None:
    assert checked_text(value, field="bio", limit=5) == text


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("123456", "bio must be at most 5 characters long."),
        ("a\nb", "bio must not contain control characters."),
        ("a\0b", "bio must not contain control characters."),
        ("\x7f", "bio must not contain control characters."),
        ("\x9b", "bio must not contain control characters."),
        ("\ud800", "bio must not contain control characters."),
    ],
    ids=ascii,
)
def test_a_text_is_refused_with_a_sentence_that_names_the_field(value: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refusal:
        checked_text(value, field="bio", limit=5)
    assert (refusal.value.message, refusal.value.field) == (sentence, "bio")


def test_a_text_of_many_lines_may_have_line_breaks_and_no_other_control() -> None:
    assert checked_text("a\r\n\tb", field="bio", limit=9, multiline=True) == "a\r\n\tb"
    with pytest.raises(Invalid):
        checked_text("a\0b", field="bio", limit=9, multiline=True)


def test_tags_are_trimmed_without_blanks_and_doubles_in_their_order() -> None:
    assert checked_tags([" rock ", "", "jazz", "rock", "Rock"], field="genres") == ("rock", "jazz", "Rock")


@pytest.mark.parametrize("values", [["x"] * 21, ["x" * 51], ["a\nb"]], ids=["many", "long", "control"])
def test_tags_are_refused(values: list[str]) -> None:
    with pytest.raises(Invalid) as refusal:
        checked_tags(values, field="genres")
    assert refusal.value.field == "genres"


def test_twenty_tags_of_fifty_characters_are_kept() -> None:
    tags = [f"{number:050}" for number in range(20)]
    assert checked_tags(tags, field="genres") == tuple(tags)
