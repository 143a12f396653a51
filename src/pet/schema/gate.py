"""The gate that every operation passes, on every transport: checks before it, a time limit, its cost after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.types.graphql import OperationType

from pet.context import Context
from pet.domain.errors import DomainError, Invalid, LimitState
from pet.operation_limits import OperationLimits
from pet.schema.budget import Budget
from pet.schema.costs import Cost
from pet.schema.errors import TimedOut
from pet.schema.preparing import Prepared, Preparer


@dataclass(frozen=True, slots=True)
class Charge:
    """What was taken from a caller's budget before an operation ran."""

    requested: int
    state: LimitState


class OperationGate(SchemaExtension):
    """Lets an operation run that its document, its cost and its caller's budget allow; one is made for each.

    Args:
        preparer: knows the documents.
        limits: what an operation may ask for.
        budget: of callers; None where they have none.
    """

    def __init__(self, preparer: Preparer, limits: OperationLimits, budget: Budget | None) -> None:
        super().__init__()
        self._preparer = preparer
        self._limits = limits
        self._budget = budget
        self._prepared: Prepared | None = None
        self._cost: Cost | None = None
        self._charge: Charge | None = None

    def on_parse(self) -> Iterator[None]:
        """Give Strawberry the parsed document."""
        self.enter(self._preparer.prepare(self.execution_context.query or ""))
        yield

    async def on_validate(self) -> AsyncIterator[None]:
        """Give Strawberry the mistakes, or charge the cost: an operation that is denied has not begun."""
        self.execution_context.pre_execution_errors = await self.objections()
        yield

    async def on_execute(self) -> AsyncIterator[None]:
        """Bound the time. A mutation is told when to begin nothing more; what it has begun it ends."""
        context: Context = self.execution_context.context
        if self.execution_context.operation_type is OperationType.MUTATION:
            context.deadline = asyncio.get_running_loop().time() + self._limits.seconds
            yield
        else:
            async with self.bounded():
                yield

    def enter(self, prepared: Prepared) -> None:
        """Let an operation of this document come."""
        self._prepared = prepared
        self.execution_context.graphql_document = prepared.document

    @asynccontextmanager
    async def bounded(self) -> AsyncIterator[None]:
        """Bound the time of what is run within.

        Raises:
            TimedOut: it took longer.
        """
        try:
            async with asyncio.timeout(self._limits.seconds):
                yield
        except TimeoutError as error:
            message = f"The operation took longer than {self._limits.seconds} seconds. Ask for less at once."
            raise TimedOut(message) from error

    async def get_results(self) -> dict[str, Any]:
        """Return what the answer tells about the cost, and give back what was not used."""
        charge, self._charge = self._charge, None
        if charge is None:
            return {}
        actual = self._actual(charge)
        unused = charge.requested - actual
        if unused and self._budget:
            await self._budget.refund(self._context, unused)
        return {
            "cost": {
                "requested": charge.requested,
                "actual": actual,
                "remaining": charge.state.remaining + unused,
                "limit": charge.state.limit,
                "resetSeconds": charge.state.reset_seconds,
            }
        }

    async def objections(self) -> list[GraphQLError]:
        """Return why the operation may not run; if it may, its cost is charged."""
        if self._prepared and self._prepared.errors:
            return list(self._prepared.errors)
        try:
            await self._pay()
        except DomainError as refusal:
            return [GraphQLError(refusal.message, original_error=refusal)]
        return []

    async def _pay(self) -> None:
        execution = self.execution_context
        self._cost = self._prepared.costs.get(execution.operation_name) if self._prepared else None
        requested = self._cost.requested(execution.variables) if self._cost else 0
        if requested > self._limits.cost:
            raise Invalid(
                f"The operation may cost {requested}, and the limit is {self._limits.cost}: ask for smaller pages."
            )
        if self._budget:
            state = await self._budget.spend(self._context, requested, "The operation may cost")
            self._charge = Charge(requested, state) if state else None

    def _actual(self, charge: Charge) -> int:
        """Return what the operation did cost; what failed as a whole, or goes on, costs what it asked for."""
        result = self.execution_context.result
        if self._cost is None or result is None or result.data is None:
            return charge.requested
        return min(charge.requested, self._cost.actual(result.data))

    @property
    def _context(self) -> Context:
        context: Context = self.execution_context.context
        return context
