"""Run topics one after the other, each in a process of its own: `python -m benchmarks.run [topic...] [options]`.

Options go to each topic (`python -m benchmarks.rest --help`); with `--write` the results are kept in `results.json`,
and `docs/performance.md` shows them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.measuring.document import with_tables
from benchmarks.measuring.results import kept

TOPICS = ("bytes", "rest", "graphql", "lists", "uploads", "feed", "logins", "scale", "footprint")
"""In the order of `docs/performance.md`; each is a module beside this one."""

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
DOCUMENT = HERE.parent / "docs" / "performance.md"


def main(arguments: list[str]) -> int:
    """Run the topics that are named, or all; return how many failed."""
    named = [word for word in arguments if not word.startswith("-")]
    options = [word for word in arguments if word.startswith("-") and word != "--write"]
    if is_written := "--write" in arguments:
        options.append(f"--results={RESULTS}")
    failed = 0
    for topic in named or TOPICS:
        command = [sys.executable, "-m", f"benchmarks.{topic}", *options]
        failed += subprocess.run(command, cwd=HERE.parent, check=False).returncode != 0  # noqa: S603
    if is_written:
        DOCUMENT.write_text(with_tables(DOCUMENT.read_text(), kept_topics()))
    return failed


def kept_topics() -> dict[str, object]:
    """Return the results that are kept, by topic, in the order of the topics."""
    topics = kept(RESULTS)
    return {topic: topics[topic] for topic in TOPICS if topic in topics}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
