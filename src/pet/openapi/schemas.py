"""JSON Schema (2020-12) from Python types: one source for what is rendered, what is checked and what is described.

Understood are text, numbers, booleans, `Literal`, `StrEnum`, `list`, `dict`, unions, `TypedDict`, and `Annotated`
with the marks below.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

Json = dict[str, Any]

T = TypeVar("T")

_PRIMITIVES = {str: "string", bool: "boolean", int: "integer", float: "number"}


@dataclass(frozen=True, slots=True, eq=False)  # a mark is looked up by hash, whatever it holds
class About:
    """What is told of a value beside its type: a sentence, an example, and keywords of JSON Schema."""

    text: str
    example: object = None
    keywords: Json = field(default_factory=dict)

    def over(self, schema: Json) -> Json:
        """Return a schema with all of that added."""
        examples = {} if self.example is None else {"examples": [self.example]}
        return schema | {"description": self.text} | self.keywords | examples


@dataclass(frozen=True, slots=True)
class Absent:
    """Marks a value that is left out when there is none."""


Maybe = Annotated[T | None, Absent()]
"""Of an answer: absent when there is none, never null."""


def about(text: str, example: object = None, **keywords: object) -> About:
    """Return a mark for `Annotated`; keywords are spelt as in JSON Schema."""
    return About(text, example, keywords)


class Schemas:
    """Collects named shapes: each TypedDict once, by its name, for `components/schemas`."""

    def __init__(self) -> None:
        self.named: dict[str, Json] = {}
        self._kinds: dict[str, object] = {}

    def of(self, kind: Any) -> Json:
        """Return the schema of a type; a TypedDict becomes a reference.

        Raises:
            TypeError: the type has no counterpart, or two shapes have one name.
        """
        arguments = get_args(kind)
        match get_origin(kind):
            case None:
                return self._plain(kind)
            case origin if origin is Annotated:
                return self._annotated(*arguments)
            case origin if origin is list:
                return {"type": "array", "items": self.of(arguments[0])}
            case origin if origin is dict:
                return {"type": "object", "additionalProperties": self.of(arguments[1])}
            case origin if origin is Literal:
                return _choice(arguments)
            case _:
                return self._union(arguments)

    def members(self, shape: Any) -> dict[str, tuple[Json, bool]]:
        """Return each member's schema, and whether it is always there."""
        return {name: self._member(kind) for name, kind in get_type_hints(shape, include_extras=True).items()}

    def object_of(self, parts: Mapping[str, Any]) -> Json:
        """Return the schema of an object with these members."""
        members = {name: self._member(kind) for name, kind in parts.items()}
        required = [name for name, (_, is_required) in members.items() if is_required]
        schema: Json = {"type": "object", "properties": {name: schema for name, (schema, _) in members.items()}}
        return schema | ({"required": required} if required else {})

    def _plain(self, kind: Any) -> Json:
        if kind in _PRIMITIVES:
            return {"type": _PRIMITIVES[kind]}
        if is_typeddict(kind):
            return self._reference(kind)
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return _choice(tuple(kind))
        raise TypeError(f"{kind!r} cannot be described")

    def _annotated(self, kind: Any, *marks: object) -> Json:
        schema = self.of(kind)
        for mark in marks:
            schema = mark.over(schema) if isinstance(mark, About) else schema
        return schema

    def _member(self, kind: Any) -> tuple[Json, bool]:
        if get_origin(kind) is NotRequired:
            return self.of(get_args(kind)[0]), False
        if get_origin(kind) is Required:
            kind = get_args(kind)[0]
        if get_origin(kind) is Annotated and any(isinstance(mark, Absent) for mark in get_args(kind)):
            (present,) = (part for part in get_args(get_args(kind)[0]) if part is not types.NoneType)
            return self.of(present), False
        return self.of(kind), True

    def _reference(self, kind: Any) -> Json:
        name: str = kind.__name__
        if self._kinds.setdefault(name, kind) is not kind:
            raise TypeError(f"two shapes are called {name}")
        if name not in self.named:
            self.named[name] = {}  # a shape may hold itself
            described = {"description": inspect.cleandoc(kind.__doc__ or name)}
            self.named[name] = described | self.object_of(get_type_hints(kind, include_extras=True))
        return {"$ref": f"#/components/schemas/{name}"}

    def _union(self, arguments: tuple[Any, ...]) -> Json:
        parts = [self.of(part) for part in arguments if part is not types.NoneType]
        if types.NoneType not in arguments:
            return {"anyOf": parts}
        if len(parts) == 1 and "type" in parts[0]:
            nullable = {"enum": [*parts[0]["enum"], None]} if "enum" in parts[0] else {}
            return parts[0] | {"type": [parts[0]["type"], "null"]} | nullable
        return {"anyOf": [*parts, {"type": "null"}]}


def _choice(values: tuple[Any, ...]) -> Json:
    plain = [value.value if isinstance(value, Enum) else value for value in values]
    kind = _PRIMITIVES[type(plain[0])]
    return {"type": kind, "const": plain[0]} if len(plain) == 1 else {"type": kind, "enum": plain}
