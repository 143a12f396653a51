"""Request bodies: JSON objects, read field by field, each mistake named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import orjson
import strawberry
from starlette.requests import Request

from pet.domain.errors import Invalid, NotFound, UnsupportedMedia
from pet.domain.ids import UserId, parse_uuid

T = TypeVar("T")


class Body:
    """A JSON object; unknown fields are ignored.

    The `optional_...` methods return Strawberry's UNSET for an absent field and None for null, as the resolvers expect
    it.
    """

    def __init__(self, fields: dict[str, Any], path: str = "") -> None:
        self._fields = fields
        self._path = path

    def text(self, name: str) -> str:
        """Return a text that must be there."""
        value = self._fields.get(name)
        if value is None or value == "":
            raise Invalid(f"{self._path}{name} is required", field=f"{self._path}{name}")
        return self._checked(name, value, str, "a string")

    def text_or_none(self, name: str) -> str | None:
        """Return a text; None when it is absent or null."""
        value = self._fields.get(name)
        return None if value is None else self._checked(name, value, str, "a string")

    def optional_text(self, name: str) -> Any:
        """Return a text."""
        return self._optional(name, lambda value: self._checked(name, value, str, "a string or null"))

    def optional_flag(self, name: str) -> Any:
        """Return a boolean."""
        return self._optional(name, lambda value: self._checked(name, value, bool, "true, false or null"))

    def optional_texts(self, name: str) -> Any:
        """Return a list of texts."""

        def texts(value: Any) -> list[str]:
            items: list[Any] = self._checked(name, value, list, "a list of strings or null")
            return [self._checked(name, item, str, "a list of strings or null") for item in items]

        return self._optional(name, texts)

    def optional_object(self, name: str, make: Callable[[Body], T]) -> Any:
        """Return what `make` makes of a nested object."""

        def nested(value: Any) -> T:
            return make(Body(self._checked(name, value, dict, "an object or null"), f"{self._path}{name}."))

        return self._optional(name, nested)

    def _optional(self, name: str, convert: Callable[[Any], T]) -> Any:
        if name not in self._fields:
            return strawberry.UNSET
        value = self._fields[name]
        return None if value is None else convert(value)

    def _checked(self, name: str, value: Any, kind: type[T], expected: str) -> T:
        if not isinstance(value, kind):
            raise Invalid(f"{self._path}{name} must be {expected}.", field=f"{self._path}{name}")
        return value


async def read_body(request: Request) -> Body:
    """Read a JSON object; an empty body is an empty object.

    Raises:
        Invalid: the body is no JSON object.
        UnsupportedMedia: it says that it is something else than JSON.
        TooLarge: it is larger than any documented body.
    """
    content_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if content_type != "application/json":
        await _require_none(request)
        return Body({})
    content = await request.body()
    if not content.strip():
        return Body({})
    try:
        fields = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Invalid("The body is not valid JSON.") from error
    if not isinstance(fields, dict):
        raise Invalid("The body must be a JSON object.")
    return Body(fields)


async def _require_none(request: Request) -> None:
    """Read no more than it takes to know that there is no body: a form may be of any size."""
    async for chunk in request.stream():
        if chunk:
            raise UnsupportedMedia("Send the body as application/json.")


def user_id_in(request: Request, name: str) -> UserId:
    """Return the user id in a path; what is no id is nobody's."""
    found = parse_uuid(request.path_params[name])
    if found is None:
        raise NotFound("User not found", field=name)
    return UserId(found)
