"""What the hash of a password costs, and how many are made at once: set by the operator."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import Any

from pet.named_numbers import named_numbers

MINIMA = ((46, 1), (19, 2), (12, 3), (9, 4), (7, 5))
"""Memory in MiB with passes: what OWASP's Password Storage Cheat Sheet takes for equally strong, and the least."""


@dataclass(frozen=True, slots=True)
class HashingCosts:
    """The parameters of argon2id (RFC 9106), and the bounds of the work on it."""

    memory: int = 19
    """MiB for one hash."""

    passes: int = 2
    """Over that memory."""

    lanes: int = 1
    """Which one hash fills, one after the other here: more than one helps nobody but whoever guesses."""

    threads: int = 2
    """How many hashes are made at once; each takes a core and the memory."""

    waiting: int = 64
    """How many may wait for a thread: about a second and a half of work on one core. Later ones are turned away."""

    @property
    def memory_kib(self) -> int:
        """The memory of one hash in KiB, as argon2 counts."""
        return self.memory * 1024

    @property
    def is_safe(self) -> bool:
        """Whether a hash costs at least one of `MINIMA`."""
        return any(self.memory >= memory and self.passes >= passes for memory, passes in MINIMA)

    def __str__(self) -> str:
        """Return the form in which an operator writes them."""
        return ",".join(f"{cost.name}={getattr(self, cost.name)}" for cost in fields(self))


MOST = HashingCosts(memory=4096, passes=100, lanes=16, threads=64, waiting=10_000)


def parse_hashing_costs(text: Any) -> Any:
    """Parse `memory=64,passes=3`; what is not named keeps its default. What code passes stays.

    Raises:
        ValueError: a name or a number cannot be used, or a hash would be too cheap.
    """
    if not isinstance(text, str):
        return text
    costs = HashingCosts(**named_numbers(text, [cost.name for cost in fields(HashingCosts)]))
    if not costs.is_safe or any(cost > most for cost, most in zip(astuple(costs), astuple(MOST), strict=True)):
        raise ValueError(text)
    return costs
