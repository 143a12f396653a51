"""Who may do what: the owner and admins; and that nobody decides it elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pet
from pet.domain.errors import Forbidden
from pet.domain.ids import UserId
from pet.domain.permissions import may_act_for, owns, require_acting_for, require_auditor
from pet.domain.viewers import Role, Viewer

ANN = UserId("ann")
OWNER, OTHER, ADMIN = (
    Viewer(ANN, Role.MUSICIAN),
    Viewer(UserId("bob"), Role.LISTENER),
    Viewer(UserId("root"), Role.ADMIN),
)
SOURCE = Path(pet.__file__).parent

DECIDED_HERE = {"domain/permissions.py", "domain/viewers.py", "domain/visibility.py"}
DECISIONS = {
    "a role": re.compile(r"\.is_admin\b|\bis (?:not )?Role\.ADMIN|== Role\.ADMIN"),
    "whose it is": re.compile(
        r"(?:\.user_id|owner_id|user_id) (?:==|!=) (?:\w+\.)*viewer\.user_id|viewer\.user_id (?:==|!=)"
    ),
    "a profile's privacy with a viewer's standing": re.compile(
        r"is_private and .*FOLLOWING|FOLLOWING.* and .*is_private"
    ),
}
THEMSELVES = {
    "domain/blocks.py": "nobody blocks themselves",
    "domain/follows.py": "nobody follows themselves; a block refuses in its own words",
    "context.py": "whoever names themselves acts as themselves, without a look at the account",
}
"""Where a viewer is compared with somebody else for another reason than what they may do or see."""


@pytest.mark.parametrize(
    ("viewer", "is_owner", "may_act"),
    [(None, False, False), (OWNER, True, True), (OTHER, False, False), (ADMIN, False, True)],
)
def test_the_owner_acts_and_admins_in_their_place(viewer: Viewer | None, is_owner: bool, may_act: bool) -> None:
    assert owns(viewer, ANN) is is_owner
    assert may_act_for(viewer, ANN) is may_act


def test_whoever_may_not_act_is_refused_in_the_words_of_the_place() -> None:
    for viewer in (OWNER, ADMIN):
        require_acting_for(viewer, ANN, "Not yours.")
    with pytest.raises(Forbidden, match=r"Not yours\.") as refused:
        require_acting_for(OTHER, ANN, "Not yours.", field="fileId")
    assert refused.value.field == "fileId"


def test_the_bookkeeping_is_for_admins() -> None:
    require_auditor(ADMIN)
    for viewer in (OWNER, OTHER):
        with pytest.raises(Forbidden):
            require_auditor(viewer)


@pytest.mark.parametrize("what", DECISIONS)
def test_nobody_else_decides_it(what: str) -> None:
    found = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if any(DECISIONS[what].search(line) for line in path.read_text().splitlines())
    }
    assert found - DECIDED_HERE - THEMSELVES.keys() == set()


def test_the_rule_finds_what_it_looks_for() -> None:
    strays = [
        "if viewer.is_admin:",
        "return file.user_id != viewer.user_id",
        "if view.is_private and state is FOLLOWING:",
    ]
    assert [bool(rule.search(stray)) for rule, stray in zip(DECISIONS.values(), strays, strict=True)] == [True] * 3
