"""What reading a page of a feed costs as networks grow, and what publishing costs an author with many followers.

    .venv/bin/python benchmarks/feed.py [postgres://user@host/empty-database]

Without an address a temporary SQLite file is used. Every figure is a ratio to the smallest case of the same run: the
median of many rounds, the cases in turn, so that whatever else the machine does hits all of them.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path

from pet.app import Overrides, Parts, open_parts
from pet.domain.events import TrackUploaded
from pet.domain.files import FileType, MediaFile
from pet.domain.ids import FileId, UserId, new_object_id, new_uuid7
from pet.domain.times import to_milliseconds, utc_now
from pet.domain.viewers import Role, Viewer
from pet.settings import Settings
from pet.storage.sql.database import Database, Statements, apply_migrations

AUTHORS, TRACKS_EACH = 10_000, 5
FOLLOWEES = (10, 1_000, 10_000)
FOLLOWERS = (1, 10, 1_000, 100_000)
ROUNDS = 200
STEP = 200

Case = Callable[[], Awaitable[object]]


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


async def fill(now_ms: int) -> None:
    """Make authors with tracks, readers who follow many of them, and stars whom many follow."""
    people = [numbered("a", n) for n in range(AUTHORS)]
    people += [numbered("b", n) for n in FOLLOWEES] + [numbered("c", n) for n in FOLLOWERS]
    await insert_many(
        "profile",
        "user_id, object_id, username, username_key, role, genres, instruments, email_notifications,"
        " show_online_status, is_private, tracks, followers, following, plays, created_ms, updated_ms",
        [
            (p, new_object_id(), f"u{n}", f"u{n}", "musician", "[]", "[]", True, True, False, 0, 0, 0, 0, n, n)
            for n, p in enumerate(people)
        ],
    )
    newest = {n: now_ms - (n * 7919 % AUTHORS) * 1000 for n in range(AUTHORS)}
    await insert_many(
        "activity",
        "object_id, actor_id, action, track_id, created_ms",
        [
            (new_object_id(), numbered("a", n), "track_published", new_uuid7(), newest[n] - age * 3_600_000)
            for n in range(AUTHORS)
            for age in range(TRACKS_EACH)
        ],
    )
    follows: list[tuple[object, ...]] = []
    for size in FOLLOWEES:
        chosen = range(0, AUTHORS, AUTHORS // size)
        follows += [(new_object_id(), numbered("b", size), numbered("a", n), "following", n, newest[n]) for n in chosen]
    for size in FOLLOWERS:
        follows += [(new_object_id(), numbered("d", n), numbered("c", size), "following", n, 0) for n in range(size)]
    await insert_many("follow", "object_id, follower_id, following_id, state, created_ms, newest_ms", follows)
    for size in FOLLOWERS:

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

    async def publish() -> None:
        at, file_id = utc_now(), FileId(new_uuid7())
        file = MediaFile(
            object_id=new_object_id(),
            file_id=file_id,
            user_id=owner,
            type=FileType.TRACK,
            original_name="song.mp3",
            file_name=f"{file_id}.mp3",
            mime_type="audio/mpeg",
            size_bytes=1,
            format="mp3",
            created_at=at,
            updated_at=at,
            duration_seconds=1.0,
        )
        event = TrackUploaded(user_id=owner, occurred_at=at, file_id=file_id)
        await parts.delivery.deliver(await parts.engines.documents.files.add(file, event))

    return publish


async def medians(cases: Mapping[str, Case], rounds: int) -> dict[str, float]:
    """Return the median milliseconds of each case, the cases in turn."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            started = time.perf_counter()
            await case()
            taken[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(times) for name, times in taken.items()}


def report(title: str, found: Mapping[str, float]) -> None:
    """Print each case as a ratio to the first."""
    first = next(iter(found.values()))
    print(title)
    for name, milliseconds in found.items():
        print(f"  {name:>12}  {milliseconds / first:5.2f}   ({milliseconds:.2f} ms)")


async def main() -> None:
    """Fill a database, then measure."""
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite://{folder}/pet.sqlite3"
        await apply_migrations(url)
        settings = Settings(data_dir=Path(folder), database_url=url, rate_limits=False)
        async with open_parts(settings, Overrides()) as parts:
            await fill(to_milliseconds(utc_now() - timedelta(minutes=1)))
            kind = url.partition(":")[0]
            reads = await medians({f"{size:,}": reading(parts, size) for size in FOLLOWEES}, ROUNDS)
            report(f"A page of the feed by followees, {kind}:", reads)
            merges = await medians({f"{size:,}": merging(size) for size in FOLLOWEES}, ROUNDS // 4)
            report(f"The same by a plain merge over all followees, {kind}:", merges)
            writes = await medians({f"{size:,}": publishing(parts, size) for size in FOLLOWERS}, ROUNDS // 4)
            report(f"Publishing by followers, as far as the answer waits, {kind}:", writes)
            started, steps = time.perf_counter(), 0
            while await parts.engines.documents.projections.spread_news():
                steps += 1
            print(f"Telling all follows afterwards took {time.perf_counter() - started:.1f} s in {steps} steps.")


if __name__ == "__main__":
    asyncio.run(main())
