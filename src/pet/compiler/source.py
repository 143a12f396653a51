"""A plan as Python source: a function for each object, an expression for each value.

A function takes the object, the arguments of all calls (`r`, made once for a run) and a list (`w`) onto which it puts
what has to be awaited. Whatever an expression does not expect, a function of `checks` looks at: it returns the value
that graphql-core would, or raises.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
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
from pet.compiler.plan import Items, Leaf, Object, Objects, TypeName, Value
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
        readings = [
            None if isinstance(asked, TypeName) else reading_of(asked, self.schema, is_root=is_root)
            for asked in plan.fields
        ]
        owners = _shared_owners(readings)
        lines += [f"    {owner} = s.{path}" for path, owner in owners.items()]
        values, waiting = list[str](), list[str]()
        for number, (asked, reading) in enumerate(zip(plan.fields, readings, strict=True)):
            if isinstance(asked, TypeName) or reading is None:
                value = repr(plan.kind.name)
            elif isinstance(reading, Call) and reading.is_async:
                complete = self._function("v", f"    return {self._value(asked.value, 's')}")
                waiting.append(f"    w.append(({self._read(reading, owners)}, {complete}, d, {asked.key!r}))")
                value = "None"
            else:
                lines.append(f"    x{number} = {self._read(reading, owners)}")
                value = self._value(asked.value, f"x{number}")
            values.append(f"        {asked.key!r}: {value},")
        return self._function("o", *lines, "    d = {", *values, "    }", *waiting, "    return d")

    def _head(self, plan: Object) -> list[str]:
        kind = self._name("k", plan.python_type)
        check = self._name("c", checks.object_of(plan.kind))
        return [f"    if type(s) is not {kind}:", f"        {check}(s)"]

    def _read(self, reading: Attribute | Call, owners: Mapping[str, str]) -> str:
        if isinstance(reading, Attribute):
            path, _, name = reading.path.rpartition(".")
            return f"{owners[path]}.{name}" if path in owners else f"s.{reading.path}"
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
            found = f"{x} if type({x}) is list else {self._name('c', checks.items)}({x})"
            items = f"[{self._value(value.item, 'i')} for i in ({found})]"
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
        checked = f"None if {x} is None else {check}" if value.is_nullable else check
        if not value.python_types:
            return checked
        written = f"{self._name('n', value.kind.coerce_output_value)}({x})"
        return f"y if type({x}) in {self._name('k', value.python_types)} and type(y := {written}) is str else {checked}"

    def _function(self, prefix: str, *lines: str) -> str:
        name = f"{prefix}{len(self.lines)}"
        self.lines += [f"def {name}(s, r, w):", *lines]
        return name

    def _name(self, prefix: str, value: Any) -> str:
        name = f"{prefix}{len(self.names)}"
        self.names[name] = value
        return name


def _shared_owners(readings: Iterable[Attribute | Call | None]) -> dict[str, str]:
    """Return names for what more than one attribute of an object is read from, by their paths."""
    paths = Counter(each.path.rpartition(".")[0] for each in readings if isinstance(each, Attribute))
    shared = (path for path, count in paths.items() if path and count > 1)
    return {path: f"a{number}" for number, path in enumerate(shared)}
