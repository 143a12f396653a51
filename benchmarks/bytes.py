"""Bytes of one track: ranges and whole files from PET and its peers, with nginx in front, and to listeners who wait."""

from __future__ import annotations

import io
import random
import socket
import subprocess
import tempfile
import time
import wave
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx
from tests.engines.nginx import documented

from benchmarks.measuring.comparing import Comparison, Goal, Measure, compare
from benchmarks.measuring.downloads import download
from benchmarks.measuring.servers import GO, HOST, PEERS, Server, free_port, node_peer, pet, python_peer, server
from benchmarks.measuring.topics import Plan, main

MIB = 1024 * 1024
FILE_BYTES = 30_000_000
SMOKE_FILE_BYTES = 3_000_000
CONNECTIONS = 32
LISTENERS = 400
SETTLING_SECONDS = 2.0
PASSWORD = "correct horse battery staple"  # noqa: S105 - of nobody
NGINX = "/usr/sbin/nginx"

Fetch = Callable[[Server, str], Mapping[str, float]]

RANGE_GOALS = (
    Goal("PET", "MB/s", "nginx", at_least=0.75),
    Goal("PET", "MB/s", "Go ServeContent", at_least=1.0),
    Goal("PET", "MB/s", "fastify static", at_least=8.0),
)
FILE_GOALS = (
    Goal("PET", "MB/s", "nginx", at_least=0.95),
    Goal("PET", "p99 ms", "nginx", at_most=1.3),
    Goal("PET", "MB/s", "fastify static", at_least=8.0),
)


def bytes_of_a_track(plan: Plan) -> Iterable[Comparison]:
    """Measure ranges and whole files, alone and behind nginx, then the memory of listeners."""
    content = a_track(plan.size(FILE_BYTES, SMOKE_FILE_BYTES))
    ranges = some_ranges(len(content))
    as_range = partial(download, ranges=ranges, seconds=plan.seconds, connections=CONNECTIONS)
    as_whole = partial(download, ranges=(), seconds=plan.seconds, connections=CONNECTIONS)
    of_ranges = f"1 MiB at any place of {len(content) / 1e6:.0f} MB, {CONNECTIONS} connections"
    of_files = f"{len(content) / 1e6:.0f} MB, {CONNECTIONS} connections"
    with everyone(content, with_peers=not plan.is_smoke) as (alone, behind):
        base = "nginx" if "nginx" in alone else "PET"
        for title, found, fetch, sizes, goals in (
            ("Ranges", alone, as_range, of_ranges, RANGE_GOALS),
            ("Whole files", alone, as_whole, of_files, FILE_GOALS),
            ("Ranges, PET behind nginx", behind, as_range, of_ranges, ()),
            ("Whole files, PET behind nginx", behind, as_whole, of_files, ()),
        ):
            if found:
                cases = {name: measured(at, fetch) for name, at in found.items()}
                yield compare(title, cases, rounds=plan.rounds, sizes=sizes, base=base, goals=goals)
    yield slow_listeners(plan, content)


Place = tuple[Server, str]
"""Who serves the track, and at which path."""


def measured(place: Place, fetch: Fetch) -> Measure:
    """Return what measures one place."""
    return lambda: fetch(*place)


@contextmanager
def everyone(content: bytes, *, with_peers: bool) -> Iterator[tuple[dict[str, Place], dict[str, Place]]]:
    """Start PET and its peers with the same track; give those that are asked directly, and those behind nginx."""
    with ExitStack() as stack:
        media = folder(stack)
        track = stack.enter_context(pet(media_url=str(media)))
        path = upload(track, content)
        alone = {"PET": (track, path)}
        behind: dict[str, Place] = {}
        if with_peers:
            public = folder(stack)
            (public / "track.wav").write_bytes(content)
            alone |= {name: (stack.enter_context(peer), "/track.wav") for name, peer in peers(public, stack).items()}
            lending = stack.enter_context(
                pet("PET, lending", media_url=str(media), media_delivery="accel", trusted_proxies=HOST)
            )
            lent = upload(lending, content)
            behind = {
                "nginx": alone["nginx"],
                "X-Accel-Redirect": (stack.enter_context(front("nginx, accel", lending, media, stack)), lent),
                "proxied": (stack.enter_context(front("nginx, proxy", track, media, stack)), path),
            }
        yield alone, behind


