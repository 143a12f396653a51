"""GraphQL over HTTP: a list of 50 profiles with 12 values each, and one profile, beside other GraphQL servers.

All read the same rows of the same PostgreSQL and give the same `data`, which is looked at before anything is measured.
The list is also asked of people who are in memory, where the executors are nearly alone.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg
import orjson

from benchmarks.measuring import network
from benchmarks.measuring.comparing import Comparison, Goal, compare
from benchmarks.measuring.databases import filled, postgres
from benchmarks.measuring.load import Request, ask, load
from benchmarks.measuring.network import Network, user_id
from benchmarks.measuring.servers import Server, node_peer, pet, python_peer
from benchmarks.measuring.topics import Plan, main
from pet.storage.sql.database import apply_migrations

PAGE = 50
DIFFERENT = 100
"""So many different profiles are asked for in turn."""

PET, INTERPRETED, EMBEDDED = "PET", "PET by graphql-core", "PET on SQLite"
MERCURIUS, YOGA, POSTGRAPHILE, STRAWBERRY = (
    "mercurius with JIT and pg",
    "graphql-yoga and pg",
    "PostGraphile 5",
    "plain Strawberry and asyncpg",
)

VALUES = """
  userId username displayName role isPrivate bio location genres instruments createdAt
  stats { tracksCount followersCount }
