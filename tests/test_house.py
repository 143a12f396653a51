"""The house rules that a review would otherwise repeat: names, sizes, links."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Migrations are written by a command, and keep its form.
SOURCE = sorted(path for path in (ROOT / "src" / "pet").rglob("*.py") if path.parent.name != "migrations")
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def relative(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def test_no_module_is_a_drawer_for_anything() -> None:
    drawers = {"utils.py", "helpers.py", "common.py", "base.py"}
    assert relative([path for path in SOURCE if path.name in drawers]) == []


def test_no_file_is_two_things() -> None:
    assert relative([path for path in SOURCE if len(path.read_text().splitlines()) > 400]) == []


def test_links_in_documents_lead_somewhere() -> None:
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in DOCUMENTS
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text())
        if not re.match(r"[a-z]+:|#", target) and not (path.parent / target.partition("#")[0]).exists()
    ]
    assert broken == []


def test_documents_are_looked_at() -> None:
    assert {"README.md", "CHANGELOG.md", "docs/settings.md"} <= {*relative(DOCUMENTS)}
