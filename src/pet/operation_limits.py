"""What one GraphQL operation may ask for: set by the operator, shown to clients by `serverInfo`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from pet.named_numbers import named_numbers

MAX_ROOTS = 250
"""graphql-core begins the changes of a mutation in one another, and Python ends at 1,000 calls within calls."""


@dataclass(frozen=True, slots=True)
class OperationLimits:
    """The most that one operation may have, and what all operations of a caller may cost in a minute.

    What fragments bring counts each time that they are spread.
    """

    tokens: int = 4000
    """Of the whole document. The app's file of operations, which some clients send with every request, has 1,200."""

    depth: int = 15
    """Objects within objects; the app's deepest operation has 6."""

    fields: int = 1000
    """The app's largest operation has about 50."""

    aliases: int = 100
    """Aliased fields, and fields that are repeated beside each other."""

    roots: int = 20
    """Fields at the top: each is a read or a change of its own."""

    directives: int = 50
    """`@include` and `@skip`, mostly."""

    cost: int = 20_000
    """Objects that the operation can return at most, by its page sizes; a change weighs more."""

    budget: int = 100_000
    """The cost of all operations of one viewer, or of one address without a token, in a minute."""

    seconds: int = 10
    """How long a query may run; of a mutation, no further field is begun then."""

    def __str__(self) -> str:
        """Return the form in which an operator writes them."""
        return ",".join(f"{limit.name}={getattr(self, limit.name)}" for limit in fields(self))


def parse_operation_limits(text: Any) -> Any:
    """Parse `depth=10,budget=50000`; what is not named keeps its default. What code passes stays.

    Raises:
        ValueError: a name or a number cannot be used, or one operation may cost more than the budget of a minute.
    """
    if not isinstance(text, str):
        return text
    limits = OperationLimits(**named_numbers(text, [limit.name for limit in fields(OperationLimits)]))
    if limits.cost > limits.budget or limits.roots > MAX_ROOTS:
        raise ValueError(text)
    return limits
