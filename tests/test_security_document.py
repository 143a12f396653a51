"""`SECURITY.md`: every threat has a row, and every row names tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

THREATS = (
    "Writes without a token, REST",
    "Writes without a token, GraphQL",
    "Cross-user writes",
    "IDOR",
    "Token attacks: `none`, key confusion, `kid` injection, stripped signature, expired, future, foreign issuer",
    "Token attacks: refresh token as access token",
    "User enumeration by text, status and time",
    "Login brute force: REST, GraphQL aliases, batches, WebSockets, many addresses",
    "refresh races",
    "Stored XSS as served",
    "Stored XSS in the pages",
    "CSRF by form and multipart",
    "Host header injection",
    "Path traversal",
    "Homoglyph and case variants of names and emails",
    "Mass assignment: `role`, `stats`, `userId`",
    "Request smuggling",
    "Slow clients",
    "Secrets in logs",
)
"""What the table has at least."""


class Row(NamedTuple):
    """A row of the table; tests are `path::function`."""

    threat: str
    defence: str
    tests: list[str]


def table() -> list[Row]:
    """Return the rows of the one table."""
    lines = [line for line in (ROOT / "SECURITY.md").read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["Threat", "Defence", "Tests"]
    return [Row(threat, defence, re.findall(r"`([^`]+)`", tests)) for threat, defence, tests in cells[2:]]


@cache
def functions_of(path: Path) -> frozenset[str]:
    """Return the tests at the top of a module; what is skipped or expected to fail proves nothing."""
    return frozenset(
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_excused(node)
    )


def _is_excused(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(re.search(r"\bmark\.(skip|skipif|xfail)\b", ast.unparse(item)) for item in node.decorator_list)


@pytest.mark.parametrize("row", table(), ids=lambda row: row.threat)
def test_every_threat_names_a_defence_and_tests_that_exist(row: Row) -> None:
    assert row.threat
    assert row.defence
    assert row.tests
    for test in row.tests:
        path, separator, function = test.partition("::")
        assert separator, test
        assert function.startswith("test_"), test
        assert (ROOT / path).is_file(), test
        assert function in functions_of(ROOT / path), test


def test_every_kind_of_threat_has_a_row() -> None:
    threats = [row.threat for row in table()]
    assert [kind for kind in THREATS if not any(kind in threat for threat in threats)] == []
    assert len(set(threats)) == len(threats)


def test_every_module_of_threats_stands_in_the_table() -> None:
    named = {test.partition("::")[0] for row in table() for test in row.tests}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "threats").glob("test_*.py")}
    assert modules <= named
