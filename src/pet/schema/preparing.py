"""Documents, made ready to run: parsed, measured and validated once, and kept as far as the memory goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    OverlappingFieldsCanBeMergedRule,
    ValidationContext,
    parse,
    specified_rules,
    validate,
)
from graphql.validation.validate import ValidationAbortedError
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from pet.domain.errors import Invalid
from pet.memory_cache import MemoryCache
from pet.operation_limits import OperationLimits
from pet.schema.costs import Cost, costs_of
from pet.schema.measures import require_within

MAX_CHARACTERS = 100_000
"""Of a document. Comments and spaces are no tokens, and reading them takes time as well."""

MAX_ERRORS = 10
"""That are told of one document; each takes time to find and to word."""

MAX_COMPARISONS = 10_000
"""Of fields that share a name, in graphql-core's units of 3 microseconds; the app's file needs less than 100."""

TOKEN_BYTES = 700
"""What a token of a parsed document takes of memory with its node, measured."""

CACHE_BYTES = 32 * 1024 * 1024
"""Some thousands of operations as apps send them, or 11 documents that are as large as they may be."""


@dataclass(frozen=True, slots=True)
class PreparedOperation:
    """An operation of a valid document: all that is found out about it once."""

    document: DocumentNode
    is_query: bool
    cost: Cost


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that was parsed: what is wrong with it, or else its operations."""

    document: DocumentNode
    errors: tuple[GraphQLError, ...] = ()
    operations: Mapping[str | None, PreparedOperation] = field(default_factory=dict)
    """By their names; the only one of a document also by None, which stands for a request that gives no name."""

    @property
    def has_several_operations(self) -> bool:
        """Whether a request must say which operation it means."""
        return sum(isinstance(node, OperationDefinitionNode) for node in self.document.definitions) > 1


class Preparer:
    """Prepares documents for one schema.

    Args:
        schema: built, and known to be valid.
        limits: what an operation may have.
        introspection: whether the schema may be read.
    """

    def __init__(self, schema: GraphQLSchema, limits: OperationLimits, *, introspection: bool) -> None:
        self._schema = schema
        self._limits = limits
        self._introspection = introspection
        self._prepared: MemoryCache[str, Prepared] = MemoryCache(CACHE_BYTES)

    def parse(self, text: str) -> DocumentNode:
        """Parse a document that nobody has looked at.

        Raises:
            Invalid: it is too long.
            GraphQLSyntaxError: it is no document, or has too many tokens.
        """
        if len(text) > MAX_CHARACTERS:
            raise Invalid(f"The document has {len(text)} characters; at most {MAX_CHARACTERS} are allowed.")
        return parse(text, max_tokens=self._limits.tokens)

    def known(self, text: str) -> Prepared | None:
        """Return a document that is prepared already."""
        return self._prepared.get(text)

    def prepare(self, text: str) -> Prepared:
        """Return a document, parsed and checked; what was found before is found again.

        Raises:
            Invalid: it is too long.
            GraphQLSyntaxError: it is no document, or has too many tokens.
        """
        found = self._prepared.get(text)
        if found is None:
            found = self._checked(self.parse(text))
            self._prepared.add(text, found, size_bytes=len(text) + TOKEN_BYTES * _count_tokens(found.document))
        return found

    def _checked(self, document: DocumentNode) -> Prepared:
        try:
            require_within(document, self._limits, introspection=self._introspection)
        except Invalid as excess:
            return Prepared(document, (GraphQLError(excess.message, original_error=excess),))
        errors = validate(self._schema, document, RULES, max_errors=MAX_ERRORS)
        if errors:
            return Prepared(document, tuple(map(_worded, errors)))
        return Prepared(document, operations=_operations(self._schema, document))


class BoundedOverlap(OverlappingFieldsCanBeMergedRule):
    """graphql-core's rule, which is quadratic, with a budget that ends in milliseconds and not in a second."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self.rule_context.remaining_complexity_budget = MAX_COMPARISONS


RULES = [
    *(rule for rule in specified_rules if rule is not OverlappingFieldsCanBeMergedRule),
    OneOfInputValidationRule,
    BoundedOverlap,
]


def _operations(schema: GraphQLSchema, document: DocumentNode) -> Mapping[str | None, PreparedOperation]:
    costs = costs_of(schema, document)
    operations = {
        name: PreparedOperation(document, node.operation is OperationType.QUERY, costs[name])
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode)
        for name in (node.name.value if node.name else None,)
    }
    return {**operations, None: next(iter(operations.values()))} if len(operations) == 1 else operations


def _worded(error: GraphQLError) -> GraphQLError:
    """Return a mistake of the client's, whatever graphql-core met when it found it."""
    if isinstance(error, ValidationAbortedError):
        return GraphQLError("The document has too many mistakes, or repeats too many fields, to be checked further.")
    return GraphQLError(error.message, error.nodes, error.source, error.positions)


def _count_tokens(document: DocumentNode) -> int:
    token, count = document.loc and document.loc.start_token, 0
    while token:
        token, count = token.next, count + 1
    return count
