"""What do a hundred people who log in at once do to everyone else? The median of a profile read, beside them and alone.

Run it as `python benchmarks/logins.py`: it starts `pet serve` on an SQLite file, one process that logs in on a hundred
connections without a pause, and reads a profile from this one, on one connection. The line for hashing is long enough
for all of them, so that nobody is turned away. Both are measured by
turns in one run; the promise is a ratio of 3 at most.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import orjson

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.conftest import PASSWORD, Person
from tests.e2e.server import serve

AT_ONCE = 100
SECONDS = 3
ROUNDS = 3
PROMISED = 3.0


async def main() -> None:
    """Measure, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flood", metavar="PORT", type=int, help=argparse.SUPPRESS)
    port = parser.parse_args().flood
    if port:
        await flood(port)
        return
    with tempfile.TemporaryDirectory() as folder:
        async with serve(Path(folder), log_level="warning", password_hashing=f"waiting={AT_ONCE}") as server:
            people = [await server.service.register(f"person{number}") for number in range(10)]
            await asyncio.to_thread(compare, server.service.settings.port, people[0])


def compare(port: int, person: Person) -> None:
    """Read alone and beside the logins by turns, and print the medians of each."""
    read(port, person)  # warm
    alone, beside = [], []
    for number in range(ROUNDS):
        alone.append(read(port, person))
        with logins(port) as outcomes:
            beside.append(read(port, person))
        click.echo(
            f"round {number + 1}: alone {shown(alone[-1])}, beside the logins {shown(beside[-1])}; logins: {outcomes}"
        )
    ratio = statistics.median([second for times in beside for second in times]) / statistics.median(
        [second for times in alone for second in times]
    )
    click.echo(f"The median of a read beside {AT_ONCE} logins at once is {ratio:.2f} times that alone.")
    if ratio > PROMISED:
        raise SystemExit(f"That is more than the promised {PROMISED:g}.")


def read(port: int, person: Person) -> list[float]:
    """Read a profile again and again for some seconds; return the time that each took."""
    connection, seconds = http.client.HTTPConnection("127.0.0.1", port), []
    until = time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        began = time.perf_counter()
        connection.request("GET", f"/users/{person.user_id}/profile")
        answer = connection.getresponse()
        body = answer.read()
        seconds.append(time.perf_counter() - began)
        assert (answer.status, orjson.loads(body)["data"]["username"]) == (200, person.username)
    connection.close()
    return seconds


def shown(seconds: list[float]) -> str:
    """Return the median and the 99th percentile in milliseconds."""
    ordered = sorted(seconds)
    return f"{statistics.median(ordered) * 1000:.2f} ms (p99 {ordered[len(ordered) * 99 // 100] * 1000:.1f})"


@contextmanager
def logins(port: int) -> Iterator[dict[int, int]]:
    """Log in on a hundred connections until the context is left; give what came of it, by status."""
    outcomes: dict[int, int] = {}
    process = subprocess.Popen(  # noqa: S603 - this file
        [sys.executable, __file__, "--flood", str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "under way\n"
        yield outcomes
    finally:
        process.stdin.close()
        outcomes.update({int(status): count for status, count in orjson.loads(process.stdout.readline()).items()})
        process.wait()


async def flood(port: int) -> None:
    """Log in on a hundred connections until the standard input ends."""
    outcomes: Counter[str] = Counter()
    tasks = [
        asyncio.create_task(log_in_for_ever(port, f"person{n % 10}@example.com", outcomes)) for n in range(AT_ONCE)
    ]
    click.echo("under way")
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    click.echo(orjson.dumps(outcomes).decode())


async def log_in_for_ever(port: int, email: str, outcomes: Counter[str]) -> None:
    """Log in again and again on one connection, and count the statuses."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = orjson.dumps({"email": email, "password": PASSWORD})
    head = (
        f"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    while True:
        writer.write(head.encode() + body)
        header = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in header.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        status = header.split(b" ", 2)[1].decode()
        outcomes[status] += 1
        assert status == "200", header


if __name__ == "__main__":
    asyncio.run(main())