def peers(public: Path, stack: ExitStack) -> dict[str, AbstractContextManager[Server]]:
    """Return the peers, not yet started, which serve a folder with the track."""
    files = (PEERS / "nginx" / "files.conf").read_text().replace("FOLDER", str(public))
    program = folder(stack) / "files"
    environment = {"FILE": str(public / "track.wav")}
    build = [str(GO), "build", "-o", str(program), "."]
    cache = {"GOCACHE": str(folder(stack)), "GOPATH": str(folder(stack)), "PATH": "/usr/bin:/bin"}
    subprocess.run(build, cwd=PEERS / "go", env=cache, check=True)  # noqa: S603
    port = free_port()
    return {
        "nginx": nginx("nginx", files, folder(stack)),
        "Go ServeContent": server("Go", [program], port, environment=environment | {"PORT": str(port)}),
        "fastify static": node_peer("fastify", "files.js", FOLDER=str(public)),
        "Starlette FileResponse": python_peer("Starlette", "files:app", **environment),
    }


def nginx(name: str, configuration: str, at: Path) -> AbstractContextManager[Server]:
    """Run nginx with a `server` block that listens on `PORT`."""
    port = free_port()
    (at / "server.conf").write_text(configuration.replace("PORT", str(port)))
    (at / "nginx.conf").write_text((PEERS / "nginx" / "around.conf").read_text())
    return server(name, [NGINX, "-p", at, "-c", "nginx.conf", "-e", "stderr"], port)


def front(name: str, service: Server, media: Path, stack: ExitStack) -> AbstractContextManager[Server]:
    """Run nginx in front of PET, as the documentation sets it up."""
    at = folder(stack)
    location = documented("pet-media.conf for a folder").replace("/var/lib/pet/media/", f"{media}/")
    (at / "pet-media.conf").write_text(location)
    block = documented("server").replace("listen 80;", f"listen {HOST}:PORT;")
    return nginx(name, block.replace("http://127.0.0.1:3000", service.url("")), at)


def upload(service: Server, content: bytes) -> str:
    """Upload the track by someone of its own, and return its path."""
    with httpx.Client(base_url=service.url(""), timeout=60) as client:
        person = {"email": "one@example.com", "username": "one", "password": PASSWORD, "role": "musician"}
        registered = client.post("/auth/register", json=person).raise_for_status().json()
        uploaded = client.post(
            "/media/upload/track",
            files={"file": ("track.wav", content)},
            data={"userId": registered["user"]["id"]},
            headers={"Authorization": f"Bearer {registered['accessToken']}"},
        )
        return f"/media/track/{uploaded.raise_for_status().json()['file']['fileId']}"


def slow_listeners(plan: Plan, content: bytes) -> Comparison:
    """Measure how much memory PET keeps for each listener who has asked for the whole track and does not read."""
    count = plan.size(LISTENERS, 20)

    def kept() -> Mapping[str, float]:
        with ExitStack() as stack:
            service = stack.enter_context(pet(connections_per_address="1000"))
            request = f"GET {upload(service, content)} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
            listen(service, request, 20, stack)  # what is loaded once does not count
            before = service.resident_bytes()
            listen(service, request, count, stack)
            return {"KB a listener": (service.resident_bytes() - before) / count / 1000}

    sizes = f"{count} who asked for {len(content) / 1e6:.0f} MB and do not read"
    goals = (Goal("PET", "KB a listener", at_most=64.0),)
    return compare("Memory for listeners", {"PET": kept}, rounds=1, sizes=sizes, goals=goals)


def listen(service: Server, request: bytes, count: int, stack: ExitStack) -> None:
    """Open connections that ask, and read no more than the first byte."""
    for _ in range(count):
        listener = stack.enter_context(socket.create_connection((HOST, service.port)))
        listener.sendall(request)
        listener.recv(1)
    time.sleep(SETTLING_SECONDS)


def a_track(size_bytes: int) -> bytes:
    """Return noise in stereo, as a WAV file of about this size."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setparams((2, 2, 44_100, 0, "NONE", ""))
        writer.writeframes(random.Random(1).randbytes(size_bytes // 4 * 4))  # noqa: S311
    return buffer.getvalue()


def some_ranges(size_bytes: int) -> list[str]:
    """Return ranges of a mebibyte from any place: the first byte is among them as often as a start of the track is."""
    chance = random.Random(2)  # noqa: S311
    starts = [0, *(chance.randrange(size_bytes - MIB) for _ in range(99))]
    return [f"bytes={start}-{start + MIB - 1}" for start in starts]


def folder(stack: ExitStack) -> Path:
    """Return a folder that goes with the stack."""
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pet-bench-")))


if __name__ == "__main__":
    main("bytes", bytes_of_a_track)
