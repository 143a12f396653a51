"""Which attribute a resolver reads, where it does nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dis import get_instructions
from inspect import unwrap
from types import FunctionType
from typing import Any

_MEANS_NOTHING = frozenset({"RESUME", "NOP", "CACHE"})


def attribute_read_by(method: Callable[..., Any]) -> str | None:
    """Return `a.b` for a method that is all `return self.a.b`, and None for any other.

    Its bytecode is read, which has no comments, names or spaces to understand: anything that is not known there
    makes a method like others, which are called.
    """
    if not isinstance(method, FunctionType) or unwrap(method) is not method or method.__code__.co_argcount != 1:
        return None
    steps = [(each.opname, each.argval) for each in get_instructions(method) if each.opname not in _MEANS_NOTHING]
    itself = ("LOAD_FAST", method.__code__.co_varnames[0])
    names = [str(name) for operation, name in steps[1:-1] if operation == "LOAD_ATTR"]
    is_all = bool(names) and len(names) == len(steps) - 2 and steps[0] == itself and steps[-1][0] == "RETURN_VALUE"
    return ".".join(names) if is_all else None
