"""The schema explains itself: in an explorer, nothing is without a sentence."""

from __future__ import annotations

from collections.abc import Iterator

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
)
from graphql import build_schema as schema_of

from pet.schema.root import build_schema


def parts(kind: GraphQLNamedType) -> Iterator[tuple[str, str | None]]:
    """Yield the fields, arguments, input fields or values of a type, each with its description."""
    if isinstance(kind, GraphQLEnumType):
        yield from ((f".{name}", value.description) for name, value in kind.values.items())
    if isinstance(kind, GraphQLInputObjectType | GraphQLObjectType | GraphQLInterfaceType):
        yield from ((f".{name}", field.description) for name, field in kind.fields.items())
    if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
        for name, field in kind.fields.items():
            yield from ((f".{name}({key}:)", argument.description) for key, argument in field.args.items())


def named(schema: GraphQLSchema) -> Iterator[tuple[str, str | None]]:
    """Yield everything of the schema that can have a description, with what it has."""
    for name, kind in schema.type_map.items():
        if not name.startswith("__"):
            yield name, kind.description
            yield from ((name + part, description) for part, description in parts(kind))


def test_everything_has_a_description() -> None:
    found = dict(named(schema_of(build_schema().as_str())))
    assert len(found) > 250
    assert [name for name, description in found.items() if not description] == []
