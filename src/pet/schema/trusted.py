"""The documents that are trusted: the operations of the app and of the welcome page, in all forms that tools send."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from graphql import (
    REMOVE,
    DefinitionNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    NameNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    Visitor,
    VisitorAction,
    parse,
    print_ast,
    strip_ignored_characters,
    visit,
)

FILES = ("operations.graphql", "welcome.graphql")
"""The contract with the app, and what the welcome page asks."""


def hash_of(text: str) -> str:
    """Return the SHA-256 hash of a document's text as UTF-8, in lower-case hexadecimal digits."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@cache
def trusted_texts() -> dict[str, str]:
    """Return the trusted documents by their hashes.

    They are each file as it is, printed and minified, and each of its operations with the fragments that it uses: the
    fragments in the order of the file or in either order of their use, printed or minified, with and without the
    `__typename` that caching clients add to every object.
    """
    return {hash_of(text): text for source in _sources() for text in _forms(source)}


@cache
def trusted_operations() -> frozenset[str]:
    """Return the operations of the trusted documents in their canonical form."""
    return frozenset(operation for source in _sources() for operation in canonical_operations(parse(source)))


def canonical_operations(document: DocumentNode) -> Iterator[str]:
    """Yield each operation with its fragments in a form that is the same however a client's tools print it.

    Left out are comments, spaces, the order of fragments, and a plain `__typename`.
    """
    bare = visit(document, _WithoutTypename())
    for operation in bare.definitions:
        if isinstance(operation, OperationDefinitionNode):
            used = sorted(_used_fragments(bare, operation), key=lambda fragment: fragment.name.value)
            yield _printed([operation, *used])


def _sources() -> list[str]:
    return [files("pet.schema").joinpath(name).read_text(encoding="utf-8") for name in FILES]


def _forms(source: str) -> Iterator[str]:
    yield from (source, source.strip())
    plain = parse(source, no_location=True)
    for document in (plain, visit(plain, _WithTypename())):
        yield from _texts(document.definitions)
        for operation in document.definitions:
            if isinstance(operation, OperationDefinitionNode):
                used = _used_fragments(document, operation)
                chosen = {id(node) for node in (operation, *used)}
                in_order = [node for node in document.definitions if id(node) in chosen]
                yield from _texts(in_order)
                yield from _texts([operation, *(node for node in in_order if node is not operation)])
                yield from _texts([operation, *used])
                yield from _texts([operation, *_used_fragments(document, operation, nearest_first=True)])


def _texts(definitions: Sequence[DefinitionNode]) -> Iterator[str]:
    printed = _printed(definitions)
    yield from (printed, strip_ignored_characters(printed))


def _printed(definitions: Sequence[DefinitionNode]) -> str:
    return print_ast(DocumentNode(definitions=tuple(definitions)))


def _used_fragments(
    document: DocumentNode, operation: OperationDefinitionNode, *, nearest_first: bool = False
) -> list[FragmentDefinitionNode]:
    """Return the fragments that an operation uses, in the order in which it meets them.

    Args:
        document: where the fragments are.
        operation: one of its operations.
        nearest_first: whether all fragments of the operation itself come before those within them.
    """
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    used: dict[str, FragmentDefinitionNode] = {}
    waiting: deque[SelectionSetNode | str] = deque([operation.selection_set])
    while waiting:
        item = waiting.popleft()
        if isinstance(item, SelectionSetNode):
            found = [step for selection in item.selections if (step := _step(selection))]
        elif item in fragments and item not in used:
            used[item] = fragments[item]
            found = [fragments[item].selection_set]
        else:
            continue
        if nearest_first and isinstance(item, str):
            waiting.extend(found)
        else:
            waiting.extendleft(reversed(found))
    return list(used.values())


def _step(selection: SelectionNode) -> SelectionSetNode | str | None:
    """Return where a selection leads to: the name of a fragment, or a selection set within it."""
    if isinstance(selection, FragmentSpreadNode):
        return selection.name.value
    within: SelectionSetNode | None = getattr(selection, "selection_set", None)
    return within


class _WithTypename(Visitor):
    """Adds `__typename` to every object but the operation itself, as Apollo Client and urql do."""

    def enter_selection_set(self, node: SelectionSetNode, _key: Any, parent: Any, *_: Any) -> SelectionSetNode | None:
        is_there = any(isinstance(field, FieldNode) and field.name.value == "__typename" for field in node.selections)
        if is_there or isinstance(parent, OperationDefinitionNode):
            return None
        added = FieldNode(name=NameNode(value="__typename"), arguments=(), directives=())
        return SelectionSetNode(selections=(*node.selections, added))


class _WithoutTypename(Visitor):
    """Leaves every plain `__typename` out."""

    def enter_field(self, node: FieldNode, *_: Any) -> VisitorAction:
        is_plain = node.name.value == "__typename" and not node.alias and not node.directives
        return REMOVE if is_plain else None
