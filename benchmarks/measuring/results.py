"""The results that are kept: a JSON file with a part for each topic, from which the documentation's tables are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from benchmarks.measuring.comparing import Comparison


def keep(path: Path, topic: str, machine: Mapping[str, str], comparisons: Sequence[Comparison]) -> None:
    """Put a topic's results in the place of its earlier ones."""
    kept = orjson.loads(path.read_bytes()) if path.exists() else {}
    kept["machine"] = machine
    kept.setdefault("topics", {})[topic] = [comparison.record() for comparison in comparisons]
    path.write_bytes(orjson.dumps(kept, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE))
