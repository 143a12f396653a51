"""What compiled code asks about a value that is not of the class that it expects.

Each function returns what graphql-core would answer for the value, or raises `Surprise` where that has to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import iscoroutine
from typing import Any

from graphql import GraphQLObjectType
from graphql.pyutils import Undefined
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE

from pet.compiler.plan import Leaf
from pet.compiler.reading import Surprise


def leaf(expected: Leaf) -> Callable[[Any], Any]:
    """Return what serialises any value of a scalar or an enum."""
    coerce, python_types, is_nullable = expected.kind.coerce_output_value, expected.python_types, expected.is_nullable

    def check(value: Any) -> Any:
        if type(value) not in python_types:
            if is_nullable and (value is None or value is Undefined):
                return None
            _require_ordinary(value)
        serialized = coerce(value)
        if serialized is None or serialized is Undefined:
            raise Surprise
        return serialized

    return check


def object_of(kind: GraphQLObjectType) -> Callable[[Any], None]:
    """Return what looks at an object of another class than the type's own: any object may stand for most types."""

    def check(value: Any) -> None:
        _require_ordinary(value)
        if kind.is_type_of and kind.is_type_of(value, None) is not True:  # type: ignore[arg-type]
            raise Surprise

    return check


def class_of(value: Any) -> type:
    """Return the class by which an object of an interface or a union is known."""
    if hasattr(value, TYPE_CAST_ATTRIBUTE):
        raise Surprise
    return type(value)


def items(value: Any) -> Iterable[Any]:
    """Return a list as it is."""
    if type(value) is not list and type(value) is not tuple:
        _require_ordinary(value)
        raise Surprise
    return value


def _require_ordinary(value: Any) -> None:
    """Refuse nulls, errors that were returned, and what would have to be awaited."""
    if iscoroutine(value):
        value.close()  # nobody will await it: graphql-core asks the resolver again
        raise Surprise
    if value is None or value is Undefined or isinstance(value, Exception) or optimized_is_awaitable(value):
        raise Surprise
