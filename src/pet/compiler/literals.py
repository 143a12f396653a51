"""The arguments of a field as graphql-core reads them, with its look-ups of types, defaults and literals made once.

What is written in a document is made anew for each run where a resolver could change it: lists and input objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    ValueNode,
    VariableNode,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
    is_required_input_field,
)
from graphql.pyutils import Undefined
from graphql.utilities.coerce_input_value import coerce_default_value, coerce_input_literal

from pet.compiler.plan import NotCovered

Place = GraphQLArgument | GraphQLInputField
Make = Callable[[Mapping[str, Any]], Any]
"""Makes a value of the coerced variables."""


class CannotBeMade(Exception):
    """The variables do not fit where they are used: graphql-core says why."""


def given_by(definition: GraphQLField, node: FieldNode) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return what makes a field's arguments of the coerced variables, by name; it may raise `CannotBeMade`.

    Raises:
        NotCovered: graphql-core has to do it.
    """
    return _places(definition.args, {one.name.value: one.value for one in node.arguments or ()})


def _places(places: Mapping[str, Any], nodes: Mapping[str, ValueNode]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    makes = [(place.out_name or name, _place(place, nodes.get(name))) for name, place in places.items()]
    made = [(name, make) for name, make in makes if make]

    def given(variables: Mapping[str, Any]) -> dict[str, Any]:
        values = {}
        for name, make in made:
            value = make(variables)
            if value is not Undefined:
                values[name] = value
        return values

    return given


def _place(place: Place, node: ValueNode | None) -> Make | None:
    """Return what makes the value of an argument or an input field, Undefined where it is left out; None if always."""
    if isinstance(node, VariableNode):
        return _variable(node, place.type, absent=_if_absent(place))
    if node is not None:
        return _literal(node, place.type)
    default = _if_absent(place)
    if default is CannotBeMade:
        raise NotCovered
    return None if default is Undefined else lambda _: default


def _if_absent(place: Place) -> Any:
    """Return the default, Undefined where there is none, and `CannotBeMade` where a value must be given."""
    if is_required_argument(place) if isinstance(place, GraphQLArgument) else is_required_input_field(place):
        return CannotBeMade
    try:
        return coerce_default_value(place)
    except TypeError as error:
        raise NotCovered from error


def _variable(node: VariableNode, kind: GraphQLInputType, *, absent: Any) -> Make:
    name, is_nullable = node.name.value, not is_non_null_type(kind)

    def value(variables: Mapping[str, Any]) -> Any:
        found = variables.get(name, absent)
        if found is CannotBeMade or (found is None and not is_nullable):
            raise CannotBeMade(name)
        return found

    return value


def _literal(node: ValueNode, kind: GraphQLInputType) -> Make:
    nullable = kind.of_type if is_non_null_type(kind) else kind
    is_null = isinstance(node, NullValueNode)
    if is_list_type(nullable) and not is_null:
        return _list(node, nullable.of_type)
    if is_input_object_type(nullable) and isinstance(node, ObjectValueNode):
        return _object(node, nullable)
    if isinstance(node, ListValueNode | ObjectValueNode):
        raise NotCovered  # a scalar with parts, variables among them: only graphql-core knows what was sent for those
    value = coerce_input_literal(node, kind)
    if value is Undefined:
        raise NotCovered
    return lambda _: value


def _list(node: ValueNode, kind: GraphQLInputType) -> Make:
    nodes = node.values if isinstance(node, ListValueNode) else (node,)  # a single value stands for a list of it
    absent = CannotBeMade if is_non_null_type(kind) else None
    items = [
        _variable(item, kind, absent=absent) if isinstance(item, VariableNode) else _literal(item, kind)
        for item in nodes
    ]
    return lambda variables: [item(variables) for item in items]


def _object(node: ObjectValueNode, kind: GraphQLInputObjectType) -> Make:
    nodes = {field.name.value: field.value for field in node.fields}
    if nodes.keys() - kind.fields.keys() or (kind.is_one_of and len(nodes) != 1):
        raise NotCovered
    fields, finish = _places(kind.fields, nodes), kind.out_type
    if not kind.is_one_of:
        return lambda variables: finish(fields(variables))

    def one(variables: Mapping[str, Any]) -> Any:
        values = fields(variables)
        if len(values) != 1 or None in values.values():
            raise CannotBeMade
        return finish(values)

    return one
