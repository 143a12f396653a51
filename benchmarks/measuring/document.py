"""The tables of `docs/performance.md`, made from the results that are kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from benchmarks.measuring.comparing import Spread, shown

GOALS = "goals"
"""The mark of the table of all goals; the other marks are the topics' names."""

_BETWEEN_MARKS = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_tables(document: str, topics: Mapping[str, Any]) -> str:
    """Return a document with the tables of the results between its marks: `<!-- measured: rest -->` to `<!-- end -->`.

    Args:
        document: Markdown.
        topics: the results that are kept, by topic.
    """

    def filled(match: re.Match[str]) -> str:
        mark = match[2]
        text = _goals(topics) if mark == GOALS else _topic(topics[mark]) if mark in topics else "Not measured yet.\n"
        return f"{match[1]}\n{text}\n{match[3]}"

    return _BETWEEN_MARKS.sub(filled, document)


def _topic(topic: Mapping[str, Any]) -> str:
    machine = topic["machine"]
    where = (
        f"Measured on {machine['cores']} cores of {machine['processor']}, {machine['memory']}, {machine['system']}.\n"
    )
    return "\n".join([where, *map(_comparison, topic["comparisons"])])


def _comparison(comparison: Mapping[str, Any]) -> str:
    """Return a table: what was measured of the base, and the ratios of the others to it."""
    base, cases = comparison["base"], comparison["cases"]
    figures = list(cases[base])
    said = f"**{comparison['title']}** ({comparison['sizes']}; {comparison['rounds']} rounds)"
    rows = [["", *figures], ["---"] * (len(figures) + 1)]
    rows.append([base, *(f"1 = {shown(cases[base][figure]['value'][0])}" for figure in figures)])
    for case in (name for name in cases if name != base):
        rows += [[case, *(str(Spread(*cases[case][figure]["ratio"])) for figure in figures)]]
    return f"{said}\n\n{_table(rows)}"


def _goals(topics: Mapping[str, Any]) -> str:
    rows = [["what", "goal", "found", ""], ["---"] * 4]
    for topic in topics.values():
        for comparison in topic["comparisons"]:
            for goal in comparison["goals"]:
                outcome = "reached" if goal["is_reached"] else "missed"
                rows.append([comparison["title"], goal["goal"], str(Spread(*goal["found"])), outcome])
    return _table(rows) if len(rows) > 2 else "Not measured yet.\n"


def _table(rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n".replace("|  |", "| |") for row in rows)
