"""Reads in flight become one: how many there are, what each caller is told, and that nobody is told what was before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from pet.domain.errors import Service, Unavailable
from pet.storage import coalescing
from pet.storage.coalescing import Coalescing


class Shelf:
    """A store whose reads see it as it is when they begin, and end when they are told to."""

    def __init__(self) -> None:
        self.things = {str(number): f"thing {number}" for number in range(100)}
        self.reads: list[Sequence[str]] = []
        self._ends: list[asyncio.Future[None]] = []

    async def read(self, keys: Sequence[str]) -> Mapping[str, str]:
        """Read, once this read is let go on."""
        self.reads.append(keys)
        found = {key: self.things[key] for key in keys if key in self.things}
        self._ends.append(asyncio.get_running_loop().create_future())
        await self._ends[-1]
        return found

    async def end(self, number: int, error: Exception | None = None) -> None:
        """Let a read end, in the order in which they began; and those go on who waited for it."""
        self.let_go(number, error)
        await settled()

    def let_go(self, number: int, error: Exception | None = None) -> None:
        """Let a read end, in the next turn of the loop."""
        if error:
            self._ends[number].set_exception(error)
        else:
            self._ends[number].set_result(None)


async def settled() -> None:
    """Let everybody come as far as they get."""
    for _ in range(5):
        await asyncio.sleep(0)


async def asking(reads: Coalescing[str, str], *keys: str) -> asyncio.Task[Mapping[str, str]]:
    """Ask, and come as far as one gets."""
    task = asyncio.create_task(reads.get_many(keys))
    await settled()
    return task


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def reads(shelf: Shelf) -> Coalescing[str, str]:
    return Coalescing(shelf.read)


async def test_fifty_reads_at_once_are_three(shelf: Shelf, reads: Coalescing[str, str]) -> None:
    tasks = [await asking(reads, str(number)) for number in range(50)]
    assert shelf.reads == [["0"], ["1"]]
    await shelf.end(0)
    assert shelf.reads == [["0"], ["1"], [str(number) for number in range(2, 50)]]
    await shelf.end(1)
    await shelf.end(2)
    assert [await task for task in tasks] == [{str(number): f"thing {number}"} for number in range(50)]
    assert len(shelf.reads) == 3


async def test_who_asks_in_the_same_turn_shares_a_read(shelf: Shelf, reads: Coalescing[str, str]) -> None:
    tasks = [asyncio.create_task(reads.get(str(number))) for number in (1, 2, 1)]
    await settled()
    assert shelf.reads == [["1", "2"]]
    await shelf.end(0)
    assert [await task for task in tasks] == ["thing 1", "thing 2", "thing 1"]


async def test_a_read_that_is_twice_about_to_begin_is_no_third(shelf: Shelf, reads: Coalescing[str, str]) -> None:
    ahead = await asking(reads, "0")
    between = list[asyncio.Task[str | None]]()
    # In one turn somebody asks, the read ahead ends, which begins the next one, and others ask.
    before = asyncio.create_task(reads.get("1"))
    shelf.let_go(0)
    asyncio.get_running_loop().call_soon(lambda: between.append(asyncio.create_task(reads.get("3"))))
    after = asyncio.create_task(reads.get("2"))
    await settled()
    assert shelf.reads == [["0"], ["1"], ["2"]]
    await shelf.end(1)
    assert shelf.reads == [["0"], ["1"], ["2"], ["3"]]
    await shelf.end(2)
    await shelf.end(3)
    assert (await ahead, await before, await after) == ({"0": "thing 0"}, "thing 1", "thing 2")
    assert [await task for task in between] == ["thing 3"]


async def test_everyone_is_told_of_their_own_keys_alone(shelf: Shelf, reads: Coalescing[str, str]) -> None:
    ahead = [await asking(reads, "0") for _ in range(2)]
    tasks = [await asking(reads, *keys) for keys in (("1", "2"), ("2",), ("none", "3"), ())]
    for number in range(3):
        await shelf.end(number)
    assert shelf.reads[2] == ["1", "2", "none", "3"]
    assert [await task for task in tasks] == [
        {"1": "thing 1", "2": "thing 2"},
        {"2": "thing 2"},
        {"3": "thing 3"},
        {},
    ]
    assert [await task for task in ahead] == [{"0": "thing 0"}] * 2


async def test_what_was_committed_before_one_asks_is_in_the_answer(shelf: Shelf, reads: Coalescing[str, str]) -> None:
    ahead = [await asking(reads, "1") for _ in range(2)]
    early = await asking(reads, "1")
    shelf.things["1"] = "new"
    late = await asking(reads, "1")
    for number in range(3):
        await shelf.end(number)
    assert [await task for task in ahead] == [{"1": "thing 1"}] * 2
    assert [await early, await late] == [{"1": "new"}] * 2
    assert shelf.reads == [["1"], ["1"], ["1"]]


@pytest.mark.parametrize("has_begun", [False, True])
async def test_a_caller_who_goes_leaves_the_others_theirs(
    shelf: Shelf, reads: Coalescing[str, str], has_begun: bool
) -> None:
    ahead = [await asking(reads, "0") for _ in range(2)]
    gone, staying = await asking(reads, "1"), await asking(reads, "2")
    if has_begun:
        await shelf.end(0)
    gone.cancel()
    await settled()
    if not has_begun:
        await shelf.end(0)
    assert shelf.reads[2] == (["1", "2"] if has_begun else ["2"])
    await shelf.end(2)
    assert await staying == {"2": "thing 2"}
    assert gone.cancelled()
    await shelf.end(1)
    await asyncio.gather(*ahead)


async def test_a_read_whose_caller_is_gone_ends_before_the_next_begins(
    shelf: Shelf, reads: Coalescing[str, str]
) -> None:
    first, second = await asking(reads, "0"), await asking(reads, "0")
    third = await asking(reads, "1")
    first.cancel()
    await settled()
    assert shelf.reads == [["0"], ["0"]]
    await shelf.end(0)
    assert shelf.reads == [["0"], ["0"], ["1"]]
    await shelf.end(2)
    await shelf.end(1)
    assert (await second, await third) == ({"0": "thing 0"}, {"1": "thing 1"})


async def test_an_error_goes_to_all_callers_of_its_read_and_to_no_others(
    shelf: Shelf, reads: Coalescing[str, str]
) -> None:
    ahead = [await asking(reads, "0") for _ in range(2)]
    together = [await asking(reads, key) for key in "123"]
    await shelf.end(0)
    after = await asking(reads, "4")
    await shelf.end(2, KeyError("broken"))
    await shelf.end(3)
    outcomes = await asyncio.gather(*together, after, return_exceptions=True)
    assert [repr(outcome) for outcome in outcomes] == ["KeyError('broken')"] * 3 + ["{'4': 'thing 4'}"]
    await shelf.end(1)
    await asyncio.gather(*ahead)


@pytest.mark.parametrize("patience", [0, 60])
async def test_nobody_waits_for_two_deadlines_of_an_engine_that_is_down(
    shelf: Shelf, reads: Coalescing[str, str], monkeypatch: pytest.MonkeyPatch, patience: int
) -> None:
    monkeypatch.setattr(coalescing, "PATIENCE_SECONDS", patience)
    ahead = [await asking(reads, "0") for _ in range(2)]
    waiting = [await asking(reads, key) for key in "12"]
    await asyncio.sleep(0.002)
    await shelf.end(0, Unavailable(Service.USER))
    assert [task.done() for task in waiting] == [patience == 0] * 2
    assert len(shelf.reads) == (2 if patience == 0 else 3)
    for number in range(1, len(shelf.reads)):
        await shelf.end(number)
    outcomes = await asyncio.gather(*ahead, *waiting, return_exceptions=True)
    assert [isinstance(outcome, Unavailable) for outcome in outcomes] == [True, False, patience == 0, patience == 0]


async def test_one_read_serves_no_more_keys_than_it_may(shelf: Shelf) -> None:
    reads = Coalescing(shelf.read, most=3)
    tasks = [await asking(reads, *keys) for keys in ("0", "0", "12", "34", "5", "6789")]
    for number in range(5):
        await shelf.end(number)
    assert shelf.reads == [["0"], ["0"], ["1", "2"], ["3", "4", "5"], ["6", "7", "8", "9"]]
    assert [len(await task) for task in tasks] == [1, 1, 2, 2, 1, 4]
