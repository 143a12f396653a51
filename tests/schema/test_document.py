"""`docs/graphql.md` tells the truth: every code, every limit, every close code."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

from pet.operation_limits import OperationLimits
from pet.schema.errors import STATUS, TOP_LEVEL, RequestCode

DOCUMENT = (Path(__file__).parents[2] / "docs" / "graphql.md").read_text()


def table(heading: str) -> list[list[str]]:
    """Return the rows of the first table under a heading."""
    section = DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in row] for row in rows[2:]]


def test_every_code_is_there_with_the_status_that_rest_gives_it() -> None:
    documented = {code: status for code, status, _, _ in table("Errors")}
    shared = {code.value: str(int(status)) for code, status in STATUS.items()}
    assert documented == shared | {code.value: "" for code in RequestCode}


def test_every_code_says_where_it_appears() -> None:
    places = {code: where for code, _, where, _ in table("Errors")}
    assert {code for code, where in places.items() if where == "errors"} == {*TOP_LEVEL, *RequestCode}
    assert set(places.values()) == {"both", "errors", "userErrors"}


def test_every_limit_is_there_with_its_default() -> None:
    assert {name: int(default) for name, default, _ in table("Limits and cost")} == asdict(OperationLimits())


def test_every_close_code_is_one_that_a_test_waits_for() -> None:
    waited_for = (Path(__file__).parent / "test_sockets.py").read_text()
    codes = [code for code, _ in table("Subscriptions")]
    assert len(codes) == 10
    assert [code for code in codes if not re.search(rf"\b{code}\b", waited_for)] == []
