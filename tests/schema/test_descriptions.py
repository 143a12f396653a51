"""The schema explains itself: in an explorer, nothing is without a sentence, and nothing old without its successor."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    is_specified_directive,
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
    for directive in (own for own in schema.directives if not is_specified_directive(own)):
        yield f"@{directive.name}", directive.description
        yield from ((f"@{directive.name}({key}:)", argument.description) for key, argument in directive.args.items())


def undescribed(schema: GraphQLSchema) -> list[str]:
    """Return what has no description, or one that is no sentence."""
    return [name for name, description in named(schema) if not description or not re.search(r"[.)]$", description)]


def deprecations(schema: GraphQLSchema) -> Iterator[tuple[str, str]]:
    """Yield everything that is deprecated, with what is said about it."""
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLEnumType):
            yield from _reasons(kind.name, kind.values)
        if isinstance(kind, GraphQLInputObjectType | GraphQLObjectType | GraphQLInterfaceType):
            yield from _reasons(kind.name, kind.fields)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in kind.fields.items():
                yield from _reasons(f"{kind.name}.{name}", field.args)


def _reasons(owner: str, members: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, member in members.items():
        if member.deprecation_reason is not None:
            yield f"{owner}.{name}", member.deprecation_reason


DEPRECATION = re.compile(r"Since \d{4}-\d\d-\d\d: .{10,} Use `\w+(\.\w+)?` instead\.")
"""When it was deprecated, why, and what takes its place."""


def incomplete(schema: GraphQLSchema) -> list[str]:
    """Return what is deprecated without a date, a reason or a replacement."""
    return [name for name, reason in deprecations(schema) if not DEPRECATION.fullmatch(reason)]


def test_everything_has_a_description() -> None:
    schema = schema_of(build_schema().as_str())
    assert len(list(named(schema))) > 250
    assert undescribed(schema) == []


def test_a_description_that_is_missing_is_found_whatever_it_is_of() -> None:
    schema = schema_of("""
        directive @mine(way: String) on FIELD
        type Query implements Named { one(by: By): Kind  other: Either  name: String  at: Moment }
        interface Named { name: String }
        input By { id: ID }
        enum Kind { A }
        union Either = Query
        scalar Moment
    """)
    assert set(undescribed(schema)) >= {
        "Query", "Query.one", "Query.one(by:)", "Named", "Named.name", "By", "By.id", "Kind", "Kind.A", "Either",
        "Moment", "@mine", "@mine(way:)",
    }  # fmt: skip


def test_what_is_deprecated_says_since_when_why_and_what_to_use() -> None:
    assert incomplete(schema_of(build_schema().as_str())) == []


def test_a_deprecation_that_says_too_little_is_found_whatever_it_is_of() -> None:
    schema = schema_of("""
        type Query {
            a: Int @deprecated
            b(c: Int @deprecated(reason: "Use `d` instead.")): Kind
            d: Int @deprecated(reason: "Since 2026-01-31: it was ambiguous. Use `Query.b` instead.")
        }
        input By { id: ID @deprecated(reason: "Since 2026-01-31: it was ambiguous.") }
        enum Kind { A @deprecated(reason: "It was ambiguous. Use `B` instead.") B }
    """)
    assert incomplete(schema) == ["Query.a", "Query.b.c", "By.id", "Kind.A"]
