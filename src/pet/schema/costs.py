"""What an operation may cost, by its page sizes, before it runs; and what it did cost, by what it returned.

Every object costs 1, and an item of a page as much as everything that is asked about it: pages within pages multiply.
A field at the top of a mutation costs 10 more, and a read of the schema 500. Values that are no objects cost nothing,
but for long lists of them: 1 for each hundred.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLField,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
)

from pet.domain.paging import MAX_PAGE
from pet.domain.waveforms import POINTS

MUTATION = 10
"""On top of what a mutation returns: a password to hash, a file to read, a change to write."""

SCHEMA_READ = 500
"""About what an operation of this cost takes, measured."""

VALUES = 100
"""So many values cost 1 in a list of them that is asked for by their number (`points`)."""

FREE = frozenset({"node", "pageInfo", "userErrors"})
"""Parts of an edge, a connection or a payload, which count as one with it."""

DEFAULT_PAGE = 20
"""Of a connection that is not told how many."""

DEFAULT_POINTS = 200
"""Of a waveform that is not told how many."""

PLAIN_LIST = 10
"""The usual length of a list without pages: the sessions of an account."""

Items = int | str
"""How many items a list has at most: a number, or the name of the variable that says it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A field that returns objects or many values, under the key that it has in the answer.

    `items` is None where it returns one object.
    """

    key: str
    weight: int
    items: Items | None
    parts: tuple[Part, ...]
    are_values: bool = False
    """Whether the items are plain values."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of an operation."""

    parts: tuple[Part, ...]
    defaults: Mapping[str, int]
    """Of the variables that are page sizes."""

    def requested(self, variables: Mapping[str, Any] | None) -> int:
        """Return what the operation costs at most with these variables, at least 1."""
        sizes = {**self.defaults, **(variables or {})}
        return max(1, _requested(self.parts, sizes))

    def actual(self, data: Mapping[str, Any]) -> int:
        """Return what an answer did cost, at least 1."""
        return max(1, _actual(self.parts, data))


def costs_of(schema: GraphQLSchema, document: DocumentNode) -> dict[str | None, Cost]:
    """Return the cost of each operation of a valid document, by its name."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    return {
        node.name.value if node.name else None: _cost_of(schema, node, fragments)
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode)
    }


def _requested(parts: Iterable[Part], sizes: Mapping[str, Any]) -> int:
    total = 0
    for part in parts:
        if part.are_values:
            total += _hundreds(_points(part.items, sizes))
            continue
        one = part.weight + _requested(part.parts, sizes)
        total += one if part.items is None else one * _number(part.items, sizes)
    return total


def _number(items: Items, sizes: Mapping[str, Any]) -> int:
    """Return how many items are asked for; a size that is out of bounds is refused when the field is resolved."""
    size = sizes.get(items) if isinstance(items, str) else items
    return min(max(size, 1), MAX_PAGE) if isinstance(size, int) else DEFAULT_PAGE


def _points(items: Items | None, sizes: Mapping[str, Any]) -> int:
    size = sizes.get(items) if isinstance(items, str) else items
    return min(max(size, 1), POINTS) if isinstance(size, int) else DEFAULT_POINTS


def _hundreds(values: int) -> int:
    return -(-values // VALUES)


def _actual(parts: Iterable[Part], data: Mapping[str, Any]) -> int:
    total = 0
    for part in parts:
        value = data.get(part.key)
        if part.are_values:
            total += _hundreds(len(value or ()))
        elif part.key in data:
            objects = value if isinstance(value, list) else (value,)
            total += sum(part.weight + (_actual(part.parts, item) if item else 0) for item in objects)
    return total


def _cost_of(
    schema: GraphQLSchema, operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> Cost:
    root = schema.get_root_type(operation.operation)
    parts = _Compiler(schema, fragments).parts([(root, operation.selection_set)]) if root else ()
    if operation.operation is OperationType.MUTATION:
        parts = tuple(Part(part.key, part.weight + MUTATION, part.items, part.parts) for part in parts)
    defaults = {
        definition.variable.name.value: int(definition.default_value.value)
        for definition in operation.variable_definitions or ()
        if isinstance(definition.default_value, IntValueNode)
    }
    return Cost(parts, defaults)


Selected = tuple[GraphQLCompositeType, SelectionSetNode]


class _Compiler:
    """Turns selections into the parts that cost something; those under one key are one, as in the answer."""

    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._schema = schema
        self._fragments = fragments

    def parts(self, selected: Sequence[Selected], page: Items | None = None) -> tuple[Part, ...]:
        """Return the parts of an object.

        Args:
            selected: what is asked about it, each with the type that it is asked of.
            page: the page size, where the object is a connection.
        """
        by_key: dict[str, list[tuple[GraphQLCompositeType, FieldNode]]] = {}
        for parent, selection_set in selected:
            for kind, node in self._fields(parent, selection_set):
                key = (node.alias or node.name).value
                by_key.setdefault(key, []).append((kind, node))
        found = (self._part(key, nodes, page) for key, nodes in by_key.items())
        return tuple(part for part in found if part)

    def _fields(
        self, parent: GraphQLCompositeType, selection_set: SelectionSetNode
    ) -> Iterator[tuple[GraphQLCompositeType, FieldNode]]:
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                yield parent, node
            elif isinstance(node, FragmentSpreadNode):
                fragment = self._fragments[node.name.value]
                yield from self._fields(self._kind(fragment.type_condition.name.value), fragment.selection_set)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                yield from self._fields(self._kind(condition.name.value) if condition else parent, node.selection_set)

    def _part(
        self, key: str, nodes: Sequence[tuple[GraphQLCompositeType, FieldNode]], page: Items | None
    ) -> Part | None:
        parent, node = nodes[0]
        name = node.name.value
        if name in {"__schema", "__type"}:
            return Part(key, SCHEMA_READ, None, ())
        field = self._schema.get_field(parent, name)
        kind = get_named_type(field.type) if field else None
        if field is not None and "points" in field.args:
            return Part(key, 1, _argument(node, "points", default=DEFAULT_POINTS), (), are_values=True)
        if field is None or not is_composite_type(kind):
            return None
        within = [(kind, node.selection_set) for _, node in nodes if node.selection_set]
        items = (page or PLAIN_LIST) if _is_list(field) else None
        return Part(key, 0 if name in FREE else 1, items, self.parts(within, _page_size(field, node)))

    def _kind(self, name: str) -> GraphQLCompositeType:
        return cast("GraphQLCompositeType", self._schema.type_map[name])


def _is_list(field: GraphQLField) -> bool:
    return is_list_type(field.type.of_type if is_non_null_type(field.type) else field.type)


def _page_size(field: GraphQLField, node: FieldNode) -> Items | None:
    """Return the page size that a connection is asked for, None for what has no pages."""
    return _argument(node, "first", default=DEFAULT_PAGE) if "first" in field.args else None


def _argument(node: FieldNode, name: str, *, default: int) -> Items:
    value = next((argument.value for argument in node.arguments or () if argument.name.value == name), None)
    if isinstance(value, VariableNode):
        return value.name.value
    return int(value.value) if isinstance(value, IntValueNode) else default
