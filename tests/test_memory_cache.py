"""The cache that is bounded by memory."""

from __future__ import annotations

import gc
import tracemalloc

from pet.memory_cache import MemoryCache
from pet.operation_limits import OperationLimits
from pet.schema.preparing import Preparer
from pet.schema.root import build_schema


def test_what_was_not_used_for_the_longest_time_makes_room() -> None:
    cache: MemoryCache[str, int] = MemoryCache(100)
    for number, key in enumerate("abc"):
        cache.add(key, number, size_bytes=40)
    assert [cache.get(key) for key in "abc"] == [None, 1, 2]
    cache.get("b")
    cache.add("d", 3, size_bytes=50)
    assert [cache.get(key) for key in "bcd"] == [1, None, 3]
    assert (len(cache), cache.size_bytes) == (2, 90)


def test_one_large_thing_pushes_out_many_small_ones() -> None:
    cache: MemoryCache[int, str] = MemoryCache(100)
    for number in range(10):
        cache.add(number, "small", size_bytes=10)
    cache.add(10, "large", size_bytes=95)
    assert (len(cache), cache.size_bytes, cache.get(10)) == (1, 95, "large")


def test_what_is_larger_than_the_whole_cache_is_not_kept() -> None:
    cache: MemoryCache[str, int] = MemoryCache(100)
    cache.add("a", 1, size_bytes=100)
    cache.add("b", 2, size_bytes=101)
    assert (cache.get("a"), cache.get("b"), cache.size_bytes) == (1, None, 100)


def test_what_grows_pushes_out_others() -> None:
    cache: MemoryCache[str, int] = MemoryCache(100)
    cache.add("a", 1, size_bytes=40)
    cache.add("b", 2, size_bytes=40)
    cache.grow("b", 30)
    cache.grow("gone", 30)
    assert (cache.get("a"), cache.get("b"), cache.size_bytes) == (None, 2, 70)


def test_a_key_that_is_there_is_counted_once() -> None:
    cache: MemoryCache[str, int] = MemoryCache(100)
    cache.add("a", 1, size_bytes=60)
    cache.add("a", 1, size_bytes=60)
    assert (len(cache), cache.size_bytes) == (1, 60)


def test_the_memory_of_a_document_is_not_underestimated() -> None:
    names = " ".join(f"a{field}" for field in range(950))
    preparer = Preparer(build_schema().preparer._schema, OperationLimits(), introspection=True)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        preparer.prepare(f"{{ me {{ {names} }} }}")
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert taken <= preparer._prepared.size_bytes <= 3 * taken
