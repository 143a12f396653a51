"""Asking the schema for all that it can tell: operations made from its types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

from pet.domain.ids import new_uuid7
from pet.schema.root import build_schema

SCHEMA = build_schema()._schema
DEPTH = 3

OTHERS: dict[str, Any] = {"input": {"title": "changed"}}
"""What is given for required arguments that are no ids."""

_REFERENCE = re.compile(r"(?:Id|Ids|Url)$")


def arguments_with_ids() -> dict[str, tuple[str, str, str]]:
    """Return the operation type, field and argument of everything in the schema that takes an id."""
    found = {}
    for parent in (SCHEMA.query_type, SCHEMA.mutation_type, SCHEMA.subscription_type):
        assert parent is not None
        for name, field in parent.fields.items():
            for key, argument in field.args.items():
                for path in id_paths(key, argument.type):
                    found[f"{parent.name}.{name}({path})"] = (parent.name.lower(), name, path)
    return found


def id_paths(path: str, kind: Any) -> Iterator[str]:
    """Yield the paths within an argument that take an id, or the URL of something here."""
    named = get_named_type(kind)
    if isinstance(named, GraphQLInputObjectType):
        for name, field in named.fields.items():
            yield from id_paths(f"{path}.{name}", field.type)
    elif named.name == "ID" or _REFERENCE.search(path):
        yield path


def selection(kind: GraphQLNamedType, depth: int) -> str:
    """Return all that can be asked about a type, some levels deep; connections count as none."""
    if is_leaf_type(kind):
        return ""
    assert isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
    parts = ["__typename"]
    for name, field in kind.fields.items():
        inner = get_named_type(field.type)
        if name == "statsAudit" or any(is_required_argument(argument) for argument in field.args.values()):
            continue
        if is_leaf_type(inner):
            parts.append(name)
        elif depth > 1 or name in {"edges", "node"}:
            page = "(first: 3)" if "first" in field.args else ""
            below = depth - (name not in {"edges", "node"})
            parts.append(f"{name}{page} {{ {selection(inner, below)} }}")
    if isinstance(kind, GraphQLInterfaceType):
        own = SCHEMA.get_implementations(kind).objects
        parts += [f"... on {each.name} {{ {_named_apart(each, depth)} }}" for each in own]
    return " ".join(parts)


def _named_apart(kind: GraphQLObjectType, depth: int) -> str:
    """Return a selection on one type among several, whose fields of one name need not have one type."""
    return re.sub(r"^__typename ", "", selection(kind, depth))


def operation(kind: str, field: str, path: str, value: str) -> tuple[str, dict[str, Any]]:
    """Return an operation that gives an id to a field, and asks for everything that comes back."""
    parent = SCHEMA.query_type if kind == "query" else SCHEMA.mutation_type
    assert parent is not None
    definition = parent.fields[field]
    given = {key: _given(key, argument) for key, argument in definition.args.items() if is_required_argument(argument)}
    name, _, inner = path.partition(".")
    given[name] = {inner: value} if inner else value
    declared = ", ".join(f"${key}: {definition.args[key].type}" for key in given)
    passed = ", ".join(f"{key}: ${key}" for key in given)
    asked = selection(get_named_type(definition.type), DEPTH if kind == "query" else 2)
    below = f"{{ {asked} }}" if asked else ""
    return f"{kind} ({declared}) {{ {field}({passed}) {below} }}", given


def _given(key: str, argument: GraphQLArgument) -> Any:
    return None if get_named_type(argument.type).name == "Upload" else OTHERS.get(key, new_uuid7())
