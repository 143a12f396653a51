"""The cast is consistent: whoever is named is there."""

from __future__ import annotations

from pet.demo.people import PEOPLE
from pet.domain.viewers import Role

BY_NAME = {person.username: person for person in PEOPLE}


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len({person.name for person in PEOPLE}) == len(PEOPLE) == 8


def test_everyone_follows_others_who_are_there() -> None:
    for person in PEOPLE:
        assert person.follows
        assert set(person.follows) <= set(BY_NAME) - {person.username}
        assert len(set(person.follows)) == len(person.follows)


def test_one_profile_is_private_and_lets_some_in_who_asked_and_keeps_others_waiting() -> None:
    (private,) = [person for person in PEOPLE if person.is_private]
    asked = {person.username for person in PEOPLE if private.username in person.follows}
    assert set(private.admits) < asked
    assert len(private.admits) > 0
    assert [person.username for person in PEOPLE if person.admits] == [private.username]


def test_musicians_have_albums_and_listeners_have_none() -> None:
    assert all(bool(person.albums) == (person.role is Role.MUSICIAN) for person in PEOPLE)
    assert {person.role for person in PEOPLE} == {Role.MUSICIAN, Role.LISTENER}
