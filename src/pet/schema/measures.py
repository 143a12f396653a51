"""How large a document is, before anything expensive is done with it.

Validation is quadratic in places, and fragments that spread fragments double with each step. So the document is counted
first, each fragment once, in time that grows with its text alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
)

from pet.domain.errors import Invalid
from pet.operation_limits import OperationLimits

MAX_DEFINITIONS = 200
"""Operations and fragments of a document; the app's file has 35."""

MAX_NESTING = 200
"""Selections within selections and fragments: the walk is recursive, and so is graphql-core's."""

MAX_SCHEMA_READS = 1
"""One `__schema` is what tools send, and it takes about 0.1 seconds of CPU."""

MAX_TYPE_READS = 10


@dataclass(slots=True)
class Measure:
    """What a selection set has, its fragments counted in."""

    depth: int = 0
    roots: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    schema_reads: int = 0
    type_reads: int = 0
    reads_nested_types: bool = False

    def add(self, part: Measure) -> None:
        """Count what stands beside it."""
        self.depth = max(self.depth, part.depth)
        self.roots += part.roots
        self.fields += part.fields
        self.aliases += part.aliases
        self.directives += part.directives
        self.schema_reads += part.schema_reads
        self.type_reads += part.type_reads
        self.reads_nested_types |= part.reads_nested_types


def require_within(document: DocumentNode, limits: OperationLimits, *, introspection: bool) -> None:
    """Refuse a document of which an operation is beyond the limits.

    Args:
        document: parsed, and not validated.
        limits: what an operation may have.
        introspection: whether the schema may be read; without it a flat `__type` still may.

    Raises:
        Invalid: which limit, and what the document has.
    """
    if len(document.definitions) > MAX_DEFINITIONS:
        raise Invalid(
            f"The document has {len(document.definitions)} operations and fragments; at most {MAX_DEFINITIONS} are"
            " allowed."
        )
    walk = _Walk(document)
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):  # an unused fragment costs as well
            measure = walk.measure(definition.selection_set)
            is_operation = isinstance(definition, OperationDefinitionNode)
            _require(measure, limits, roots=measure.roots if is_operation else 0, own=len(definition.directives or ()))
            _require_readable(measure, introspection=introspection)


def _require(measure: Measure, limits: OperationLimits, *, roots: int, own: int) -> None:
    for what, has, most in (
        ("levels of objects within objects", measure.depth, limits.depth),
        ("fields", measure.fields, limits.fields),
        ("aliased or repeated fields", measure.aliases, limits.aliases),
        ("fields at the top", roots, limits.roots),
        ("directives", measure.directives + own, limits.directives),
        ("reads of __schema", measure.schema_reads, MAX_SCHEMA_READS),
        ("reads of __type", measure.type_reads, MAX_TYPE_READS),
    ):
        if has > most:
            raise Invalid(f"An operation may have {most} {what}, and this one has {_shown(has)}.")


def _require_readable(measure: Measure, *, introspection: bool) -> None:
    if not introspection and (measure.schema_reads or measure.reads_nested_types):
        raise Invalid("Introspection is switched off on this server. `__typename` and the name of a `__type` remain.")


def _shown(number: int) -> str:
    """Return a number; fragments that double make some that have hundreds of digits."""
    return str(number) if number < 1_000_000 else "more than a million"


class _Walk:
    """Counts each fragment once, however often it is spread."""

    def __init__(self, document: DocumentNode) -> None:
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._known: dict[str, Measure | None] = {}
        self._nesting = 0

    def measure(self, selection_set: SelectionSetNode) -> Measure:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise Invalid(f"The document nests deeper than {MAX_NESTING} selections and fragments.")
        total = Measure(aliases=_repeated(selection_set.selections))
        for selection in selection_set.selections:
            total.add(self._of(selection))
            total.directives += len(selection.directives or ())
        self._nesting -= 1
        return total

    def _of(self, selection: SelectionNode) -> Measure:
        match selection:
            case FieldNode():
                return self._of_field(selection)
            case InlineFragmentNode():
                return self.measure(selection.selection_set)
            case FragmentSpreadNode():
                return self._of_fragment(selection.name.value)
            case _:  # pragma: no cover - there are no others
                return Measure()

    def _of_field(self, field: FieldNode) -> Measure:
        found = self.measure(field.selection_set) if field.selection_set else Measure()
        name = field.name.value
        found.reads_nested_types |= name == "__type" and found.depth > 0
        found.schema_reads += name == "__schema"
        found.type_reads += name == "__type"
        found.roots = int(name != "__typename")
        found.fields += 1
        found.aliases += field.alias is not None
        # graphql-core bounds the depth of introspection with a rule of its own.
        found.depth = found.depth + 1 if field.selection_set and not name.startswith("__") else 0
        return found

    def _of_fragment(self, name: str) -> Measure:
        """Return what a fragment has; one that is unknown or spreads itself counts nothing: validation refuses it."""
        if name not in self._known:
            self._known[name] = None
            fragment = self._fragments.get(name)
            self._known[name] = self.measure(fragment.selection_set) if fragment else Measure()
        return self._known[name] or Measure()


def _repeated(selections: Sequence[SelectionNode]) -> int:
    """Return how many fields without an alias stand beside another one of the same name."""
    names = [node.name.value for node in selections if isinstance(node, FieldNode) and node.alias is None]
    return len(names) - len(set(names))
