"""How soon the service answers after its start, what it holds in memory, and what a second process adds."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from functools import partial

from anyio.from_thread import start_blocking_portal
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from benchmarks.measuring.comparing import Comparison, Goal, compare
from benchmarks.measuring.databases import Filled, filled, postgres
from benchmarks.measuring.load import Request, ask, load
from benchmarks.measuring.network import Network, user_id
from benchmarks.measuring.servers import Server, pet
from benchmarks.measuring.topics import Plan, main

MIB = 1024 * 1024
PROMISED = "promised"
LISTENERS = 10
SUBSCRIBE = {"id": "1", "type": "subscribe", "payload": {"query": "subscription { feedActivity { id } }"}}
PASSWORD = "correct horse 1"  # noqa: S105 - of nobody


def footprint(plan: Plan) -> Iterator[Comparison]:
    """Compare starts and memory with what is promised, then two processes with one."""
    with tempfile.TemporaryDirectory(prefix="pet-bench-") as used:
        with pet(data_dir=used):
            pass
        yield compare(
            "From the start to the first answer",
            {
                PROMISED: lambda: {"seconds": 1.5, "CPU seconds": 1.5},
                "existing data": partial(_start, data_dir=used),
                "empty folder": _start,
            },
            rounds=plan.rounds,
            sizes="the embedded default, Python's files in the page cache",
            goals=[Goal("existing data", "seconds", PROMISED, at_most=1)],
        )
    subscriptions = plan.size(1_000, smoke=20)
    yield compare(
        "Memory",
        {
            PROMISED: lambda: {"MiB idle": 120.0, "MiB after some work": 120.0, "MiB more by subscriptions": 60.0},
            "PET": partial(_memory, subscriptions),
        },
        rounds=min(plan.rounds, 3),
        sizes=f"the embedded default, {subscriptions:,} idle subscriptions, each on a WebSocket of its own",
        goals=[
            Goal("PET", "MiB idle", PROMISED, at_most=1),
            Goal("PET", "MiB more by subscriptions", PROMISED, at_most=1),
        ],
    )
    with postgres() as server:
        database = filled(server, "footprint", Network(plan.size(1_000, smoke=20), tracks_each=5, follows_each=10))
        yield compare(
            "Two processes on one PostgreSQL",
            {"one": partial(_together, plan, database, 1), "two": partial(_together, plan, database, 2)},
            rounds=plan.rounds,
            sizes=f"{database.network}; what processes with a core each can serve, by the CPU time of a request",
            goals=[Goal("two", "requests/s by CPU time", "one", at_least=1.7)],
        )


def _start(**settings: str) -> Mapping[str, float]:
    with pet(**settings) as server:
        return {"seconds": server.ready_after_seconds, "CPU seconds": server.cpu_seconds()}


def _memory(subscriptions: int) -> Mapping[str, float]:
    many = str(subscriptions)
    with pet(subscriptions_per_user=many, connections_per_address=str(subscriptions + 100)) as server:
        idle = server.resident_bytes()
        tokens = [_token(server, f"listener{number}") for number in range(LISTENERS)]
        for number in range(200):
            ask(server, Request(f"/users/username/listener{number % LISTENERS}"))
        worked = server.resident_bytes()
        with start_blocking_portal() as portal:
            listened = portal.call(_while_listening, server, tokens, subscriptions)
        return {
            "MiB idle": idle / MIB,
            "MiB after some work": worked / MIB,
            "MiB more by subscriptions": (listened - worked) / MIB,
        }


def _token(server: Server, username: str) -> str:
    """Register somebody and return their access token."""
    given = {"email": f"{username}@example.com", "username": username, "password": PASSWORD, "role": "listener"}
    headers = {"Content-Type": "application/json"}
    answer = ask(server, Request("/auth/register", "POST", headers, json.dumps(given).encode()))
    token: str = json.loads(answer.body)["accessToken"]
    return token


async def _while_listening(server: Server, tokens: list[str], subscriptions: int) -> int:
    """Return what a server holds while so many listen to their feeds."""
    async with AsyncExitStack() as stack:
        for number in range(subscriptions):
            socket = await stack.enter_async_context(
                connect(
                    f"ws://127.0.0.1:{server.port}/graphql",
                    subprotocols=[Subprotocol("graphql-transport-ws")],
                    proxy=None,
                    ping_interval=None,
                )
            )
            proof = {"Authorization": f"Bearer {tokens[number % len(tokens)]}"}
            await socket.send(json.dumps({"type": "connection_init", "payload": proof}))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            await socket.send(json.dumps(SUBSCRIBE))
            await socket.send(json.dumps({"type": "ping"}))
            assert json.loads(await socket.recv())["type"] == "pong"  # the subscription, sent before, was taken
        return server.resident_bytes()


def _together(plan: Plan, database: Filled, number: int) -> Mapping[str, float]:
    """Load so many processes at the same time.

    The client and PostgreSQL need cores too, of which there may be no more than two: so what is told is the processor
    time of a request while all are under load, which grows where they get into each other's way, and what follows
    from it for cores of their own.
    """
    requests = [Request(f"/users/{user_id(n)}/profile") for n in range(min(100, database.network.profiles))]
    with ExitStack() as stack, ThreadPoolExecutor(number) as threads:
        servers = [stack.enter_context(pet(database_url=database.url)) for _ in range(number)]
        loaded = partial(load, requests=requests, seconds=plan.seconds, connections=16)
        found = list(threads.map(loaded, servers))
    cpu_us = sum(each["CPU us"] for each in found) / number
    return {
        "requests/s by CPU time": number * 1_000_000 / cpu_us,
        "CPU us": cpu_us,
        "requests/s on this machine": sum(each["requests/s"] for each in found),
    }


if __name__ == "__main__":
    main("footprint", footprint)
