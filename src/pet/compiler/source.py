"""A plan as Python source: a function for each object, an expression for each value.

A function takes the object, the arguments of all calls (`r`, made once for a run) and a list (`w`) onto which it puts
what has to be awaited. Whatever an expression does not expect, a function of `checks` looks at: it returns the value
that graphql-core would, or raises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    GraphQLBoolean,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLString,
)
from strawberry import Schema
from strawberry.schema.schema_converter import CustomGraphQLEnumType

from pet.compiler import checks
from pet.compiler.plan import Items, Leaf, Object, Objects, Read, TypeName, Value
from pet.compiler.reading import Arguments, Attribute, Call, reading_of

Complete = Callable[[Any, list[dict[str, Any]], list[Any]], Any]

_EXPECTED = {
    GraphQLString: "type({x}) is str",
    GraphQLID: "type({x}) is str",
    GraphQLInt: f"type({{x}}) is int and {GRAPHQL_MIN_INT} <= {{x}} <= {GRAPHQL_MAX_INT}",
    GraphQLFloat: "type({x}) is float and {x} - {x} == 0",  # so neither infinite nor no number
    GraphQLBoolean: "type({x}) is bool",
}
"""When a value is in the answer as it is."""


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled operation."""

    complete: Complete
    arguments: tuple[Arguments, ...]
    """What makes the arguments of each call that has any, in the order of `r`."""
    source: str


def compiled(root: Object, schema: Schema) -> Program:
    """Compile a plan.

    Raises:
        NotCovered: it has something that is not compiled.
    """
    writer = _Writer(schema)
    name = writer.object(root, is_root=True)
    source = "\n".join(writer.lines)
    exec(compile(source, "<operation>", "exec"), writer.names)  # noqa: S102 - names in it are of the schema, checked by validation
    return Program(writer.names[name], tuple(writer.arguments), source)


@dataclass(slots=True)
class _Writer:
    schema: Schema
    lines: list[str] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=dict)
    arguments: list[Arguments] = field(default_factory=list)

    def object(self, plan: Object, *, is_root: bool = False) -> str:
        """Write the function that answers what is asked of an object."""
        lines = [] if is_root else self._head(plan)
        lines.append("    d = {}")
        for asked in plan.fields:
            lines += self._field(plan, asked, is_root=is_root)
        return self._function("o", *lines, "    return d")

    def _field(self, plan: Object, asked: Read | TypeName, *, is_root: bool) -> list[str]:
        key = repr(asked.key)
        if isinstance(asked, TypeName):
            return [f"    d[{key}] = {plan.kind.name!r}"]
        reading = reading_of(asked, self.schema, is_root=is_root)
        read = self._read(reading)
        if isinstance(reading, Call) and reading.is_async:
            complete = self._function("v", f"    return {self._value(asked.value, 's')}")
            return [f"    d[{key}] = None", f"    w.append(({read}, {complete}, d, {key}))"]
        return [f"    x = {read}", f"    d[{key}] = {self._value(asked.value, 'x')}"]

    def _head(self, plan: Object) -> list[str]:
        kind = self._name("k", plan.python_type)
        check = self._name("c", checks.object_of(plan.kind))
        return [f"    if type(s) is not {kind}:", f"        {check}(s)"]

    def _read(self, reading: Attribute | Call) -> str:
        if isinstance(reading, Attribute):
            return f"s.{reading.name}"
        parameters = ["s"] if reading.takes_object else []
        if reading.arguments:
            parameters.append(f"**r[{len(self.arguments)}]")
            self.arguments.append(reading.arguments)
        return f"{self._name('f', reading.function)}({', '.join(parameters)})"

    def _value(self, value: Value, x: str) -> str:
        """Return the expression for a value that is held by the variable `x`."""
        if isinstance(value, Leaf):
            return self._leaf(value, x)
        if isinstance(value, Items):
            items = f"[{self._value(value.item, 'i')} for i in {self._name('c', checks.items)}({x})]"
            return f"None if {x} is None else {items}" if value.is_nullable else items
        object_ = self._object_of(value, x)
        return f"None if {x} is None else {object_}" if value.is_nullable else object_

    def _object_of(self, value: Objects, x: str) -> str:
        functions = [self.object(choice) for choice in value.choices]
        if not value.is_abstract:
            return f"{functions[0]}({x}, r, w)"
        classes = [self._name("k", choice.python_type) for choice in value.choices]
        table = f"t{len(self.lines)}"
        pairs = ", ".join(f"{kind}: {function}" for kind, function in zip(classes, functions, strict=True))
        self.lines.append(f"{table} = {{{pairs}}}")
        return f"{table}[{self._name('c', checks.class_of)}({x})]({x}, r, w)"

    def _leaf(self, value: Leaf, x: str) -> str:
        check = f"{self._name('c', checks.leaf(value))}({x})"
        if value.kind in _EXPECTED:
            expected = _EXPECTED[value.kind].format(x=x) + (f" or {x} is None" if value.is_nullable else "")
            return f"{x} if {expected} else {check}"
        if isinstance(value.kind, CustomGraphQLEnumType):
            enum: Any = value.kind.wrapped_cls
            members = {member.name: value.kind.coerce_output_value(member) for member in enum}
            kind = self._name("k", enum)
            return f"{self._name('n', members)}[{x}._name_] if type({x}) is {kind} else {check}"
        return f"None if {x} is None else {check}" if value.is_nullable else check

    def _function(self, prefix: str, *lines: str) -> str:
        name = f"{prefix}{len(self.lines)}"
        self.lines += [f"def {name}(s, r, w):", *lines]
        return name

    def _name(self, prefix: str, value: Any) -> str:
        name = f"{prefix}{len(self.names)}"
        self.names[name] = value
        return name
