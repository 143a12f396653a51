"""Operations that were seen: those that come again are compiled, once for each combination of their switches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLError,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
)
from graphql.execution.values import VariableValues

from pet.compiler.plan import NotCovered, Selected, plan
from pet.compiler.source import Program, compiled
from pet.compiler.variables import Variables

MAX_VARIANTS = 16
"""Of an operation: combinations of the variables in its `@skip` and `@include` that are compiled."""

BYTES_OF_SOURCE = 28
"""What each character of a program's source takes with its plan and its code, measured."""

MAX_PAUSE = 64
"""Runs that an operation is left to graphql-core after it has failed again and again: each failure is run twice."""

log = logging.getLogger("pet.compiler")


@dataclass(slots=True)
class Variant:
    """An operation under one combination of its switches."""

    program: Program | None = None
    """None when it is not covered."""
    pause: int = 0
    skips: int = 0

    def may_run(self) -> bool:
        """Tell whether the program should be tried, this time."""
        if self.skips:
            self.skips -= 1
            return False
        return self.program is not None

    def succeeded(self) -> None:
        """Note a run without a surprise."""
        self.pause = 0

    def failed(self) -> None:
        """Note a run that graphql-core had to repeat."""
        self.skips = self.pause
        self.pause = min(max(1, 2 * self.pause), MAX_PAUSE)


class Operation:
    """A query of a document that came a second time.

    Args:
        selected: the query.
        grown: is told the bytes of what is compiled.
    """

    def __init__(self, selected: Selected, grown: Callable[[int], None]) -> None:
        self.selected = selected
        selection_sets = [selected.operation.selection_set]
        selection_sets += [fragment.selection_set for fragment in selected.fragments.values()]
        self._switches = sorted({name for selections in selection_sets for name in _switches(selections)})
        self._variables = Variables(selected.schema, selected.operation.variable_definitions or ())
        self._variants: dict[tuple[Any, ...], Variant] = {}
        self._grown = grown

    def variables(self, inputs: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return the variables as the resolvers get them; None when they are wrong."""
        return self._variables.coerced(inputs or {})

    def variant(self, variables: Mapping[str, Any]) -> Variant | None:
        """Return the variant under these variables, compiled; None where there are too many."""
        key = tuple(map(variables.get, self._switches))
        variant = self._variants.get(key)
        if variant is None and len(self._variants) < MAX_VARIANTS:
            variant = self._variants[key] = Variant(self._compiled(variables))
        return variant

    def _compiled(self, variables: Mapping[str, Any]) -> Program | None:
        try:
            known = VariableValues({}, dict(variables))  # nothing asks where those of switches come from
            program = compiled(plan(self.selected, known), self.selected.strawberry_schema)
        except (NotCovered, GraphQLError):  # the latter where a switch is null: the client is told by graphql-core
            return None
        except Exception:
            log.exception("an operation could not be compiled: graphql-core runs it")
            return None
        self._grown(BYTES_OF_SOURCE * len(program.source))
        return program


def _switches(selection_set: SelectionSetNode) -> Iterator[str]:
    """Return the variables that `@skip` and `@include` ask."""
    for node in selection_set.selections:
        yield from _asked(node)
        nested: SelectionSetNode | None = getattr(node, "selection_set", None)
        if nested:
            yield from _switches(nested)


def _asked(node: SelectionNode) -> Iterator[str]:
    for directive in node.directives or ():
        for argument in directive.arguments or ():
            if directive.name.value in {"skip", "include"} and isinstance(argument.value, VariableNode):
                yield argument.value.name.value
