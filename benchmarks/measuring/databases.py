"""One PostgreSQL for a topic, from the wheel that the tests use, and databases of any size with PET's tables in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import asyncpg
from tests.engines.postgres import TEMPLATE, PostgresServer, running_postgres

from benchmarks.measuring import network
from benchmarks.measuring.network import Network

STEP = 20_000
"""Rows that are made and sent at once: a million follows need not be in memory."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A database with a network in it."""

    url: str
    network: Network

    def copy(self, table: str, columns: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Add rows of one's own; the columns are separated by spaces."""
        asyncio.run(_copy(self.url, [(table, columns, rows)]))


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """Run a server with a template of PET's tables until the context is left."""
    with running_postgres() as server:
        yield server


def filled(server: PostgresServer, name: str, size: Network) -> Filled:
    """Make a database of this name with PET's tables and a network; it goes when the server goes."""
    asyncio.run(server.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy"))
    url = server.url(name)
    tables = [(table, columns, rows(size)) for table, columns, rows in network.TABLES]
    asyncio.run(_copy(url, tables))
    return Filled(url, size)


async def _copy(url: str, tables: Sequence[tuple[str, str, Iterable[tuple[object, ...]]]]) -> None:
    connection = await asyncpg.connect(url)
    try:
        for table, columns, rows in tables:
            left = iter(rows)
            while some := list(islice(left, STEP)):
                await connection.copy_records_to_table(table, records=some, columns=columns.split())
            await connection.execute(f"VACUUM (ANALYZE) {table}")
    finally:
        await connection.close()
