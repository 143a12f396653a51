"""Run topics one after the other, each in a process of its own: `python -m benchmarks.run [topic...] [options]`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOPICS = ("bytes", "rest", "graphql", "lists", "uploads", "feed", "logins", "scale", "footprint")
"""In the order of `docs/performance.md`; each is a module beside this one."""

HERE = Path(__file__).parent


def main(arguments: list[str]) -> int:
    """Run the topics that are named, or all; options go to each of them. Return how many failed."""
    named = [word for word in arguments if not word.startswith("-")]
    options = [word for word in arguments if word.startswith("-")]
    written = [topic for topic in TOPICS if (HERE / f"{topic}.py").exists()]
    failed = 0
    for topic in named or written:
        command = [sys.executable, "-m", f"benchmarks.{topic}", *options]
        failed += subprocess.run(command, cwd=HERE.parent, check=False).returncode != 0  # noqa: S603
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
