"""The gate that every operation passes, on every transport: checks before it, a time limit, its cost after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from graphql import DocumentNode, GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.types.graphql import OperationType

from pet.context import Context
from pet.domain.errors import DomainError, Invalid, LimitState
from pet.operation_limits import OperationLimits
from pet.schema.budget import Budget
from pet.schema.costs import Cost
from pet.schema.deadlines import Deadlines
from pet.schema.errors import TimedOut
from pet.schema.preparing import Prepared, Preparer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Charge:
    """What was taken from a caller's budget before an operation ran."""

    cost: Cost
    requested: int
    state: LimitState


class Gate:
    """Lets operations run that their cost and their caller's budget allow.

    Args:
        limits: what an operation may ask for.
        budget: of callers; None where they have none.
    """

    def __init__(self, limits: OperationLimits, budget: Budget | None) -> None:
        self.limits = limits
        self._budget = budget
        self._deadlines: Deadlines | None = None

    async def charge(self, cost: Cost, variables: Mapping[str, Any] | None, context: Context) -> Charge | None:
        """Take the cost of an operation from its caller's budget; None where nobody counts.

        Raises:
            Invalid: it may cost more than any may.
            RateLimited: it may cost more than the caller has left.
        """
        requested = cost.requested(variables)
        if requested > self.limits.cost:
            raise Invalid(
                f"The operation may cost {requested}, and the limit is {self.limits.cost}: ask for smaller pages."
            )
        if self._budget is None:
            return None
        state = await self._budget.spend(context, requested, "The operation may cost")
        return Charge(cost, requested, state) if state else None

    async def settle(self, charge: Charge | None, data: Mapping[str, Any] | None, context: Context) -> dict[str, Any]:
        """Return what the answer tells about the cost, and give back what was not used.

        Args:
            charge: what was taken.
            data: the answer's; what failed as a whole, or goes on, has none and costs what it asked for.
            context: the caller's.
        """
        if charge is None or self._budget is None:
            return {}
        actual = charge.requested if data is None else min(charge.requested, charge.cost.actual(data))
        unused = charge.requested - actual
        if unused:
            await self._budget.refund(context, unused)
        return {
            "cost": {
                "requested": charge.requested,
                "actual": actual,
                "remaining": charge.state.remaining + unused,
                "limit": charge.state.limit,
                "resetSeconds": charge.state.reset_seconds,
            }
        }

    async def bounded(self, running: Awaitable[T]) -> T:
        """Return the result of what runs, within the time that it may take.

        Raises:
            TimedOut: it took longer.
        """
        if self._deadlines is None or self._deadlines.loop is not asyncio.get_running_loop():
            self._deadlines = Deadlines(self.limits.seconds)
        try:
            return await self._deadlines.bounded(running)
        except TimeoutError as error:
            raise self.overdue() from error

    def overdue(self) -> TimedOut:
        """Return the error of an operation that took too long."""
        return TimedOut(f"The operation took longer than {self.limits.seconds} seconds. Ask for less at once.")


class GateExtension(SchemaExtension):
    """The gate where Strawberry runs an operation; one is made for each.

    Args:
        preparer: knows the documents.
        gate: lets operations run.
    """

    def __init__(self, preparer: Preparer, gate: Gate) -> None:
        super().__init__()
        self._preparer = preparer
        self._gate = gate
        self._prepared = Prepared(DocumentNode())
        self._charge: Charge | None = None

    def on_parse(self) -> Iterator[None]:
        """Give Strawberry the parsed document."""
        self._prepared = self._preparer.prepare(self.execution_context.query or "")
        self.execution_context.graphql_document = self._prepared.document
        yield

    async def on_validate(self) -> AsyncIterator[None]:
        """Give Strawberry the mistakes, or charge the cost: an operation that is denied has not begun."""
        self.execution_context.pre_execution_errors = await self._objections()
        yield

    async def on_execute(self) -> AsyncIterator[None]:
        """Bound the time. A mutation is told when to begin nothing more; what it has begun it ends."""
        limit_seconds = self._gate.limits.seconds
        if self.execution_context.operation_type is OperationType.MUTATION:
            self._context.deadline = asyncio.get_running_loop().time() + limit_seconds
            yield
            return
        try:
            async with asyncio.timeout(limit_seconds):
                yield
        except TimeoutError as error:
            raise self._gate.overdue() from error

    async def get_results(self) -> dict[str, Any]:
        """Return what the answer tells about the cost, once: a stream has further results."""
        charge, self._charge = self._charge, None
        result = self.execution_context.result
        return await self._gate.settle(charge, result.data if result else None, self._context)

    async def _objections(self) -> list[GraphQLError]:
        """Return why the operation may not run; if it may, its cost is charged."""
        execution = self.execution_context
        operation = self._prepared.operations.get(execution.operation_name)
        if operation is None:
            return list(self._prepared.errors)
        try:
            self._charge = await self._gate.charge(operation.cost, execution.variables, self._context)
        except DomainError as refusal:
            return [GraphQLError(refusal.message, original_error=refusal)]
        return []

    @property
    def _context(self) -> Context:
        context: Context = self.execution_context.context
        return context
