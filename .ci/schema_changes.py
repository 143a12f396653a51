"""Fail on a change of schema.graphql that breaks clients, unless CHANGELOG.md says so in the same words.

Compared is the work tree with the main that it grew from: where it parted from origin/main or main, and on main itself
the commit before. A clone without that history has nothing to compare with, and passes.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from graphql import build_schema, find_breaking_changes

SCHEMA, CHANGELOG = "schema.graphql", "CHANGELOG.md"
MAINS = ("origin/main", "main")


def git(*arguments: str) -> str | None:
    """Return what git prints; None where it fails, or is not there."""
    try:
        done = subprocess.run(("git", *arguments), capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def base() -> str | None:
    """Return the commit to compare with."""
    head = git("rev-parse", "HEAD")
    parted = (git("merge-base", "HEAD", main) for main in MAINS)
    return next((commit for commit in parted if commit and commit != head), None) or git("rev-parse", "HEAD^")


def unnamed(old: str, new: str, changelog: str) -> list[str]:
    """Return the breaking changes that the changelog does not name."""
    told = changelog.replace("`", "")
    changes = find_breaking_changes(build_schema(old), build_schema(new))
    return [change.description for change in changes if change.description.rstrip(".") not in told]


def main() -> int:
    """Compare, and return the exit status."""
    commit = base()
    old = git("show", f"{commit}:{SCHEMA}") if commit else None
    if old is None:
        print(f"{SCHEMA}: there is no earlier version to compare with.")
        return 0
    found = unnamed(old, Path(SCHEMA).read_text(encoding="utf-8"), Path(CHANGELOG).read_text(encoding="utf-8"))
    for description in found:
        print(f"{SCHEMA} breaks clients of {commit:.10}: {description}")
    if found:
        print(f"Deprecate instead; or, if it must be, write each of these sentences into {CHANGELOG}.")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
