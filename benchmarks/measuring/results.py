"""The results that are kept: a JSON file with a part for each topic, from which the documentation's tables are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from benchmarks.measuring.comparing import Comparison, Spread


def keep(path: Path, topic: str, machine: Mapping[str, str], comparisons: Sequence[Comparison]) -> None:
    """Put a topic's results in the place of its earlier ones."""
    topics = kept(path)
    topics[topic] = {"machine": machine, "comparisons": [_record(comparison) for comparison in comparisons]}
    path.write_bytes(orjson.dumps(topics, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def kept(path: Path) -> dict[str, Any]:
    """Return the results that are kept, by topic."""
    topics: dict[str, Any] = orjson.loads(path.read_bytes()) if path.exists() else {}
    return topics


def _record(comparison: Comparison) -> dict[str, Any]:
    return {
        "title": comparison.title,
        "sizes": comparison.sizes,
        "rounds": len(next(iter(comparison.rounds.values()))),
        "base": comparison.base,
        "cases": {
            case: {
                figure: {
                    "value": _numbers(comparison.value(case, figure)),
                    "ratio": _numbers(comparison.ratio(case, figure, comparison.base)),
                }
                for figure in comparison.figures
            }
            for case in comparison.rounds
        },
        "goals": [
            {"goal": str(goal), "found": _numbers(found), "is_reached": goal.is_reached(found.median)}
            for goal, found in comparison.outcomes()
        ],
    }


def _numbers(spread: Spread) -> list[float]:
    """Return the median, the least and the most, with the digits that mean something."""
    return [float(f"{number:.4g}") for number in (spread.median, spread.least, spread.most)]
