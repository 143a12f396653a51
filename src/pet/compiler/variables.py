"""The variables of an operation, coerced as graphql-core does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLSchema,
    VariableDefinitionNode,
    is_leaf_type,
    is_non_null_type,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource, get_variable_values
from graphql.pyutils import Undefined
from graphql.utilities.coerce_input_value import coerce_default_value, coerce_input_value


class Variables:
    """The variables that an operation declares.

    graphql-core looks their types up in each run. Here that is done once, where all are scalars and enums.
    """

    def __init__(self, schema: GraphQLSchema, definitions: Sequence[VariableDefinitionNode]) -> None:
        self._schema = schema
        self._definitions = definitions
        signatures = [get_variable_signature(schema, definition) for definition in definitions]
        known = [one for one in signatures if not isinstance(one, GraphQLError) and _is_leaf(one)]
        self._leaves = known if len(known) == len(signatures) else None

    def coerced(self, inputs: Mapping[str, Any]) -> VariableValues | None:
        """Return the variables as resolvers get them; None when they are wrong."""
        if self._leaves is not None:
            with suppress(Exception):  # of a default: graphql-core says what is wrong
                return _coerced(self._leaves, inputs)
            return None
        found = get_variable_values(self._schema, self._definitions, dict(inputs), max_errors=1)
        return None if isinstance(found, list) else found


def _is_leaf(signature: GraphQLVariableSignature) -> bool:
    kind = signature.type
    return is_leaf_type(kind.of_type if is_non_null_type(kind) else kind)


def _coerced(signatures: Sequence[GraphQLVariableSignature], inputs: Mapping[str, Any]) -> VariableValues | None:
    sources: dict[str, VariableValueSource] = {}
    coerced: dict[str, Any] = {}
    for signature in signatures:
        name = signature.name
        if name in inputs:
            sources[name] = VariableValueSource(signature, inputs[name])
            coerced[name] = coerce_input_value(inputs[name], signature.type)
        else:
            sources[name] = VariableValueSource(signature)
            if signature.default:
                coerced[name] = coerce_default_value(signature)
            elif is_non_null_type(signature.type):
                return None
    return None if Undefined in coerced.values() else VariableValues(sources, coerced)
