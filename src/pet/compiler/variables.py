"""The variables of an operation, coerced as graphql-core does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLSchema,
    VariableDefinitionNode,
    is_leaf_type,
    is_non_null_type,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import get_variable_values
from graphql.pyutils import Undefined
from graphql.utilities.coerce_input_value import coerce_default_value


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A variable that is a scalar or an enum."""

    name: str
    coerce: Callable[[Any], Any]
    is_nullable: bool
    default: Any
    """Undefined where there is none."""


class Variables:
    """The variables that an operation declares.

    graphql-core looks their types up in each run. Here that is done once, where all are scalars and enums.
    """

    def __init__(self, schema: GraphQLSchema, definitions: Sequence[VariableDefinitionNode]) -> None:
        self._schema = schema
        self._definitions = definitions
        leaves = [_leaf(get_variable_signature(schema, definition)) for definition in definitions]
        known = [leaf for leaf in leaves if leaf]
        self._leaves = known if len(known) == len(leaves) else None

    def coerced(self, inputs: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the variables as resolvers get them, without those that are left out; None when they are wrong."""
        if self._leaves is not None:
            try:
                return _coerced(self._leaves, inputs)
            except Exception:  # noqa: BLE001 - of a scalar: graphql-core says what is wrong
                return None
        found = get_variable_values(self._schema, self._definitions, dict(inputs), max_errors=1)
        return None if isinstance(found, list) else found.coerced


def _leaf(signature: GraphQLVariableSignature | GraphQLError) -> _Leaf | None:
    """Return a variable; None where graphql-core has to coerce it, or to say what is wrong with it."""
    if isinstance(signature, GraphQLError):
        return None
    is_nullable = not is_non_null_type(signature.type)
    kind = signature.type if is_nullable else signature.type.of_type  # type: ignore[union-attr]
    if not is_leaf_type(kind):
        return None
    with suppress(TypeError):  # of the default
        return _Leaf(signature.name, kind.coerce_input_value, is_nullable, coerce_default_value(signature))
    return None


def _coerced(leaves: Sequence[_Leaf], inputs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    coerced: dict[str, Any] = {}
    for leaf in leaves:
        value = inputs.get(leaf.name, Undefined)
        if value is Undefined:
            value = leaf.default
            if value is Undefined and leaf.is_nullable:
                continue
        elif value is not None:
            value = leaf.coerce(value)
        if value is Undefined or (value is None and not leaf.is_nullable):
            return None
        coerced[leaf.name] = value
    return coerced
