"""Both executors over the same services: what each of them answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from pet.context import Context
from pet.domain.viewers import Client
from pet.operation_limits import OperationLimits
from pet.schema.executing import OperationRules, Schema
from pet.schema.root import build_schema
from pet.services import Services
from tests.compiler.faults import Faults
from tests.compiler.network import Identity
from tests.compiler.operations import Operation

ATTEMPTS = 5
"""graphql-core cancels what is beside a failure, and which of two failures comes first is now and then a matter of
the moment: then it may be asked again."""

PATIENT = OperationLimits(seconds=300)
"""A machine that is busy otherwise may make anything take long; what hangs is still ended."""

CLIENT = Client("192.0.2.1")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; `data` is the JSON, in which the order of keys is seen."""

    data: str
    errors: list[Mapping[str, Any]]
    extensions: Mapping[str, Any] | None


def _schema(executor: Any) -> Schema:
    build_schema.cache_clear()  # one that has seen no document
    return build_schema(OperationRules(limits=PATIENT, executor=executor))


@dataclass
class Both:
    """Two schemas that differ in what runs their operations; they prepare documents once for both."""

    services: Services
    plain: Schema = field(default_factory=lambda: _schema("graphql-core"))
    compiled: Schema = field(default_factory=lambda: _schema("compiled"))
    sound_runs: int = 0
    """Answers without an error."""
    sound_compiled_runs: int = 0
    """Those of them that compiled code gave."""

    def __post_init__(self) -> None:
        self.compiled.preparer = self.plain.preparer

    def takes(self, operation: Operation) -> bool:
        """Tell whether an operation keeps within the limits; all else about it must be right."""
        prepared = self.plain.preparer.prepare(operation.text)
        excess = [error for error in prepared.errors if error.original_error]
        assert list(prepared.errors) == excess, operation
        return not excess

    async def warm_up(self, operation: Operation) -> None:
        """Run an operation once: what comes a second time is compiled."""
        await self._run(self.compiled, operation, Context(self.services, CLIENT, None))

    async def answers(
        self, operation: Operation, identity: Identity, faults: Faults | None = None
    ) -> tuple[Answer, Answer]:
        """Return what graphql-core and the compiled code answer."""

        def context() -> Context:
            return (faults.context if faults else Context)(self.services, CLIENT, identity)

        seen: list[Answer] = []
        for _ in range(ATTEMPTS):
            seen.append(await self._run(self.plain, operation, context()))
            before = self.compiled.executor.compiled_runs
            found = await self._run(self.compiled, operation, context())
            if not found.errors:
                self.sound_runs += 1
                self.sound_compiled_runs += self.compiled.executor.compiled_runs - before
            if found in seen or not seen[-1].errors:
                break
        return (found if found in seen else seen[-1]), found

    async def _run(self, schema: Schema, operation: Operation, context: Context) -> Answer:
        result = await schema.execute(operation.text, dict(operation.variables), context, operation_name=operation.name)
        errors = [error.formatted for error in result.errors or ()]
        return Answer(orjson.dumps(result.data).decode(), errors, result.extensions)  # type: ignore[arg-type]
