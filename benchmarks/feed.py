"""What reading a page of a feed costs as networks grow, and what publishing costs an author with many followers.

PET's own parts in this process, on SQLite and on PostgreSQL: the fronts would only hide the differences.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from anyio.from_thread import BlockingPortal, start_blocking_portal

from benchmarks.measuring.comparing import Comparison, Goal, Measure, compare
from benchmarks.measuring.databases import filled, postgres
from benchmarks.measuring.network import Network
from benchmarks.measuring.publishing import publish
from benchmarks.measuring.topics import Plan, main
from pet.app import Overrides, Parts, open_parts
from pet.domain.ids import UserId, new_object_id, new_uuid7
from pet.domain.times import to_milliseconds, utc_now
from pet.domain.viewers import Role, Viewer
from pet.settings import Settings
from pet.storage.sql.database import Database, Statements, apply_migrations

TRACKS_EACH = 5
STEP = 200

Case = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many there are: authors with tracks, and those whom readers follow, and the followers of stars."""

    authors: int
    followees: Sequence[int]
    followers: Sequence[int]


def feed(plan: Plan) -> Iterator[Comparison]:
    """Compare pages of feeds and publishing, on each database."""
    sizes = Sizes(10_000, (10, 1_000, 10_000), (10, 1_000, 100_000))
    if plan.is_smoke:
        sizes = Sizes(50, (10, 50), (10, 20))
    with tempfile.TemporaryDirectory() as folder, postgres() as server, start_blocking_portal() as portal:
        sqlite = f"sqlite://{folder}/pet.sqlite3"
        portal.call(apply_migrations, sqlite)
        for name, url in (("SQLite", sqlite), ("PostgreSQL", filled(server, "feed", Network(0)).url)):
            settings = Settings(data_dir=Path(folder), database_url=url, rate_limits=False)
            with portal.wrap_async_context_manager(open_parts(settings, Overrides())) as parts:
                portal.call(fill, sizes, to_milliseconds(utc_now() - timedelta(minutes=1)))
                yield from comparisons(name, sizes, plan, partial(repeated, portal), parts)


def comparisons(
    database: str, sizes: Sizes, plan: Plan, measure: Callable[[Case, int], Measure], parts: Parts
) -> Iterator[Comparison]:
    """Compare on one database, which is filled."""
    often, rounds = plan.size(10, smoke=1), plan.rounds * plan.size(4, smoke=1)
    authors = f"{sizes.authors:,} authors with {TRACKS_EACH} tracks each"
    yield compare(
        f"A page of the feed, {database}",
        {f"{size:,} followees": measure(reading(parts, size), often) for size in sizes.followees},
        rounds=rounds,
        sizes=authors,
        goals=[Goal(f"{sizes.followees[-1]:,} followees", "ms", f"{sizes.followees[0]:,} followees", at_most=2)],
    )
    yield compare(
        f"The same by a plain merge over all followees, {database}",
        {f"{size:,} followees": measure(merging(size), often // 3 or 1) for size in sizes.followees},
        rounds=rounds,
        sizes=authors,
    )
    yield compare(
        f"Publishing, as far as the answer waits for it, {database}",
        {f"{size:,} followers": measure(publishing(parts, size), often // 3 or 1) for size in sizes.followers},
        rounds=rounds,
        sizes="one author with so many followers",
        goals=[Goal(f"{sizes.followers[-1]:,} followers", "ms", f"{sizes.followers[0]:,} followers", at_most=2)],
    )


def repeated(portal: BlockingPortal, case: Case, times: int) -> Measure:
    """Return what does something so many times, one after the other, and gives the median of its milliseconds."""

    async def milliseconds() -> list[float]:
        taken = []
        for _ in range(times):
            began = time.perf_counter()
            await case()
            taken.append((time.perf_counter() - began) * 1000)
        return taken

    return lambda: {"ms": statistics.median(portal.call(milliseconds))}


def numbered(kind: str, number: int) -> str:
    """Return an id of our own of the form of a UUID."""
    return f"{kind:0>8}-0000-7000-8000-{number:012}"


async def insert_many(table: str, columns: str, rows: list[tuple[object, ...]]) -> None:
    """Insert rows in steps."""
    width = len(columns.split(","))
    one = f"({', '.join('?' * width)})"
    for start in range(0, len(rows), STEP):
        some = rows[start : start + STEP]
        statement = f"INSERT INTO {table} ({columns}) VALUES {', '.join([one] * len(some))}"
        values = [value for row in some for value in row]

        async def work(sql: Statements, statement: str = statement, values: list[object] = values) -> None:
            await sql.run(statement, *values)

        await Database().atomically(work)


async def fill(sizes: Sizes, now_ms: int) -> None:
    """Make authors with tracks, readers who follow many of them, and stars whom many follow."""
    people = [numbered("a", n) for n in range(sizes.authors)]
    people += [numbered("b", n) for n in sizes.followees] + [numbered("c", n) for n in sizes.followers]
    await insert_many(
        "profile",
        "user_id, object_id, username, username_key, role, genres, instruments, email_notifications,"
        " show_online_status, is_private, tracks, followers, following, plays, created_ms, updated_ms",
        [
            (p, new_object_id(), f"u{n}", f"u{n}", "musician", "[]", "[]", True, True, False, 0, 0, 0, 0, n, n)
            for n, p in enumerate(people)
        ],
    )
    newest = {n: now_ms - (n * 7919 % sizes.authors) * 1000 for n in range(sizes.authors)}
    await insert_many(
        "activity",
        "object_id, actor_id, action, track_id, created_ms",
        [
            (new_object_id(), numbered("a", n), "track_published", new_uuid7(), newest[n] - age * 3_600_000)
            for n in range(sizes.authors)
            for age in range(TRACKS_EACH)
        ],
    )
    follows: list[tuple[object, ...]] = []
    for size in sizes.followees:
        chosen = range(0, sizes.authors, sizes.authors // size)
        follows += [(new_object_id(), numbered("b", size), numbered("a", n), "following", n, newest[n]) for n in chosen]
    for size in sizes.followers:
        follows += [(new_object_id(), numbered("d", n), numbered("c", size), "following", n, 0) for n in range(size)]
    await insert_many("follow", "object_id, follower_id, following_id, state, created_ms, newest_ms", follows)
    for size in sizes.followers:

        async def work(sql: Statements, size: int = size) -> None:
            await sql.run("UPDATE profile SET followers = ? WHERE user_id = ?", size, numbered("c", size))

        await Database().atomically(work)


def reading(parts: Parts, size: int) -> Case:
    """Return what reads the first page of someone who follows so many."""
    user = UserId(numbered("b", size))
    viewer = Viewer(user, Role.LISTENER)

    async def read() -> None:
        page = await parts.services.feed.page(user, seen_by=viewer, after=None, limit=20)
        assert len(page.items) == 20

    return read


def merging(size: int) -> Case:
    """Return what reads the same page by a plain merge of all followees' activities, to compare with."""
    select = (
        "SELECT * FROM activity WHERE actor_id IN"
        " (SELECT following_id FROM follow WHERE follower_id = ? AND state = 'following')"
        " ORDER BY created_ms DESC, object_id DESC LIMIT 21"
    )

    async def read() -> None:
        assert len(await Database().rows(select, numbered("b", size))) == 21

    return read


def publishing(parts: Parts, size: int) -> Case:
    """Return what publishes a track of someone with so many followers, as far as the answer waits for it."""
    owner = UserId(numbered("c", size))
    return lambda: publish(parts, owner)


if __name__ == "__main__":
    main("feed", feed)
