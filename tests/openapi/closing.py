"""A description made strict: in answers, no field may stand that is not described."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def closed(document: Json) -> Json:
    """Return a copy in which every object that is answered has the described members and no others."""
    strict = copy.deepcopy(document)
    seen: set[str] = set()
    waiting = [response for operation in operations_of(strict) for response in operation["responses"].values()]
    while waiting:
        node = waiting.pop()
        reference = node.get("$ref", "")
        if reference and reference not in seen:
            seen.add(reference)
            waiting.append(resolved(strict, node))
        if "properties" in node:
            node["additionalProperties"] = False
        waiting += [child for value in node.values() for child in _objects(value)]
    return strict


def operations_of(document: Json) -> list[Json]:
    """Return all operations of a document."""
    return [operation for methods in document["paths"].values() for operation in methods.values()]


def resolved(document: Json, node: Json) -> Json:
    """Return what a node is or refers to."""
    found = node
    while "$ref" in found:
        target: Any = document
        for name in found["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        found = target
    return found


def _objects(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
