"""What a complete list costs: everyone in one array, a hundred thousand people, and what others wait for meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

from benchmarks.measuring import network
from benchmarks.measuring.comparing import Comparison, Goal, compare
from benchmarks.measuring.databases import filled, postgres
from benchmarks.measuring.load import Request, ask
from benchmarks.measuring.network import Network, user_id
from benchmarks.measuring.servers import HOST, Server, node_peer, pet
from benchmarks.measuring.topics import Plan, main
from pet.storage.sql.database import apply_migrations

EVERYONE = "/users"
FOLLOWS_EACH = 3
PUBLIC_URL = "http://localhost:3000"
PAUSE_SECONDS = 0.005
"""Between two of the small requests that are made meanwhile."""


def lists(plan: Plan) -> Iterator[Comparison]:
    """Compare the whole list, then what another request takes while it is sent."""
    size = Network(plan.size(100_000, 1_000), follows_each=FOLLOWS_EACH)
    with ExitStack() as stack:
        people = filled(stack.enter_context(postgres()), "lists", size)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pet-bench-lists-"))
        fill_sqlite(Path(folder) / "pet.sqlite3", size)
        servers = [
            stack.enter_context(pet("PET, PostgreSQL", database_url=people.url, public_url=PUBLIC_URL)),
            stack.enter_context(pet("PET, SQLite", data_dir=folder, public_url=PUBLIC_URL)),
        ]
        if not plan.is_smoke:
            fastify = node_peer(
                "fastify + pg",
                "lists.mjs",
                ready="/users/nobody/profile",
                DATABASE_URL=people.url,
                PUBLIC_URL=PUBLIC_URL,
            )
            servers.append(stack.enter_context(fastify))
        require_equal(servers)
        yield whole_lists(plan, servers, size)
        yield others_meanwhile(plan, servers, size)


def fill_sqlite(path: Path, size: Network) -> None:
    """Put the same network into a file."""
    asyncio.run(apply_migrations(f"sqlite://{path}"))
    with closing(sqlite3.connect(path)) as file:
        for table, columns, rows in network.TABLES:
            names = columns.split()
            values = ", ".join("?" * len(names))
            file.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values})", rows(size))
        file.commit()
        file.execute("ANALYZE")


def require_equal(servers: list[Server]) -> None:
    """See to it that all give the same bytes. Every server has answered once then, so it is as large as it gets."""
    bodies = {ask(server, Request(EVERYONE)).body for server in servers}
    if len(bodies) != 1:
        raise RuntimeError("The lists differ.")


def whole_lists(plan: Plan, servers: list[Server], size: Network) -> Comparison:
    """Compare how long the list takes, when it begins, and how much memory it takes beyond what is held anyway."""
    goals = [
        Goal("PET, PostgreSQL", "s", to="fastify + pg", at_most=0.6),
        *(Goal(name, "MB more", at_most=5) for name in ("PET, PostgreSQL", "PET, SQLite")),
        *(Goal(name, "first byte ms", at_most=20) for name in ("PET, PostgreSQL", "PET, SQLite")),
    ]
    cases = {server.name: partial(whole_list, server) for server in servers}
    base = servers[-1].name
    return compare("Everyone as one array", cases, rounds=plan.rounds, sizes=str(size), base=base, goals=goals)


def whole_list(server: Server) -> Mapping[str, float]:
    """Read the list once."""
    server.forget_peak()
    held, used, began = server.peak_bytes(), server.cpu_seconds(), time.perf_counter()
    with closing(HTTPConnection(HOST, server.port, timeout=600)) as connection:
        connection.request("GET", EVERYONE)
        answer = connection.getresponse()
        first = time.perf_counter()
        received = read_away(answer)
    taken = time.perf_counter() - began
    return {
        "s": taken,
        "first byte ms": (first - began) * 1000,
        "MB": received / 1_000_000,
        "MB more": (server.peak_bytes() - held) / 1_000_000,
        "CPU s": server.cpu_seconds() - used,
    }


def others_meanwhile(plan: Plan, servers: list[Server], size: Network) -> Comparison:
    """Compare what reading one profile takes while somebody reads the list, again and again."""
    goals = [Goal(name, "p99 ms", at_most=15) for name in ("PET, PostgreSQL", "PET, SQLite")]
    person = Request(f"/users/{user_id(size.profiles // 2)}/profile")
    cases = {server.name: partial(meanwhile, server, person, plan.seconds) for server in servers}
    title = "One profile, while somebody reads everyone"
    return compare(title, cases, rounds=plan.rounds, sizes=str(size), base=servers[-1].name, goals=goals)


def meanwhile(server: Server, request: Request, seconds: float) -> Mapping[str, float]:
    """Ask for something small again and again while a process of its own reads the list all the time."""
    command = ["wrk", "-t1", "-c1", "-d600s", "--timeout", "60s", server.url(EVERYONE)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as reading:  # noqa: S603
        time.sleep(PAUSE_SECONDS)
        waits = list(ask_again_and_again(server, request, seconds))
        reading.kill()
    cuts = statistics.quantiles(waits, n=100, method="inclusive")
    return {"p50 ms": cuts[49], "p99 ms": cuts[98], "worst ms": max(waits)}


def ask_again_and_again(server: Server, request: Request, seconds: float) -> Iterator[float]:
    """Give how many milliseconds each answer took."""
    until = time.perf_counter() + seconds
    with closing(HTTPConnection(HOST, server.port, timeout=600)) as connection:
        while (began := time.perf_counter()) < until:
            connection.request(request.method, request.path)
            connection.getresponse().read()
            yield (time.perf_counter() - began) * 1000
            time.sleep(PAUSE_SECONDS)


def read_away(answer: HTTPResponse) -> int:
    """Read an answer to its end, keep nothing of it, and return how long it was."""
    piece, received = bytearray(256 * 1024), 0
    while count := answer.readinto(piece):
        received += count
    return received


if __name__ == "__main__":
    main("lists", lists)
