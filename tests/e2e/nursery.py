"""A program that starts `pet serve` again and again, each time in a fraction of a second: as a fork with all imported.

It reads lines from standard input, each a JSON object of environment variables; for each it starts a server, writes
its process id, waits until it is gone, and writes an empty line.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys

ONE_MACHINE = ("pet.rest_compat", "pet.schema", "pet.security", "pet.storage.blobs", "pet.storage.sql")
IMPORTED_LATE = ("aiosqlite", "pet.app", "pet.server", "uvicorn.lifespan.off", "uvloop")


def import_all() -> None:
    """Import what a server on one machine needs, as far as it does not start anything."""
    for name in IMPORTED_LATE:
        importlib.import_module(name)
    for name in ONE_MACHINE:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(module.name)


def run() -> None:
    """Start one server after the other."""
    from pet.cli import main  # noqa: PLC0415 - with all else

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.environ.update(json.loads(line))
            main(["serve"])
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        os.waitpid(child, 0)
        sys.stdout.write("\n")
        sys.stdout.flush()


if __name__ == "__main__":
    import_all()
    run()
