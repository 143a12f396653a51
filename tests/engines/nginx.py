"""nginx in front of a service, with the very configuration that the documentation gives."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "engines" / "s3.md"
START_SECONDS = 20

_AROUND = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    {temporary}
    include {folder}/server.conf;
}}
"""


def documented(title: str) -> str:
    """Return the block of the documentation whose first line is this comment."""
    blocks: list[str] = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    (found,) = [block for block in blocks if block.startswith(f"# {title}\n")]
    return found


def require_nginx() -> str:
    """Return the path of nginx; skip the test where there is none, but never where CI should have seen to it."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("There is no nginx; `make nginx` installs it.")
    if found is None:
        pytest.skip("There is no nginx; `make nginx` installs it.")
    return found


@contextmanager
def nginx_before(service_port: int, port: int, folder: Path, *, media: Path | None) -> Iterator[None]:
    """Run nginx on a port until the context is left.

    Args:
        service_port: where the service listens on 127.0.0.1.
        folder: an empty folder for nginx.
        media: the service's folder of media; None where they are in a store.
    """
    program = require_nginx()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n    ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    server = documented("server").replace("listen 80;", f"listen 127.0.0.1:{port};")
    server = server.replace("http://127.0.0.1:3000", f"http://127.0.0.1:{service_port}")
    (folder / "server.conf").write_text(server)
    location = documented("pet-media.conf for a folder" if media else "pet-media.conf for a store")
    (folder / "pet-media.conf").write_text(location.replace("/var/lib/pet/media/", f"{media}/"))
    (folder / "nginx.conf").write_text(_AROUND.format(folder=folder, temporary=temporary))
    running = subprocess.Popen(
        [program, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"], stdin=subprocess.DEVNULL
    )
    try:
        _wait_for(running, port, folder / "error.log")
        yield
    finally:
        running.terminate()
        running.wait()


def _wait_for(running: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up = time.monotonic() + START_SECONDS
    while True:
        assert running.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < give_up
            time.sleep(0.02)
        else:
            return
