"""What an upload costs: a form with a track, from the first byte that is sent to the answer.

PET takes it in with all checks, looks into it in a worker, makes it last through a crash (`fsync`) and stores its
record. Its peers keep the file and answer. Processor time is that of the server's main process: in PET's case the
worker's time is in the throughput alone. Memory is the most that this process has held beyond what it held when it had
taken in a second of sound: what is made once, at the first upload, is no matter of a stream.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter

import orjson
from tests.media_factory import mp3, wav

from benchmarks.measuring import processes
from benchmarks.measuring.comparing import Comparison, Goal, Measure, compare
from benchmarks.measuring.load import Request, ask
from benchmarks.measuring.servers import HOST, Server, node_peer, pet, python_peer
from benchmarks.measuring.topics import Plan, main

MB = 1024 * 1024
ROUTE = "/media/upload/track"
BOUNDARY = "----WebKitFormBoundarywOAhB8Gpp9BMgrq0"
"""Of a browser: what a parser looks for."""

WAV_BYTES_A_SECOND = 2 * 44_100
STARLETTE, FASTIFY = "Starlette form()", "fastify + multipart"

Clear = Callable[[list[bytes]], None]
"""Removes what some answers tell of, so that the disk is as free and as idle at the next measurement."""


@dataclass(frozen=True, slots=True)
class Taker:
    """A server that takes uploads, the fields and headers that it wants beside the file, and how it is cleared."""

    server: Server
    clear: Clear
    user_id: str = "anyone"
    token: str = ""
    idle: list[int] = field(default_factory=list)

    def idle_bytes(self) -> int:
        """Return what the server holds when it has taken in something small, as it was at the first call."""
        if not self.idle:
            self.clear([upload(self.server, self.form(wav(1.0)))])
            self.server.forget_peak()
            self.idle.append(self.server.peak_bytes())
        return self.idle[0]

    def form(self, content: bytes) -> Request:
        """Return the upload of a file, as a browser sends it."""
        field = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="userId"\r\n\r\n{self.user_id}\r\n'
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="song"\r\n\r\n'
        body = b"".join([field.encode(), head.encode(), content, f"\r\n--{BOUNDARY}--\r\n".encode()])
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Authorization": f"Bearer {self.token}"}
        return Request(ROUTE, "POST", headers, body)


def uploads(plan: Plan) -> Iterator[Comparison]:
    """Compare one upload at a time and several at once, of both kinds of file that musicians have most."""
    size_mb = plan.size(50, 1)
    sound = wav(size_mb * MB / WAV_BYTES_A_SECOND)
    fast = [Goal("PET", "MB/s", to=STARLETTE, at_least=1.5), Goal("PET", "MB/s", to=FASTIFY, at_least=2.0)]
    small = [Goal("PET", "MB a stream", at_most=2.0)]
    tune = mp3(10.0)
    with ExitStack() as stack:
        takers = running(stack, plan)
        for title, content, at_once, goals in (
            ("A WAV, one at a time", sound, 1, fast),
            ("An MP3, one at a time", tune * (size_mb * MB // len(tune)), 1, fast),
            ("A WAV, four at once", sound, 4, [*fast, *small]),
        ):
            cases: dict[str, Measure] = {
                name: partial(measured, taker, content, at_once, plan.size(4, 1)) for name, taker in takers.items()
            }
            yield compare(title, cases, rounds=plan.rounds, sizes=f"{size_mb} MB", base=STARLETTE, goals=goals)


def running(stack: ExitStack, plan: Plan) -> dict[str, Taker]:
    """Start the servers."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pet-bench-")))
    app, where = "uploads:app", {"FOLDER": str(folder), "TMPDIR": str(folder)}
    peers = {STARLETTE: stack.enter_context(python_peer(STARLETTE, app, **where))}
    if not plan.is_smoke:
        for name, script in ((FASTIFY, "uploads-fastify.js"), ("busboy", "uploads-busboy.js")):
            peers[name] = stack.enter_context(node_peer(name, script, **where))
    takers = {name: Taker(server, partial(clear_folder, folder)) for name, server in peers.items()}
    return {"PET": musician(stack.enter_context(pet())), **takers}


def musician(server: Server) -> Taker:
    """Register someone who uploads."""
    person = {"username": "muse", "email": "muse@example.com", "password": "a long password", "role": "musician"}
    sent = Request("/auth/register", "POST", {"Content-Type": "application/json"}, orjson.dumps(person))
    registered = orjson.loads(ask(server, sent).body)
    token = registered["accessToken"]
    return Taker(server, partial(delete_tracks, server, token), registered["user"]["id"], token)


def measured(taker: Taker, content: bytes, at_once: int, each: int) -> dict[str, float]:
    """Upload a file on some connections, some times on each, and return what it took."""
    request, server, idle_bytes = taker.form(content), taker.server, taker.idle_bytes()
    taker.clear([upload(server, request)])  # warm
    os.sync()  # nobody waits for what another has left to be written
    server.forget_peak()
    cpu = processes.own_cpu_seconds(server.pid)
    began = perf_counter()
    with ThreadPoolExecutor(at_once) as senders:
        answers = list(senders.map(lambda _: upload(server, request), range(at_once * each)))
    seconds = perf_counter() - began
    used, peak_bytes = processes.own_cpu_seconds(server.pid) - cpu, server.peak_bytes()
    taker.clear(answers)
    found = {"MB/s": len(content) * len(answers) / MB / seconds, "CPU ms": used / len(answers) * 1000}
    return found | ({"MB a stream": (peak_bytes - idle_bytes) / at_once / MB} if at_once > 1 else {})


def upload(server: Server, request: Request) -> bytes:
    """Send one upload on a connection of its own, and return the answer's body."""
    connection = HTTPConnection(HOST, server.port, timeout=60)
    try:
        connection.request(request.method, request.path, request.body, dict(request.headers))
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return body
    finally:
        connection.close()


def clear_folder(folder: Path, _: list[bytes]) -> None:
    """Remove what peers have kept."""
    for path in folder.iterdir():
        path.unlink()


def delete_tracks(server: Server, token: str, answers: list[bytes]) -> None:
    """Delete the tracks that PET has kept."""
    for answer in answers:
        path = f"/media/track/{orjson.loads(answer)['file']['fileId']}"
        assert ask(server, Request(path, "DELETE", {"Authorization": f"Bearer {token}"})).status == 200


if __name__ == "__main__":
    main("uploads", uploads)
