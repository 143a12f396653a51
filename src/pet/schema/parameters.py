"""The parameters of a request, checked against the types that GraphQL over HTTP gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from pet.domain.errors import Invalid

MAX_VALUES = 1000
"""Of all variables together: each is checked against its type, and no input that we know has more than some dozens."""

_NESTED = (dict, list)


def text(parameters: Mapping[str, Any], name: str) -> str | None:
    """Return a parameter that is text; an empty one counts as absent.

    Raises:
        Invalid: it is something else.
    """
    value = parameters.get(name)
    if value is not None and not isinstance(value, str):
        raise Invalid(f"{name} must be a string or null.", field=name)
    return value or None


def mapping(parameters: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """Return a parameter that is an object.

    Raises:
        Invalid: it is something else.
    """
    value = parameters.get(name)
    if value is not None and not isinstance(value, dict):
        raise Invalid(f"{name} must be an object or null.", field=name)
    return value


def variables(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the variables.

    Raises:
        Invalid: they are no object, or more values than any operation can need.
    """
    given = mapping(parameters, "variables")
    count, waiting = 0, [cast("Any", given or {})]
    while waiting:
        value = waiting.pop()
        items = value.values() if isinstance(value, dict) else value
        count += len(items)
        if count > MAX_VALUES:
            raise Invalid(f"variables may hold {MAX_VALUES} values.", field="variables")
        waiting += [item for item in items if isinstance(item, _NESTED)]
    return given


def from_query(query: Mapping[str, str], parse: Callable[[str], Any]) -> dict[str, Any]:
    """Return the parameters of a GET request; two of them are JSON in a text, and an empty text counts as absent."""
    parameters: dict[str, Any] = dict(query)
    for name in ("variables", "extensions"):
        if name in parameters:
            parameters[name] = parse(parameters[name] or "null")
    return parameters
