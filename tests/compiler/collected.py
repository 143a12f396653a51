"""The operations that stand in this repository: those of the app, of the welcome page, and of all other tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from random import Random

from graphql import (
    DocumentNode,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    is_input_type,
    is_non_null_type,
    parse,
    type_from_ast,
    validate,
)

from tests.compiler.operations import Operation
from tests.compiler.values import Supply

ROOT = Path(__file__).parents[2]


def collected(schema: GraphQLSchema, supply: Supply, random: Random) -> Iterator[tuple[Operation, OperationType]]:
    """Yield each query and mutation of each valid document, with values for its variables."""
    for text in sorted(set(_texts())):
        document = _parsed(text)
        if document is None or validate(schema, document):
            continue
        for node in document.definitions:
            if isinstance(node, OperationDefinitionNode) and node.operation is not OperationType.SUBSCRIPTION:
                variables = dict(_variables(schema, supply, random, node))
                yield Operation(text, node.name.value if node.name else None, variables), node.operation


def _texts() -> Iterator[str]:
    """Yield whatever may be a document."""
    for path in (ROOT / "src").rglob("*.graphql"):
        yield path.read_text()
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "{" in node.value:
                yield node.value


def _parsed(text: str) -> DocumentNode | None:
    try:
        return parse(text, max_tokens=4000)
    except GraphQLSyntaxError:
        return None


def _variables(
    schema: GraphQLSchema, supply: Supply, random: Random, operation: OperationDefinitionNode
) -> Iterator[tuple[str, object]]:
    for definition in operation.variable_definitions or ():
        name, kind = definition.variable.name.value, type_from_ast(schema, definition.type)
        assert is_input_type(kind)
        is_needed = is_non_null_type(kind) and definition.default_value is None
        if is_needed or random.random() < 0.5:
            yield name, supply.value(_field_of(name), name, kind)


def _field_of(name: str) -> str:
    """Return the list that a cursor of this name goes on in, by the words that the app uses."""
    return name.removeprefix("after").lower() or "profiles"
