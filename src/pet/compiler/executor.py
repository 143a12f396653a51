"""What runs operations in place of `graphql.execute`, and hands to it whatever is not compiled."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, cast

import graphql
from graphql import DocumentNode, ExecutionResult, GraphQLSchema
from graphql.pyutils import gather_with_cancel
from strawberry import Schema
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as _ExecutionContext

from pet.compiler.operations import Operation, Variant
from pet.compiler.plan import queries
from pet.compiler.reading import Run
from pet.compiler.source import Complete
from pet.memory_cache import MemoryCache

ExecutorName = Literal["compiled", "graphql-core"]
Result = ExecutionResult | Awaitable[ExecutionResult]
Made = list[dict[str, Any]]
Waiting = list[tuple[Coroutine[Any, Any, Any], Complete, dict[str, Any], str]]
"""What has to be awaited; what completes it; the object and the key where it belongs."""

_USUAL = {"executor_class", "is_async_iterable", "is_awaitable", "middleware"}

CACHE_BYTES = 32 * 1024 * 1024
BYTES_OF_A_DOCUMENT = 5000
BYTES_OF_A_CHARACTER = 130
"""What a document takes with its nodes, measured; its programs are counted when they are made."""


@dataclass(slots=True)
class _Known:
    operations: dict[str | None, Operation] | None = None
    """The queries of a document that came again."""


@dataclass(slots=True)
class Asked:
    """What `graphql.execute` is asked to run, under its names."""

    schema: GraphQLSchema
    document: DocumentNode
    root_value: Any
    context_value: Any
    variable_values: dict[str, Any] | None
    operation_name: str | None
    operation_extensions: dict[str, Any] | None
    options: Mapping[str, Any]


class Executor:
    """Runs operations of one schema; queries that come again are compiled.

    Args:
        strawberry_schema: whose operations they are.
        name: `graphql-core` compiles nothing.
    """

    def __init__(self, strawberry_schema: Schema, name: ExecutorName) -> None:
        self.name = name
        self._strawberry_schema = strawberry_schema
        self.compiled_runs = 0
        self.fallback_runs = 0
        self._known: MemoryCache[str, _Known] = MemoryCache(CACHE_BYTES)

    @property
    def size_bytes(self) -> int:
        """The memory that documents and their programs take."""
        return self._known.size_bytes

    def execute(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        *,
        root_value: Any = None,
        context_value: Any = None,
        variable_values: dict[str, Any] | None = None,
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,
        **options: Any,
    ) -> Result:
        """Run an operation; takes what Strawberry gives to `graphql.execute`, and returns the same."""
        asked = Asked(
            schema,
            document,
            root_value,
            context_value,
            variable_values,
            operation_name,
            operation_extensions,
            options,
        )
        return self.run(asked) if self._compiles(options) else self._interpret(asked)

    def run(self, asked: Asked) -> Result:
        """Run an operation in which nothing takes part but resolvers."""
        operation = self._operation(asked) if self.name == "compiled" else None
        variables = operation.variables(asked.variable_values) if operation else None
        if operation is None or variables is None:
            return self._interpret(asked)
        variant = operation.variant(variables)
        if variant is None or not variant.may_run():
            return self._interpret(asked)
        run = Run(operation.selected, asked.context_value, asked.root_value, variables, asked.operation_extensions)
        return self._run(variant, run, asked)

    def _interpret(self, asked: Asked) -> Result:
        self.fallback_runs += 1
        return graphql.execute(
            asked.schema,
            asked.document,
            root_value=asked.root_value,
            context_value=asked.context_value,
            variable_values=asked.variable_values,
            operation_name=asked.operation_name,
            operation_extensions=asked.operation_extensions,
            **asked.options,
        )

    def _compiles(self, options: Mapping[str, Any]) -> bool:
        """Tell whether nothing takes part in the execution but resolvers."""
        middleware, executor_class = options.get("middleware"), options.get("executor_class", _ExecutionContext)
        has_middleware = middleware is not None and middleware.middlewares
        is_usual = executor_class is _ExecutionContext and not has_middleware and options.keys() <= _USUAL
        return bool(is_usual)

    def _operation(self, asked: Asked) -> Operation | None:
        """Return an operation that came before: to compile what comes once would cost more than it saves."""
        if asked.document.loc is None:
            return None
        text = asked.document.loc.source.body
        known = self._known.get(text)
        if known is None:
            self._known.add(text, _Known(), size_bytes=BYTES_OF_A_DOCUMENT + BYTES_OF_A_CHARACTER * len(text))
            return None
        if known.operations is None:
            grown = partial(self._known.grow, text)
            found = queries(self._strawberry_schema, asked.schema, asked.document)
            known.operations = {key: Operation(selected, grown) for key, selected in found.items()}
        return known.operations.get(asked.operation_name)

    def _run(self, variant: Variant, run: Run, asked: Asked) -> Result:
        program, waiting = variant.program, cast("Waiting", [])
        assert program is not None  # noqa: S101 - or the variant may not run
        try:
            arguments = [make(run) for make in program.arguments]
            data = program.complete(run.root_value, arguments, waiting)
        except Exception:  # noqa: BLE001 - graphql-core meets it again, and tells where
            _close(waiting)
            variant.failed()
            return self._interpret(asked)
        if waiting:
            return self._awaited(variant, data, arguments, waiting, asked)
        return self._succeeded(variant, data)

    async def _awaited(
        self, variant: Variant, data: dict[str, Any], arguments: Made, waiting: Waiting, asked: Asked
    ) -> ExecutionResult:
        try:
            await _complete_all(waiting, arguments)
        except Exception:  # noqa: BLE001 - graphql-core meets it again, and tells where
            variant.failed()
            result = self._interpret(asked)
            return result if isinstance(result, ExecutionResult) else await result
        return self._succeeded(variant, data)

    def _succeeded(self, variant: Variant, data: dict[str, Any]) -> ExecutionResult:
        variant.succeeded()
        self.compiled_runs += 1
        return ExecutionResult(data, None)


async def _complete_all(waiting: Waiting, arguments: Made) -> None:
    """Await side by side, as graphql-core does, so that loaders batch; a first failure ends the others."""
    while len(waiting) == 1:
        coroutine, complete, target, key = waiting.pop()
        value = await coroutine
        try:
            target[key] = complete(value, arguments, waiting)
        except Exception:
            _close(waiting)
            raise
    if not waiting:
        return
    try:
        await gather_with_cancel(*(_complete_all([one], arguments) for one in waiting))
    except BaseException:
        _close(waiting)  # what was cancelled before it began, from inside or outside, has awaited nothing
        raise


def _close(waiting: Waiting) -> None:
    for coroutine, *_ in waiting:
        coroutine.close()
