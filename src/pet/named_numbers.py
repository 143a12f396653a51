"""Settings that are several numbers in one text: `depth=10,budget=50000`."""

from __future__ import annotations

from collections.abc import Collection


def named_numbers(text: str, names: Collection[str]) -> dict[str, int]:
    """Parse whole numbers from 1, each after its name.

    Raises:
        ValueError: a name is none of these, or a number is none.
    """
    pairs = (pair.partition("=") for pair in text.split(","))
    given = {name.strip(): int(number) for name, _, number in pairs}
    if not given.keys() <= set(names) or min(given.values()) < 1:
        raise ValueError(text)
    return given
