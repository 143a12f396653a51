"""Loaders: one read for what is asked for at once, each thing once, and nobody's end is anybody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from pet import loaders
from pet.loaders import Loader


class Doubles:
    """Doubles numbers below 100; notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    async def read(self, keys: Sequence[int]) -> Mapping[int, int]:
        """Double, in some turns of the loop."""
        self.asked.append(list(keys))
        await asyncio.sleep(0)
        if -1 in keys:
            raise KeyError("broken")
        return {key: 2 * key for key in keys if key < 100}


@pytest.fixture
def doubles() -> Doubles:
    return Doubles()


async def test_what_is_asked_for_at_once_is_read_once(doubles: Doubles) -> None:
    loader = Loader(doubles.read)
    one, many, other = await asyncio.gather(loader.load(1), loader.load_many([2, 1, 100]), loader.load(2))
    assert (one, many, other) == (2, [4, 2, None], 4)
    assert await loader.load_many([1, 100, 3]) == [2, None, 6]
    assert doubles.asked == [[1, 2, 100], [3]]


async def test_what_is_being_read_is_not_read_again(doubles: Doubles) -> None:
    loader = Loader(doubles.read)
    first = loader.load(1)
    for _ in range(3):
        await asyncio.sleep(0)
    assert await loader.load(1) == await first == 2
    assert doubles.asked == [[1]]


async def test_many_are_read_in_batches(doubles: Doubles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaders, "BATCH", 2)
    assert await Loader(doubles.read).load_many(range(5)) == [0, 2, 4, 6, 8]
    assert doubles.asked == [[0, 1], [2, 3], [4]]


async def test_what_is_primed_is_not_read(doubles: Doubles) -> None:
    loader = Loader(doubles.read)
    loader.prime({1: 7})
    loader.prime({1: 8})
    assert await loader.load(1) == 7
    assert doubles.asked == []


async def test_what_is_not_kept_is_read_again(doubles: Doubles) -> None:
    loader = Loader(doubles.read, keeps=False)
    assert [await loader.load(1), await loader.load(1)] == [2, 2]
    assert doubles.asked == [[1], [1]]


async def test_whoever_is_cancelled_takes_nothing_from_the_others(doubles: Doubles) -> None:
    loader = Loader(doubles.read)
    gone, staying = loader.load(1), loader.load(1)
    gone.cancel()
    assert await staying == 2
    assert gone.cancelled()


async def test_an_error_goes_to_everyone_in_the_read_and_is_not_remembered(doubles: Doubles) -> None:
    loader = Loader(doubles.read)
    outcomes = await asyncio.gather(*map(loader.load, [-1, 1, 1]), return_exceptions=True)
    assert [repr(outcome) for outcome in outcomes] == ["KeyError('broken')"] * 3
    assert await loader.load(1) == 2
