"""How the cost of each read and write grows with the network, on each kind of store.

PET's own services in processes beside each other, one per size, which take turns: the fronts would only hide the
differences.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.engines.mongo import mongo_server

from benchmarks.measuring import stars
from benchmarks.measuring.comparing import Comparison, Goal, Measure, compare
from benchmarks.measuring.databases import filled, postgres
from benchmarks.measuring.network import Network
from benchmarks.measuring.publishing import publish
from benchmarks.measuring.stars import Stars
from benchmarks.measuring.stores import fill_mongo, fill_postgres, fill_sqlite
from benchmarks.measuring.topics import Plan, main
from pet.app import Overrides, Parts, open_parts
from pet.domain.files import FileList
from pet.domain.follows import FollowList
from pet.domain.ids import FileId, UserId
from pet.domain.viewers import Client, Role, Viewer
from pet.settings import Settings

MOST_TRACKS = 100_000
MOST_ON_MONGO = 10_000
"""Follows in SecantusDB, which stands for MongoDB: it takes a thousand documents a second or little more."""

LOGARITHM = 2.5
"""From a thousand to a million a logarithm doubles; some more is left to chance, and to caches that hold less of it."""

PAGE = 20
TIMES = 15
HERE = Client("192.0.2.1")

Case = Callable[[], Awaitable[object]]


def scale(plan: Plan) -> Iterator[Comparison]:
    """Compare the sizes on each store; most of the time goes into filling them."""
    largest = plan.size(plan.largest or 1_000_000, smoke=1_000)
    every = [Stars(follows, min(follows, MOST_TRACKS)) for follows in (100, 1_000, 10_000, 100_000, 1_000_000)]
    chosen = [size for size in every if size.follows <= largest][0 if plan.is_smoke else 1 :]
    with tempfile.TemporaryDirectory() as folder, postgres() as server, mongo_server() as mongo:

        def on_sqlite(size: Stars, data_dir: Path) -> dict[str, Any]:
            fill_sqlite(str(data_dir / "pet.sqlite3"), size)
            return {}

        def on_postgres(size: Stars, _: Path) -> dict[str, Any]:
            url = filled(server, f"scale_{size.follows}", Network(0)).url
            asyncio.run(fill_postgres(url, size))
            return {"database_url": url}

        def on_mongo(size: Stars, data_dir: Path) -> dict[str, Any]:
            url = f"{mongo.url}/scale_{size.follows}?directConnection=true"
            fill_sqlite(str(data_dir / "pet.sqlite3"), Stars(10, 10))
            return {"documents_url": url}

        few = [size for size in chosen if size.follows <= MOST_ON_MONGO]
        stores = (
            ("SQLite", on_sqlite, chosen, FIGURES),
            ("PostgreSQL", on_postgres, chosen, FIGURES),
            ("MongoDB's protocol", on_mongo, few, FOUND_BY_KEY),
        )
        for number, (name, prepare, sizes, figures) in enumerate(stores):
            with ExitStack() as stack:
                cases: dict[str, Measure] = {}
                for size in sizes:
                    data_dir = Path(folder) / str(number) / str(size.follows)
                    data_dir.mkdir(parents=True)
                    chosen_engines = prepare(size, data_dir)
                    cases[str(size)] = stack.enter_context(aside(size, {"data_dir": data_dir, **chosen_engines}))
                smallest, most = str(sizes[0]), str(sizes[-1])
                yield compare(
                    f"Reads and writes, {name}",
                    cases,
                    rounds=plan.rounds,
                    sizes=f"up to {MOST_TRACKS:,} tracks, {TIMES} calls of each kind in a round",
                    goals=[Goal(most, figure, smallest, at_most=LOGARITHM) for figure in figures],
                )


@contextmanager
def aside(size: Stars, engines: Mapping[str, Any]) -> Iterator[Measure]:
    """Open the service of one size in a process of its own, and give what measures everything there once."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, size, dict(engines)))
    process.start()
    theirs.close()  # so that the end of the process is the end of the pipe
    try:
        assert ours.recv() == "ready"

        def measure() -> Mapping[str, float]:
            ours.send("measure")
            found: Mapping[str, float] = ours.recv()
            return found

        yield measure
    finally:
        ours.close()
        process.join()


