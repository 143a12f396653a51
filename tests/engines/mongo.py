"""A MongoDB for a test session: SecantusDB, which speaks MongoDB's protocol over MongoDB's own storage engine.

Run as a program, it serves from a folder until its standard input ends, which it does however the parent ends.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPLICA_SET = "secantus"

LIFETIME_SECONDS = 5.0
"""After so long a transaction is ended whose process is gone, as `docs/engines/mongodb.md` advises."""


@dataclass(frozen=True, slots=True)
class MongoServer:
    """A running server."""

    port: int
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        """Where it is, without a database: `{url}/name?replicaSet=...` names one."""
        return f"mongodb://127.0.0.1:{self.port}"

    def database(self, name: str, *, port: int | None = None) -> str:
        """Return the URL of a database, through another port where there is a link in between."""
        return f"mongodb://127.0.0.1:{port or self.port}/{name}"

    def kill(self) -> None:
        """Kill it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def mongo_server(folder: Path | None = None, **options: object) -> Iterator[MongoServer]:
    """Start a server, on a folder that stays or on one of its own, until the context is left.

    Args:
        options: those of `SecantusDBServer`: `require_auth`, `replica_set_name` (None for a standalone server),
            `sync_on_commit`, `port`.
    """
    with tempfile.TemporaryDirectory(prefix="pet-mongo-") as own:
        given = {
            "storage_path": str(folder or own),
            "cache_size": "256M",
            "transaction_lifetime_seconds": LIFETIME_SECONDS,
            **options,
        }
        command = [sys.executable, __file__, json.dumps(given)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield MongoServer(int(process.stdout.readline()), process)
            finally:
                process.kill()


@contextmanager
def leftovers_of_the_driver_collected() -> Iterator[None]:
    """Collect the sockets that PyMongo leaves to the garbage collector when it is cancelled while it connects.

    Python complains of them, which would fail whatever test comes next.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def main() -> None:
    """Serve until the standard input ends; the folder of a killed parent goes too."""
    from secantus import SecantusDBServer  # noqa: PLC0415 - the tests that import this module do not need it

    given = json.loads(sys.argv[1])
    server = SecantusDBServer(**given)

    def end_abandoned_transactions() -> None:
        """Do what MongoDB does by itself; this server does it only when it is given another transaction."""
        while True:
            time.sleep(1)
            server.transactions.prune_expired()

    server.start()
    threading.Thread(target=end_abandoned_transactions, daemon=True).start()
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    if Path(given["storage_path"]).name.startswith("pet-mongo-"):
        shutil.rmtree(given["storage_path"], ignore_errors=True)
    os._exit(0)  # stopping in order would take two seconds


if __name__ == "__main__":
    main()
