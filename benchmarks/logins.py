"""What people who log in do to everyone else, because a password's hash is slow by intention.

In one process: for how long nothing else happens while four people log in, with the hash in the event loop, in threads
like all others, and in PET's. Over HTTP: what reading a profile takes while a hundred log in without a pause; the line
for hashing is long enough for all of them, so that nobody is turned away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import argon2
import orjson

from benchmarks.measuring.comparing import Comparison, Goal, Measure, compare
from benchmarks.measuring.load import Request, ask, load
from benchmarks.measuring.servers import Server, pet
from benchmarks.measuring.topics import Plan, main
from pet.hashing_costs import HashingCosts
from pet.security.passwords import Argon2Hasher

IN_FLIGHT = 4
AT_ONCE = 100
PASSWORD = "a long password"  # noqa: S105 - nobody's

Verify = Callable[[], Awaitable[object]]


def logins(plan: Plan) -> Iterator[Comparison]:
    """Compare where to hash, then reading alone and beside logins."""
    yield from stalls(plan)
    yield from reads(plan)


def stalls(plan: Plan) -> Iterator[Comparison]:
    """Compare how long the event loop stands still."""
    costs = HashingCosts()
    plain = argon2.PasswordHasher(costs.passes, costs.memory_kib, costs.lanes)
    kept = plain.hash(PASSWORD)
    hasher, others = Argon2Hasher(costs), ThreadPoolExecutor(costs.threads)

    async def in_the_loop() -> None:
        plain.verify(kept, PASSWORD)

    async def in_threads() -> None:
        await asyncio.get_running_loop().run_in_executor(others, plain.verify, kept, PASSWORD)

    ways: dict[str, Verify] = {
        "in the event loop": in_the_loop,
        "in two threads": in_threads,
        "PET: in two threads of low priority": lambda: hasher.verify(kept, PASSWORD),
    }
    cases = {name: partial(stall, verify, plan.seconds) for name, verify in ways.items()}
    sizes = f"{IN_FLIGHT} logins in flight for {plan.seconds:g} s, argon2id with {costs}"
    yield compare("How long nothing else happens while people log in", cases, rounds=plan.rounds, sizes=sizes)
    hasher.close()
    others.shutdown()


def stall(verify: Verify, seconds: float) -> Mapping[str, float]:
    """Log in all the time, and return for how long at worst a loop with nothing else to do did not come round."""

    async def measured() -> Mapping[str, float]:
        until, done, worst = time.perf_counter() + seconds, 0, 0.0

        async def log_in() -> None:
            nonlocal done
            while time.perf_counter() < until:
                await verify()
                await asyncio.sleep(0)
                done += 1

        people = [asyncio.create_task(log_in()) for _ in range(IN_FLIGHT)]
        while (began := time.perf_counter()) < until:
            await asyncio.sleep(0.001)
            worst = max(worst, time.perf_counter() - began - 0.001)
        await asyncio.gather(*people)
        return {"worst stall ms": worst * 1000, "logins/s": done / seconds}

    return asyncio.run(measured())


def reads(plan: Plan) -> Iterator[Comparison]:
    """Compare reading a profile alone and beside the logins."""
    with pet(password_hashing=f"waiting={AT_ONCE}") as server:
        person = {"email": "ann@example.com", "password": PASSWORD}
        registered = ask(server, sent("/auth/register", {**person, "username": "ann"}))
        profile = Request(f"/users/{orjson.loads(registered.body)['user']['id']}/profile")
        read = partial(load, server, [profile], seconds=plan.seconds, connections=1)
        login = sent("/auth/login", person)
        cases: dict[str, Measure] = {"alone": read, "beside logins": partial(beside, server, login, plan, read)}
        yield compare(
            f"Reading a profile while {AT_ONCE} people log in without a pause",
            cases,
            rounds=plan.rounds,
            sizes="one connection that reads, SQLite",
            figures=["p50 ms", "p99 ms"],
            goals=[Goal("beside logins", "p50 ms", to="alone", at_most=3)],
        )


def beside(server: Server, login: Request, plan: Plan, measure: Measure) -> Mapping[str, float]:
    """Measure while a hundred connections log in."""
    with ThreadPoolExecutor(1) as thread:
        seconds = plan.seconds + 2  # longer than what is measured meanwhile
        flood = thread.submit(load, server, [login], seconds=seconds, connections=AT_ONCE, warm_up=0)
        time.sleep(1)
        found = measure()
        assert not flood.done()
        flood.result()
    return found


def sent(path: str, body: Mapping[str, str]) -> Request:
    """Return a request that posts JSON."""
    return Request(path, "POST", {"Content-Type": "application/json"}, orjson.dumps(body))


if __name__ == "__main__":
    main("logins", logins)
