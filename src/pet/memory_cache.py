"""A cache that is bounded by the memory of what it keeps, not by how many things there are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class MemoryCache(Generic[K, V]):
    """Keeps what was used last, as far as the bytes go. Whoever adds says how large a thing is.

    Args:
        max_bytes: of all that is kept together; what is larger alone is not kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.size_bytes = 0

    def get(self, key: K) -> V | None:
        """Return what is kept under a key, and let it be the last to go; None when there is nothing."""
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found[0]

    def add(self, key: K, value: V, *, size_bytes: int) -> None:
        """Keep a thing under a key that is free; what was not used for the longest time makes room."""
        if size_bytes > self._max_bytes or key in self._kept:
            return
        self._kept[key] = (value, size_bytes)
        self._make_room(size_bytes)

    def grow(self, key: K, size_bytes: int) -> None:
        """Count what a thing takes more than when it was added; nothing happens when it has gone meanwhile."""
        found = self._kept.get(key)
        if found is not None:
            self._kept[key] = (found[0], found[1] + size_bytes)
            self._make_room(size_bytes)

    def _make_room(self, size_bytes: int) -> None:
        self.size_bytes += size_bytes
        while self.size_bytes > self._max_bytes:
            _, (_, freed) = self._kept.popitem(last=False)
            self.size_bytes -= freed

    def __len__(self) -> int:
        return len(self._kept)
