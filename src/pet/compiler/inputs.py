"""Arguments as Strawberry converts them, with its look-ups of types and names made once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any

from strawberry import UNSET, Schema
from strawberry.relay import GlobalID
from strawberry.scalars import is_scalar
from strawberry.types.base import (
    StrawberryList,
    StrawberryMaybe,
    StrawberryObjectDefinition,
    StrawberryOptional,
    get_object_definition,
    has_object_definition,
)
from strawberry.types.enum import StrawberryEnumDefinition, has_enum_definition
from strawberry.types.field import StrawberryField

from pet.compiler.plan import NotCovered

Convert = Callable[[Any], Any]


def arguments_of(field: StrawberryField, schema: Schema) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return what makes a resolver's keyword arguments of a field's arguments.

    Raises:
        NotCovered: Strawberry has to do it.
    """
    names = schema.config.name_converter
    converts = [(names.from_argument(one), one.python_name, _converter(one.type, schema)) for one in field.arguments]
    return lambda given: {python_name: convert(given[name]) for name, python_name, convert in converts if name in given}


def _converter(kind: Any, schema: Schema) -> Convert:
    if isinstance(kind, StrawberryMaybe):
        raise NotCovered
    if isinstance(kind, StrawberryOptional):
        return _converter(kind.of_type, schema)
    if _is_leaf(kind, schema):
        return _unchanged
    if isinstance(kind, StrawberryList):
        item = kind.of_type.of_type if isinstance(kind.of_type, StrawberryOptional) else kind.of_type
        if _is_leaf(item, schema):
            return _nullable(list)
    if has_object_definition(kind):
        return _nullable(_maker(kind, get_object_definition(kind, strict=True), schema))
    raise NotCovered


def _is_leaf(kind: Any, schema: Schema) -> bool:
    if kind is GlobalID:
        return False
    is_enum = isinstance(kind, StrawberryEnumDefinition) or has_enum_definition(kind)
    return is_enum or is_scalar(kind, schema.schema_converter.scalar_registry)


def _maker(cls: Any, definition: StrawberryObjectDefinition, schema: Schema) -> Convert:
    """Return what makes an input object; fields without a default are None where they are not given."""
    if definition.from_input is not None:
        raise NotCovered
    without_default = [
        one.python_name for one in definition.fields if one.default_value is MISSING and one.default_factory is MISSING
    ]
    names = schema.config.name_converter
    converts = [
        (names.from_field(one), one.python_name, _converter(one.resolve_type(type_definition=definition), schema))
        for one in definition.fields
    ]

    def make(given: Mapping[str, Any]) -> Any:
        values: dict[str, Any] = dict.fromkeys(without_default) if definition.is_input else {}
        for name, python_name, convert in converts:
            if name in given:
                values[python_name] = convert(given[name])
        return cls(**values)

    return make


def _nullable(convert: Convert) -> Convert:
    return lambda value: value if value is None or value is UNSET else convert(value)


def _unchanged(value: Any) -> Any:
    return value
