"""What an operation asks for, as a tree: which fields of which objects, how each is read, and what its value must be.

graphql-core collects and merges the selections, with the variables of `@skip` and `@include` known: so order, fragments
and repeated fields are as it has them, and a plan is made for each combination of those variables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    is_union_type,
)
from graphql.execution.collect_fields import (
    CollectedFields,
    FieldDetailsList,
    FragmentDetails,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues
from strawberry import Schema
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

MAX_FIELDS = 400
"""Of a plan: compiling each takes some 50 microseconds, during which nothing else is done. The app's largest operation
has about 50. A field within an interface counts for each type that the object may have."""


class NotCovered(Exception):
    """The operation has something that is not compiled."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar or an enum."""

    kind: GraphQLLeafType
    is_nullable: bool
    python_types: frozenset[type]
    """The classes that Strawberry maps to a scalar of the schema's own."""


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    item: Value
    is_nullable: bool


@dataclass(frozen=True, slots=True)
class Objects:
    """An object, with what is asked of it for each type that it may have."""

    choices: tuple[Object, ...]
    is_abstract: bool
    is_nullable: bool


Value = Leaf | Items | Objects


@dataclass(frozen=True, slots=True)
class Read:
    """A field, under its key in the answer."""

    key: str
    definition: GraphQLField
    field: StrawberryField
    parent: GraphQLObjectType
    nodes: list[FieldNode]
    value: Value


@dataclass(frozen=True, slots=True)
class TypeName:
    """`__typename`, under its key in the answer."""

    key: str


@dataclass(frozen=True, slots=True)
class Object:
    """What is asked of an object of one type."""

    kind: GraphQLObjectType
    python_type: type
    fields: tuple[Read | TypeName, ...]


@dataclass(frozen=True, slots=True)
class Selected:
    """An operation with the fragments of its document."""

    strawberry_schema: Schema
    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]


def queries(strawberry_schema: Schema, schema: GraphQLSchema, document: DocumentNode) -> dict[str | None, Selected]:
    """Return the queries of a document by their names, and the only operation also by none.

    There are none where fragments have variables, which are an experiment of graphql-core's.
    """
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    if any(fragment.variable_definitions for fragment in fragments.values()):
        return {}
    found: dict[str | None, Selected] = {}
    for node in operations:
        if node.operation is OperationType.QUERY:
            selected = found[node.name.value if node.name else None] = Selected(
                strawberry_schema, schema, node, fragments
            )
            if len(operations) == 1:
                found[None] = selected
    return found


def plan(selected: Selected, variables: VariableValues) -> Object:
    """Return what an operation asks of the root.

    Raises:
        NotCovered: it asks for something that only graphql-core answers.
    """
    root = selected.schema.get_root_type(selected.operation.operation)
    if root is None:
        raise NotCovered
    return _Planner(selected, variables).root(root)


class _Planner:
    def __init__(self, selected: Selected, variables: VariableValues) -> None:
        self._schema = selected.schema
        self._scalars = selected.strawberry_schema.schema_converter.scalar_registry
        self._operation = selected.operation
        self._fragments = {name: FragmentDetails(fragment) for name, fragment in selected.fragments.items()}
        self._variables = variables
        self._count = 0

    def root(self, root: GraphQLObjectType) -> Object:
        collected = collect_fields(self._schema, self._fragments, self._variables, root, self._operation)
        return Object(root, type(None), self._fields(root, collected))

    def _object(self, kind: GraphQLObjectType, details: FieldDetailsList) -> Object:
        collected = collect_subfields(self._schema, self._fragments, self._variables, self._operation, kind, details)
        return Object(kind, _python_type(kind), self._fields(kind, collected))

    def _fields(self, parent: GraphQLObjectType, collected: CollectedFields) -> tuple[Read | TypeName, ...]:
        if collected.new_defer_usages:
            raise NotCovered
        return tuple(self._field(parent, key, details) for key, details in collected.grouped_field_set.items())

    def _field(self, parent: GraphQLObjectType, key: str, details: FieldDetailsList) -> Read | TypeName:
        self._count += 1
        node = details[0].node
        definition = self._schema.get_field(parent, node.name.value)
        field = definition and definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if node.name.value == "__typename":
            return TypeName(key)
        if definition is None or not isinstance(field, StrawberryField) or self._count > MAX_FIELDS:
            raise NotCovered
        value = self._value(definition.type, details)
        return Read(key, definition, field, parent, [detail.node for detail in details], value)

    def _value(self, kind: GraphQLOutputType, details: FieldDetailsList, *, is_nullable: bool = True) -> Value:
        if is_non_null_type(kind):
            return self._value(kind.of_type, details, is_nullable=False)
        if is_list_type(kind):
            return Items(self._value(kind.of_type, details), is_nullable)
        if is_leaf_type(kind):
            return Leaf(kind, is_nullable, _python_types_of_scalar(self._scalars, kind))
        if is_object_type(kind):
            return Objects((self._object(kind, details),), is_abstract=False, is_nullable=is_nullable)
        if is_abstract_type(kind):
            choices = tuple(self._object(choice, details) for choice in self._schema.get_possible_types(kind))
            if getattr(_definition(kind), "resolve_type", None) or not _are_told_apart(choices, is_union_type(kind)):
                raise NotCovered
            return Objects(choices, is_abstract=True, is_nullable=is_nullable)
        raise NotCovered


def _definition(kind: Any) -> Any:
    definition = kind.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if definition is None:
        raise NotCovered
    return definition


def _python_type(kind: GraphQLObjectType) -> type:
    """Return the class whose own instances are objects of a type, by Strawberry's rules and by no other."""
    definition = _definition(kind)
    if not isinstance(definition, StrawberryObjectDefinition) or definition.is_type_of or definition.concrete_of:
        raise NotCovered
    return definition.origin


def _are_told_apart(choices: Sequence[Object], is_union: bool) -> bool:
    """Tell whether an object's class alone says which type it has; a union takes the first whose subclass it is."""
    classes = [choice.python_type for choice in choices]
    if len(set(classes)) < len(classes):
        return False
    return not (is_union and any(issubclass(one, other) for one, other in permutations(classes, 2)))


def _python_types_of_scalar(registry: Mapping[object, object], kind: GraphQLLeafType) -> frozenset[type]:
    """Return the classes that stand for a scalar whose instances are neither errors nor awaited, so plain values."""
    definition = kind.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    known = (getattr(key, "__supertype__", key) for key, found in registry.items() if found is definition)
    return frozenset(
        each
        for each in known
        if isinstance(each, type) and not issubclass(each, BaseException) and not hasattr(each, "__await__")
    )
