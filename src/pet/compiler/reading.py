"""How a field is read from its object: an attribute, a resolver called directly, or whatever Strawberry does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import iscoroutinefunction
from keyword import iskeyword
from typing import Any, cast

from graphql import (
    BooleanValueNode,
    EnumValueNode,
    FloatValueNode,
    IntValueNode,
    NullValueNode,
    StringValueNode,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from strawberry import Schema
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from pet.compiler.attributes import attribute_read_by
from pet.compiler.inputs import arguments_of
from pet.compiler.literals import given_by
from pet.compiler.plan import NotCovered, Read, Selected


class Surprise(Exception):
    """Something came that the compiled code does not answer: graphql-core runs the operation instead."""


@dataclass(slots=True)
class Run:
    """What one run of an operation has for all its fields."""

    selected: Selected
    context: Any
    root_value: Any
    variables: Mapping[str, Any]
    """Coerced."""
    operation_extensions: dict[str, Any] | None


class FieldInfo:
    """What graphql-core calls `GraphQLResolveInfo`, of one field in one run: its path alone is not known."""

    __slots__ = ("_read", "_run", "context")

    def __init__(self, read: Read, run: Run) -> None:
        self._read = read
        self._run = run
        self.context = run.context

    def __getattr__(self, name: str) -> Any:
        """Return what resolvers seldom ask for."""
        if name not in _SELDOM_ASKED:
            raise Surprise(name)
        return _SELDOM_ASKED[name](self._read, self._run)


_SELDOM_ASKED: dict[str, Callable[[Read, Run], Any]] = {
    "field_name": lambda read, _: read.nodes[0].name.value,
    "field_nodes": lambda read, _: list(read.nodes),
    "return_type": lambda read, _: read.definition.type,
    "parent_type": lambda read, _: read.parent,
    "schema": lambda _, run: run.selected.schema,
    "fragments": lambda _, run: run.selected.fragments,
    "operation": lambda _, run: run.selected.operation,
    "root_value": lambda _, run: run.root_value,
    "variable_values": lambda _, run: dict(run.variables),
    "operation_extensions": lambda _, run: run.operation_extensions,
    "is_awaitable": lambda *_: optimized_is_awaitable,
}

_LITERALS = (BooleanValueNode, EnumValueNode, FloatValueNode, IntValueNode, NullValueNode, StringValueNode)

Arguments = Callable[[Run], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Attribute:
    """The value is an attribute of the object, or one of an attribute's: `view.profile.username`."""

    path: str


@dataclass(frozen=True, slots=True)
class Call:
    """The value is what a function returns.

    `arguments` makes its keyword arguments, once for each run; None where there are none.
    """

    function: Callable[..., Any]
    takes_object: bool
    arguments: Arguments | None
    is_async: bool


def reading_of(read: Read, schema: Schema, *, is_root: bool) -> Attribute | Call:
    """Return how a field is read.

    Raises:
        NotCovered: objects would have to share arguments that a resolver could change.
    """
    field = read.field
    if not is_root and not all(_is_unchanging(argument.type) for argument in read.definition.args.values()):
        raise NotCovered
    is_plain = type(field).get_result is StrawberryField.get_result and not schema.exception_handlers
    is_name = field.python_name.isidentifier() and not iskeyword(field.python_name)
    if is_plain and field.is_basic_field and field.default_resolver is getattr and is_name:
        return Attribute(field.python_name)
    resolver = field.base_resolver
    if resolver is None or not is_plain or field.extensions or resolver.parent_parameter or resolver.root_parameter:
        return _through_strawberry(read)
    function = cast("Callable[..., Any]", resolver.wrapped_func)
    if field.is_async and not iscoroutinefunction(function):
        return _through_strawberry(read)
    call = Call(function, bool(resolver.self_parameter), _arguments(read, schema), field.is_async)
    path = attribute_read_by(function) if call.takes_object and not call.arguments else None
    return Attribute(path) if path else call


def _is_unchanging(kind: Any) -> bool:
    kind = kind.of_type if is_non_null_type(kind) else kind
    return not is_list_type(kind) and is_leaf_type(get_named_type(kind))


def _through_strawberry(read: Read) -> Call:
    """Call what graphql-core would call: permissions and other extensions are in it."""
    resolve, given = read.definition.resolve, given_by(read.definition, read.nodes[0])
    if resolve is None or (read.field.extensions and not read.field.is_async):
        raise NotCovered  # a synchronous field may become asynchronous by an extension

    def arguments(run: Run) -> dict[str, Any]:
        return {"info": FieldInfo(read, run), **given(run.variables)}

    return Call(resolve, True, arguments, read.field.is_async)


def _arguments(read: Read, schema: Schema) -> Arguments | None:
    """Return what makes a resolver's arguments, as Strawberry does; None for a resolver without any."""
    field = read.field
    info_parameter = cast("Any", field.base_resolver).info_parameter
    if not read.definition.args and not info_parameter:
        return None
    make_info, convert = schema.config.info_class, _converting(field, schema)
    given = given_by(read.definition, read.nodes[0])

    def converted(variables: Mapping[str, Any], info: Any) -> dict[str, Any]:
        named = convert(given(variables), info)
        if info_parameter:
            named[info_parameter.name] = info
        return named

    constant = converted({}, None) if _is_constant(read) else None

    def arguments(run: Run) -> dict[str, Any]:
        info = make_info(_raw_info=cast("Any", FieldInfo(read, run)), _field=field)
        if constant is None:
            return converted(run.variables, info)
        return {**constant, info_parameter.name: info} if info_parameter else constant

    return arguments


def _converting(field: StrawberryField, schema: Schema) -> Callable[[Mapping[str, Any], Any], dict[str, Any]]:
    """Return what makes a resolver's arguments: ours, or Strawberry's where that has to do it."""
    try:
        convert = arguments_of(field, schema)
    except (NotCovered, RecursionError):  # an input may hold others of its own type
        config, registry = schema.config, schema.schema_converter.scalar_registry
        return lambda given, info: convert_arguments(dict(given), field.arguments, registry, config, info)
    return lambda given, _: convert(given)


def _is_constant(read: Read) -> bool:
    """Tell whether a field's arguments are the same in each run, and nothing that a resolver could change."""
    are_literals = all(isinstance(given.value, _LITERALS) for given in read.nodes[0].arguments or ())
    return are_literals and all(_is_unchanging(argument.type) for argument in read.definition.args.values())
