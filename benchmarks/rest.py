"""One profile over REST, read from the database for every request: PET with all of its middleware, and its peers.

The answer holds everyone whom the person follows: PET and its peers read both in one statement, or as Tortoise offers
it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

import orjson

from benchmarks.measuring.comparing import Comparison, Goal, compare
from benchmarks.measuring.databases import fill_file, filled, postgres
from benchmarks.measuring.load import Request, ask, load
from benchmarks.measuring.network import Network, user_id
from benchmarks.measuring.servers import Server, node_peer, pet, python_peer
from benchmarks.measuring.topics import Plan, main

FIGURES = ("requests/s", "p99 ms", "CPU us")
ON_POSTGRES, ON_SQLITE = "PET, PostgreSQL", "PET, SQLite"


def rest(plan: Plan) -> Iterator[Comparison]:
    """Compare on PostgreSQL, then on SQLite."""
    size = Network(plan.size(10_000, 100), follows_each=3)
    requests = [Request(f"/users/{user_id(number * 37 % size.profiles)}/profile") for number in range(100)]
    with ExitStack() as stack:
        url = filled(stack.enter_context(postgres()), "rest", size).url
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pet-bench-rest-")))
        fill_file(folder / "pet.sqlite3", size)
        servers = [stack.enter_context(pet(ON_POSTGRES, database_url=url))]
        if not plan.is_smoke:
            servers += [stack.enter_context(peer) for peer in _peers(url)]
        goals = [
            Goal(ON_POSTGRES, "requests/s", "fastify + pg", at_least=1),
            Goal(ON_POSTGRES, "requests/s", "FastAPI + asyncpg", at_least=3),
        ]
        yield _compared("One profile over REST, PostgreSQL", plan, size, servers, requests, goals)
        servers = [stack.enter_context(pet(ON_SQLITE, data_dir=str(folder)))]
        if not plan.is_smoke:
            tortoise = _tortoise("Starlette + Tortoise, SQLite", f"sqlite://{folder}/pet.sqlite3")
            servers.append(stack.enter_context(tortoise))
        goals = [Goal(ON_SQLITE, "requests/s", "Starlette + Tortoise, SQLite", at_least=4)]
        yield _compared("One profile over REST, SQLite", plan, size, servers, requests, goals)


def _peers(url: str) -> list[AbstractContextManager[Server]]:
    return [
        node_peer("fastify + pg", "profiles_fastify.js", DATABASE_URL=url),
        node_peer("express + pg", "profiles_express.js", DATABASE_URL=url),
        python_peer("FastAPI + asyncpg", "profiles_fastapi:app", DATABASE_URL=url),
        python_peer("Starlette + asyncpg", "profiles_starlette:asyncpg_app", DATABASE_URL=url),
        _tortoise("Starlette + Tortoise, PostgreSQL", url.replace("postgres://", "asyncpg://").partition("?")[0]),
    ]


def _tortoise(name: str, url: str) -> AbstractContextManager[Server]:
    return python_peer(name, "profiles_starlette:tortoise_app", DATABASE_URL=url)


def _compared(
    title: str,
    plan: Plan,
    size: Network,
    servers: Sequence[Server],
    requests: Sequence[Request],
    goals: Sequence[Goal],
) -> Comparison:
    _require_equal(servers, requests[1])
    return compare(
        title,
        {server.name: partial(_loaded, server, requests, plan) for server in servers},
        rounds=plan.rounds,
        sizes=f"{size}, 32 connections",
        goals=goals,
        figures=FIGURES,
    )


def _loaded(server: Server, requests: Sequence[Request], plan: Plan) -> Mapping[str, float]:
    return load(server, requests, seconds=plan.seconds)


def _require_equal(servers: Sequence[Server], request: Request) -> None:
    """See to it that all give the same answer, whatever the order of its fields."""
    first, *others = [orjson.loads(ask(server, request).body) for server in servers]
    for server, other in zip(servers[1:], others, strict=True):
        if other != first:
            raise RuntimeError(f"{server.name} answers {other}, and {servers[0].name} {first}.")


if __name__ == "__main__":
    main("rest", rest)
