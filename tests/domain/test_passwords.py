"""Which passwords are refused."""

from __future__ import annotations

import pytest

from pet.domain.errors import Invalid
from pet.domain.passwords import _common_passwords, check_is_no_name, check_password
from pet.domain.texts import identity_key


@pytest.mark.parametrize(
    "password",
    ["password", "PassWord1", "12345678", "qwertyuiop", "IloveYou", "\uff50\uff41\uff53\uff53word"],
    ids=ascii,
)
def test_the_commonest_are_refused_without_regard_to_case_and_width(password: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check_password(password, field="newPassword")
    sentence = "newPassword is one of the commonest passwords. Please choose another one."
    assert (refusal.value.message, refusal.value.field) == (sentence, "newPassword")


@pytest.mark.parametrize(
    "password", ["correct horse 1", "password123", "securePassword123", "пароль для музыки", "🎵" * 8]
)
def test_others_are_taken_the_legacy_document_s_own_among_them(password: str) -> None:
    check_password(password, field="password")


@pytest.mark.parametrize("password", ["short 1", "x" * 129, "line\nbreak", "null\0byte"], ids=ascii)
def test_what_cannot_be_a_password_is_refused(password: str) -> None:
    with pytest.raises(Invalid):
        check_password(password, field="password")


def test_the_list_has_a_thousand_in_the_form_in_which_they_are_compared() -> None:
    common = _common_passwords()
    assert len(common) == 1000
    assert {identity_key(password) for password in common} == common
    assert min(map(len, common)) >= 8


@pytest.mark.parametrize("password", ["ann.musician", "ANN.Musician", "ann.musician@example.com", "Composer"])
def test_one_s_own_names_are_refused(password: str) -> None:
    names = ("Ann.Musician@example.com", "composer")
    with pytest.raises(Invalid) as refusal:
        check_is_no_name(password, names, field="password")
    assert refusal.value.message == "password must be neither your email nor your username."
    check_is_no_name(f"{password} and more", names, field="password")