"""
LIST = f"query ($first: Int!) {{ profiles(first: $first) {{ edges {{ node {{ {VALUES} }} }} }} }}"
ONE = f"query ($id: ID!) {{ profile(by: {{userId: $id}}) {{ {VALUES} }} }}"
POSTGRAPHILE_LIST = (
    "query ($first: Int!) { profiles: allProfiles(first: $first, orderBy: CREATED_MS_DESC)"
    f" {{ edges {{ node {{ {VALUES} }} }} }} }}"
)
POSTGRAPHILE_ONE = f"query ($id: String!) {{ profile: profileByUserId(userId: $id) {{ {VALUES} }} }}"

VIEW = """
CREATE SCHEMA peers;
CREATE TYPE peers.profile_stats AS (tracks_count int, followers_count int);
CREATE VIEW peers.profile AS SELECT
    user_id, username, display_name, role, is_private, bio, location,
    genres::jsonb AS genres, instruments::jsonb AS instruments, created_ms,
    to_char(to_timestamp(created_ms / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created_at,
    ROW(tracks, followers)::peers.profile_stats AS stats
FROM profile;
COMMENT ON VIEW peers.profile IS E'@primaryKey user_id';
"""
"""PET's profiles in PET's shape, of which PostGraphile makes its schema."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is asked of each server: PET's way, and PostGraphile's, which names its fields by itself."""

    title: str
    ours: str
    postgraphiles: str
    variables: Sequence[Mapping[str, object]]

    def requests(self, server: Server) -> list[Request]:
        """Return the requests for a server."""
        text = self.postgraphiles if server.name == POSTGRAPHILE else self.ours
        return [
            Request(
                "/graphql",
                "POST",
                {"Content-Type": "application/json"},
                orjson.dumps({"query": text, "variables": given}),
            )
            for given in self.variables
        ]


def graphql(plan: Plan) -> Iterator[Comparison]:
    """Compare a list in memory, then a list and single profiles from the database."""
    yield _in_memory(plan)
    size = Network(plan.size(10_000, smoke=100), tracks_each=0, follows_each=5)
    step = size.profiles // DIFFERENT
    works = (
        Work(f"A list of {PAGE} profiles with 12 values each", LIST, POSTGRAPHILE_LIST, [{"first": PAGE}]),
        Work(
            "One profile with 12 values",
            ONE,
            POSTGRAPHILE_ONE,
            [{"id": user_id(number * step)} for number in range(DIFFERENT)],
        ),
    )
    with ExitStack() as stack:
        servers = list(_servers(stack, size, plan))
        for work, (of_mercurius, of_postgraphile) in zip(works, ((1.2, 5), (0.9, 5)), strict=True):
            goals = [
                Goal(PET, "requests/s", MERCURIUS, at_least=of_mercurius),
                Goal(PET, "requests/s", POSTGRAPHILE, at_least=of_postgraphile),
            ]
            yield _compared(plan, servers, work, goals, sizes=f"{size}; over HTTP, 32 connections")


def _compared(
    plan: Plan, servers: Sequence[Server], work: Work, goals: Sequence[Goal] = (), *, sizes: str
) -> Comparison:
    """Load the servers in turn, once all have given the data of the first; ratios are to that."""
    _require_the_same(servers, work)
    measured = partial(load, seconds=plan.seconds, connections=plan.size(32, smoke=2))
    return compare(
        work.title,
        {server.name: partial(measured, server, work.requests(server)) for server in servers},
        rounds=plan.rounds,
        sizes=sizes,
        base=servers[0].name,
        goals=goals,
        figures=["requests/s", "CPU us", "p99 ms"],
    )


def _in_memory(plan: Plan) -> Comparison:
    work = Work(f"{PAGE} profiles with 12 values each, from memory", LIST, LIST, [{"first": plan.size(PAGE, smoke=2)}])
    with ExitStack() as stack:
        start = stack.enter_context
        servers = [
            start(python_peer("plain Strawberry", "memory_strawberry:app")),
            start(python_peer("Strawberry, compiled", "memory_strawberry:compiled_app")),
            start(python_peer("the same behind a plain route", "memory_strawberry:bare_app")),
        ]
        if not plan.is_smoke:
            people = {"PEOPLE": "./memory.mjs"}
            servers += [
                start(node_peer("mercurius", "mercurius.mjs", JIT="0", **people)),
                start(node_peer("mercurius with JIT", "mercurius.mjs", JIT="1", **people)),
                start(node_peer("graphql-yoga", "yoga.mjs", **people)),
            ]
        return _compared(plan, servers, work, sizes="over HTTP, 32 connections")


def _servers(stack: ExitStack, size: Network, plan: Plan) -> Iterator[Server]:
    """Start all servers: PET first."""
    database = filled(stack.enter_context(postgres()), "graphql", size)
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pet-bench-"))
    embedded = _sqlite(Path(folder) / "pet.sqlite3", size)
    start = stack.enter_context
    yield start(pet(PET, database_url=database.url))
    yield start(pet(INTERPRETED, database_url=database.url, graphql_executor="graphql-core"))
    yield start(pet(EMBEDDED, database_url=embedded))
    if plan.is_smoke:
        return
    asyncio.run(_execute(database.url, VIEW))
    for name, script in ((MERCURIUS, "mercurius.mjs"), (YOGA, "yoga.mjs"), (POSTGRAPHILE, "postgraphile.mjs")):
        yield start(node_peer(name, script, DATABASE_URL=database.url, JIT="1"))
    yield start(python_peer(STRAWBERRY, "plain_strawberry:app", DATABASE_URL=database.url))


def _require_the_same(servers: Sequence[Server], work: Work) -> None:
    """See that every server gives the data of the first, and no error."""
    for request in range(0, len(work.variables), 10):
        answers = {server.name: ask(server, work.requests(server)[request]).body for server in servers}
        wanted = orjson.loads(answers[servers[0].name])
        assert "errors" not in wanted, wanted
        for name, answer in answers.items():
            assert orjson.loads(answer or b"{}").get("data") == wanted["data"], (name, answer[:1000])


def _sqlite(path: Path, size: Network) -> str:
    """Make the same database as a file, and return its URL."""
    url = f"sqlite://{path}"
    asyncio.run(apply_migrations(url))
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, columns, rows in network.TABLES:
            names = columns.split()
            places = ", ".join("?" * len(names))
            connection.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})", rows(size))
        connection.execute("ANALYZE")
    return url


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


if __name__ == "__main__":
    main("graphql", graphql)
