"""Puts an OpenAPI 3.1 document together from operations and the places where they are found."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pet.domain.limits import WINDOW_SECONDS
from pet.openapi.operations import Bytes, Described, Form, Link, Placed, Token
from pet.openapi.responses import Responses
from pet.openapi.schemas import Json, Schemas

VERSION = "3.1.1"

_PARAMETER = re.compile(r"{(\w+)}")

_BEARER = "bearer"

_TAG = '"01890a5d-ac96-774b-bcce-b302099a8057"'
_TIME = "Sat, 31 Jan 2026 12:00:00 GMT"

_CONDITIONS = {
    "Range": ("Bytes to send alone: one range or up to 16.", "bytes=0-1048575"),
    "If-Range": ("A version: only while it is the current one, `Range` counts.", _TAG),
    "If-None-Match": ("Versions that the client has: 304 when the current one is among them.", _TAG),
    "If-Modified-Since": ("A time: 304 unless the bytes are newer.", _TIME),
    "If-Match": ("Versions that will do: else 412.", _TAG),
    "If-Unmodified-Since": ("A time: 412 when the bytes are newer.", _TIME),
}


class Document:
    """A document in the making.

    Args:
        info: title, version and description.
        tags: name and description of each group, in their order.
        in_paths: a TypedDict of the parameters in paths.
        of_pages: a TypedDict of those that every list takes.
    """

    def __init__(
        self,
        *,
        info: Json,
        tags: Mapping[str, str],
        in_paths: Any,
        of_pages: Any,
    ) -> None:
        self._info = info
        self._tags = tags
        self._schemas = Schemas()
        self._in_paths = in_paths
        self._of_pages = of_pages
        self._responses = Responses(self._schemas)
        self._parameters: dict[str, Json] = {}

    def of(self, placed: Sequence[Placed]) -> Json:
        """Return the whole document.

        Raises:
            ValueError: two operations share a place or an id, or a link leads to none.
        """
        _check_names(placed)
        paths: dict[str, Json] = {}
        for operation in placed:
            methods = paths.setdefault(operation.path, {})
            methods[operation.method.lower()] = self._operation(operation)
        return {
            "openapi": VERSION,
            "info": self._info,
            "servers": [{"url": "."}],  # relative to the document, so that it is right behind any proxy
            "tags": [{"name": name, "description": text} for name, text in self._tags.items()],
            "paths": paths,
            "components": {
                "schemas": dict(sorted(self._schemas.named.items())),
                "parameters": self._parameters,
                "responses": self._responses.shared(),
                "headers": self._responses.headers(),
                "securitySchemes": {
                    _BEARER: {
                        "type": "http",
                        "scheme": "bearer",
                        "bearerFormat": "JWT",
                        "description": "The `accessToken` of a registration, a login or a refresh.",
                    }
                },
            },
        }

    def _operation(self, placed: Placed) -> Json:
        about = placed.about
        parameters = [*self._in_path(placed.path), *self._in_query(placed), *self._in_headers(placed)]
        body = self._body(placed)
        return {
            "operationId": placed.id,
            "tags": [placed.tag],
            "summary": about.summary,
            **_text(about),
            **({"parameters": parameters} if parameters else {}),
            **({"requestBody": body} if body else {}),
            "responses": self._responses.of(placed, [_link(link) for link in about.links]),
            "security": _security(about.token),
        }

    def _in_path(self, path: str) -> list[Json]:
        known = self._schemas.members(self._in_paths)
        return [self._shared(_parameter(name, known[name], "path")) for name in _PARAMETER.findall(path)]

    def _in_query(self, placed: Placed) -> list[Json]:
        kinds = [placed.about.query, self._of_pages if placed.about.is_list else None]
        return [
            self._shared(_parameter(name, member, "query"))
            for kind in kinds
            if kind
            for name, member in self._schemas.members(kind).items()
        ]

    def _in_headers(self, placed: Placed) -> list[Json]:
        if not isinstance(placed.about.answer, Bytes):
            return []
        return [
            self._shared({"name": name, "in": "header", "description": text, "schema": _text_like(example)})
            for name, (text, example) in _CONDITIONS.items()
            if placed.method == "GET" or "Range" not in name  # defined for GET alone (RFC 9110, section 14.2)
        ]

    def _shared(self, parameter: Json) -> Json:
        """Return a reference to a parameter; those that differ in one name are told apart by their place."""
        for name in (parameter["name"], f"{parameter['name']}-{parameter['in']}"):
            if self._parameters.setdefault(name, parameter) == parameter:
                return {"$ref": f"#/components/parameters/{name}"}
        return parameter

    def _body(self, placed: Placed) -> Json:
        about = placed.about
        if about.form:
            return {"required": True, "content": {"multipart/form-data": self._form(about.form)}}
        if about.body is None:
            return {}
        # With DELETE many clients cannot send one.
        required = {} if placed.method == "DELETE" else {"required": True}
        return required | {"content": {"application/json": {"schema": self._schemas.of(about.body)}}}

    def _form(self, form: Form) -> Json:
        encoding = {"file": {"contentType": ", ".join(form.media_types)}}
        return {"schema": self._schemas.of(form.fields), "encoding": encoding}


def _parameter(name: str, member: tuple[Json, bool], place: str) -> Json:
    schema, is_required = member
    text = schema.pop("description", "")
    required = {"required": True} if is_required else {}
    return {"name": name, "in": place, **required, "description": text, "schema": schema}


def _text_like(example: str) -> Json:
    return {"type": "string", "examples": [example]}


def _text(about: Described) -> Json:
    bucket = about.limit
    limit = f"At most {bucket.amount} requests in {WINDOW_SECONDS} seconds." if bucket else ""
    text = " ".join(part for part in (about.text, limit) if part)
    return {"description": text} if text else {}


def _security(token: Token) -> list[Json]:
    return {Token.REQUIRED: [{_BEARER: []}], Token.WELCOME: [{_BEARER: []}, {}], Token.IGNORED: []}[token]


def _link(link: Link) -> tuple[str, Json]:
    shown: Json = {"operationId": link.operation_id, "description": link.text}
    if link.parameters:
        shown["parameters"] = dict(link.parameters)
    if link.body:
        shown["requestBody"] = dict(link.body)
    return link.operation_id, shown


def _check_names(placed: Sequence[Placed]) -> None:
    places = [(operation.method, operation.path) for operation in placed]
    ids = [operation.id for operation in placed]
    if len(set(places)) < len(places) or len(set(ids)) < len(ids):
        raise ValueError("two operations share a place or an id")
    lost = {link.operation_id for operation in placed for link in operation.about.links} - set(ids)
    if lost:
        raise ValueError(f"links lead to operations that do not exist: {sorted(lost)}")
