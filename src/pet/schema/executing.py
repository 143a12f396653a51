"""Running operations: Strawberry's schema, with the operator's rules before it and our words for its errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import strawberry
from graphql import ExecutionResult as GraphQLResult
from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.schema.schema import StreamResult
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from pet.compiler.executor import Asked, Executor, ExecutorName
from pet.context import Context
from pet.domain.errors import DomainError
from pet.operation_limits import OperationLimits
from pet.schema.budget import Budget
from pet.schema.documents import Documents
from pet.schema.errors import translate
from pet.schema.gate import Gate, GateExtension
from pet.schema.preparing import PreparedOperation, Preparer

CHARACTERS_OF_A_UNIT = 20
"""Of a document that nobody has sent lately: to parse and check them takes about as long as one object of an answer."""

_SUGGESTION = re.compile(r" Did you mean [^?]*\?")


@dataclass(frozen=True, slots=True)
class OperationRules:
    """What the operator decides about operations."""

    limits: OperationLimits = field(default_factory=OperationLimits)
    trusted_only: bool = False
    """Whether only the app's own documents are run."""
    introspection: bool = True
    """Whether clients may read the schema."""
    suggestions: bool = True
    """Whether an error names what the client could have meant."""
    is_charged: bool = False
    """Whether the cost of operations is taken from a budget."""
    executor: ExecutorName = "compiled"
    """What runs them."""


class Schema(strawberry.Schema):
    """Strawberry's schema, with errors in our words, a gate before operations and a context for each of them."""

    def __init__(self, rules: OperationRules, **parts: Any) -> None:
        super().__init__(**parts, extensions=[self._gate_extension])
        self.rules = rules
        self.preparer = Preparer(self._schema, rules.limits, introspection=rules.introspection)
        self._budget = Budget(rules.limits.budget) if rules.is_charged else None
        self._gate = Gate(rules.limits, self._budget)
        self.executor = Executor(self, rules.executor)
        self._options = {"executor_class": self.execution_context_class, "is_awaitable": optimized_is_awaitable}
        self.documents = Documents(self.preparer.parse, trusted_only=rules.trusted_only)

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,
        root_value: Any = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """Run one operation to its end, so no subscription: `stream` runs those."""
        allowed = {*(allowed_operation_types or OperationType)} - {OperationType.SUBSCRIPTION}
        known = self.known_query(query, operation_name)
        if known is None:
            if objection := await self._objection(query, operation_name, context_value):
                return PreExecutionError(data=None, errors=[objection])
            known = self.known_query(query, operation_name)
        if known is None or OperationType.QUERY not in allowed:
            return await super().execute(
                query, variable_values, context_value, root_value, operation_name, allowed, operation_extensions
            )
        return await self.run_query(
            known, variable_values, context_value, root_value, operation_name, operation_extensions
        )

    def known_query(self, query: str | None, operation_name: str | None) -> PreparedOperation | None:
        """Return a query whose document is prepared and has nothing against it; None for any other operation."""
        prepared = self.preparer.known(query) if query else None
        operation = prepared.operations.get(operation_name) if prepared else None
        return operation if operation and operation.is_query else None

    async def run_query(
        self,
        operation: PreparedOperation,
        variables: dict[str, Any] | None,
        context: Context,
        root_value: Any,
        operation_name: str | None,
        operation_extensions: dict[str, Any] | None,
    ) -> ExecutionResult:
        """Run a query past the gate as Strawberry would, without what it has for any number of extensions."""
        charge = None
        try:
            charge = await self._gate.charge(operation.cost, variables, context)
            running = self.executor.run(
                Asked(
                    self._schema,
                    operation.document,
                    root_value,
                    context,
                    variables,
                    operation_name,
                    operation_extensions,
                    self._options,
                )
            )
            found = running if isinstance(running, GraphQLResult) else await self._gate.bounded(running)
            result = ExecutionResult(found.data, found.errors)
        except Exception as error:  # noqa: BLE001 - the client is told, as Strawberry would
            result = PreExecutionError(data=None, errors=[_as_graphql(error)])
        if result.errors:
            self.process_errors(result.errors)
        if charge:
            result.extensions = await self._gate.settle(charge, result.data, context)
        return result

    async def stream(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,
        root_value: Any = None,
        operation_name: str | None = None,
        *args: Any,
        **options: Any,
    ) -> StreamResult:
        """Run an operation over a WebSocket or a stream of events, on a context of its own.

        A connection outlives sessions, and what one operation has loaded is old for the next.
        """
        try:
            renewed = await context_value.renewed() if context_value else None
        except DomainError as error:
            refusal = _as_graphql(error)
            self.process_errors([refusal])
            return _refused(refusal)
        objection = await self._objection(query, operation_name, renewed) or self._unknown(query, operation_name)
        if objection:
            return _refused(objection)
        return await super().stream(query, variable_values, renewed, root_value, operation_name, *args, **options)

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Translate errors in place, on every transport."""
        del execution_context
        for error in errors:
            translate(error)
            if not self.rules.suggestions:
                error.message = _SUGGESTION.sub("", error.message)

    def _get_execute_function(self) -> Callable[..., Any]:
        """Return what Strawberry runs operations with, over every transport."""
        return self.executor.execute

    def _unknown(self, query: str | None, operation_name: str | None) -> GraphQLError | None:
        """Return an error for an operation that is not in its document: Strawberry would end the whole socket."""
        prepared = self.preparer.prepare(query) if query and operation_name else None
        if prepared is None or prepared.errors or operation_name in prepared.operations:
            return None
        objection = GraphQLError(f"The document has no operation {operation_name!r}.")
        self.process_errors([objection])
        return objection

    def _gate_extension(self) -> GateExtension:
        return GateExtension(self.preparer, self._gate)

    async def _objection(
        self, query: str | None, operation_name: str | None, context: Context | None
    ) -> GraphQLError | None:
        """Return why nothing of a document can run, which Strawberry would tell otherwise on each transport."""
        try:
            if query and context and self._budget and self.preparer.known(query) is None:
                effort = max(1, len(query) // CHARACTERS_OF_A_UNIT)
                await self._budget.spend(context, effort, "The document is new here, which costs")
            prepared = self.preparer.prepare(query) if query else None
        except DomainError as error:
            objection = _as_graphql(error)
        except GraphQLSyntaxError as error:
            objection = GraphQLError(error.message, source=error.source, positions=error.positions)
        else:
            if prepared is None or prepared.errors or operation_name or not prepared.has_several_operations:
                return None
            objection = GraphQLError("The document has several operations: say in operationName which one to run.")
        self.process_errors([objection])
        return objection


def _as_graphql(error: Exception) -> GraphQLError:
    if isinstance(error, GraphQLError):
        return error
    message = error.message if isinstance(error, DomainError) else str(error)
    return GraphQLError(message, original_error=error)


async def _refused(error: GraphQLError) -> StreamResult:
    """Tell why an operation could not begin: else its end would look like that of one without a result."""
    yield PreExecutionError(data=None, errors=[error])
