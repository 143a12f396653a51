"""What runs operations in place of `graphql.execute`, and hands to it whatever is not compiled."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Literal

import graphql
from graphql import DocumentNode, ExecutionResult, GraphQLSchema

ExecutorName = Literal["compiled", "graphql-core"]


class Executor:
    """Runs operations of one schema.

    Args:
        name: `graphql-core` compiles nothing.
    """

    def __init__(self, name: ExecutorName) -> None:
        self.name = name
        self.compiled_runs = 0
        self.fallback_runs = 0

    def execute(
        self, schema: GraphQLSchema, document: DocumentNode, **options: Any
    ) -> ExecutionResult | Awaitable[ExecutionResult]:
        """Run an operation; takes and returns what `graphql.execute` does."""
        self.fallback_runs += 1
        return graphql.execute(schema, document, **options)