def _serve(pipe: Connection, size: Stars, engines: Mapping[str, Any]) -> None:
    asyncio.run(_measured(pipe, size, engines))


async def _measured(pipe: Connection, size: Stars, engines: Mapping[str, Any]) -> None:
    settings = Settings(rate_limits=False, engine_timeout=60, **engines)
    async with open_parts(settings, Overrides()) as parts:
        if settings.documents_url:
            fill_mongo(settings.documents_url, size)  # now that there are indexes
        cases = {f"{name}, ms": case for name, case in _cases(parts, size).items()}
        for case in cases.values():  # what is made once is no matter of size
            await case()
        pipe.send("ready")
        with suppress(EOFError):  # when nobody wants to know more
            while pipe.recv() == "measure":
                pipe.send({name: await _median_ms(case) for name, case in cases.items()})


async def _median_ms(case: Case) -> float:
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        await case()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def _cases(parts: Parts, size: Stars) -> dict[str, Case]:
    """Return every read and write, of those with the most of what it reads or changes."""
    services, documents = parts.services, parts.engines.documents
    star, fan, casual = (UserId(stars.user_id(n)) for n in (0, size.fan, size.casual))
    me, numbers = Viewer(casual, Role.LISTENER), count()

    def feed(user_id: UserId) -> Case:
        return lambda: services.feed.page(user_id, seen_by=Viewer(user_id, Role.LISTENER), after=None, limit=PAGE)

    async def profile_page() -> None:
        await services.profiles.find(star)
        await services.files.pages([star], FileList.TRACKS, after=None, limit=PAGE)
        await services.follows.states(casual, [star])

    async def play() -> None:
        track = (await documents.files.get_many([FileId(stars.track_id(0, 0))]))[FileId(stars.track_id(0, 0))]
        await services.plays.count(track, None, Client(f"192.0.2.{next(numbers)}"))

    async def follow_and_leave() -> None:
        await services.follows.unfollow(me, star)
        await services.follows.follow(me, star)

    return {
        "feed of one who follows ten": feed(casual),
        "feed of one who follows half of all": feed(fan),
        "profile page of the star": profile_page,
        "followers of the star": lambda: services.follows.pages([star], FollowList.FOLLOWERS, after=None, limit=PAGE),
        "followees of the fan": lambda: services.follows.pages([fan], FollowList.FOLLOWING, after=None, limit=PAGE),
        "people": lambda: services.profiles.plain_page(after=None, limit=PAGE),
        "people found by a whole name": lambda: services.profiles.plain_page(
            after=None, limit=PAGE, search=stars.username(size.people // 2)
        ),
        "people found by a letter": lambda: services.profiles.plain_page(after=None, limit=PAGE, search="a"),
        "how many people": services.profiles.count,
        "how many people by a letter": lambda: services.profiles.count(search="a"),
        "unfollowing and following the star": follow_and_leave,
        "publishing by the star": lambda: publish(parts, star),
        "publishing by one with few followers": lambda: publish(parts, UserId(stars.user_id(size.people - 1))),
        "a play": play,
    }


FIGURES = (
    "feed of one who follows half of all, ms",
    "profile page of the star, ms",
    "followers of the star, ms",
    "people, ms",
    "people found by a whole name, ms",
    "people found by a letter, ms",
    "how many people, ms",
    "how many people by a letter, ms",
    "unfollowing and following the star, ms",
    "publishing by the star, ms",
    "a play, ms",
)
"""What must not grow faster than the logarithm."""

FOUND_BY_KEY = (
    "people found by a whole name, ms",
    "how many people, ms",
    "how many people by a letter, ms",
    "publishing by the star, ms",
    "a play, ms",
)
"""Those of them in which no list is sorted.

SecantusDB reads and sorts all that a range of an index holds before it cuts a page off, where MongoDB walks along the
index: there, pages tell of that engine alone. `tests/plans` holds what MongoDB is asked for against the indexes.
"""


if __name__ == "__main__":
    main("scale", scale)
