"""How a handler says what it takes and answers, in place: the description stands on the code that keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import Any, Generic, TypeVar

from pet.domain.errors import DomainError
from pet.domain.limits import Bucket

H = TypeVar("H")
Handler_co = TypeVar("Handler_co", covariant=True)


class Token(Enum):
    """What an operation does with an access token."""

    REQUIRED = "required"
    """It acts for the token's user."""

    WELCOME = "welcome"
    """It may show its user more; a bad one is refused."""

    IGNORED = "ignored"
    """It has another proof, or needs none."""


@dataclass(frozen=True, slots=True)
class Success:
    """A JSON object: `{"success": true}` and these parts, each with its type."""

    parts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bytes:
    """A file: whole, in ranges, or not at all because the client has it (RFC 9110, sections 13 to 15)."""

    media_types: Sequence[str]


@dataclass(frozen=True, slots=True)
class Report:
    """An answer outside of the envelopes. `kind` is the type of its JSON; None for another media type."""

    text: str
    kind: Any = None
    media_type: str = "application/json"
    status: HTTPStatus = HTTPStatus.OK


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart form. `fields` is the type of all its parts; `media_types` are those of its `file`."""

    fields: Any
    media_types: Sequence[str]


@dataclass(frozen=True, slots=True)
class Link:
    """What can be done next, with values from this answer.

    `parameters` and `body` map names to runtime expressions (OpenAPI 3.1, section 4.8.20.4).
    """

    operation_id: str
    text: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Described:
    """Decorates a handler with what it promises.

    What follows from the rest is not said again: a body can be malformed, too large or of a wrong type, a page can be
    asked for wrongly, a required token can be missing or another's, a limited budget can be spent, and any engine can
    be down. `refused` are the errors beside those. `query` and `body` are TypedDicts: of the parameters after the
    path, and of a JSON object.
    """

    summary: str
    text: str = ""
    token: Token = Token.WELCOME
    query: Any = None
    body: Any = None
    form: Form | None = None
    answer: Success | Bytes | Sequence[Report] = field(default_factory=lambda: Success({}))
    is_list: bool = False
    refused: Sequence[type[DomainError]] = ()
    limit: Bucket | None = None
    links: Sequence[Link] = ()

    def __call__(self, handler: H) -> Operation[H]:
        """Describe a handler."""
        return Operation(handler, self)


@dataclass(frozen=True, slots=True)
class Operation(Generic[Handler_co]):
    """A handler, and what it promises."""

    handler: Handler_co
    about: Described


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an operation is found. `path` has its parameters in braces; `id` names it in links and generated code."""

    method: str
    path: str
    id: str
    tag: str
    about: Described


def answers(**parts: Any) -> Success:
    """Say what stands beside `"success": true`, each part with its type."""
    return Success(parts)
