"""What operations answer: their successes, and the refusals that follow from what they promise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Annotated, Literal, TypedDict

from pet.domain.errors import (
    DomainError,
    Forbidden,
    Invalid,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
)
from pet.openapi.operations import Bytes, Described, Placed, Report, Success, Token
from pet.openapi.schemas import Json, Schemas, about
from pet.schema.errors import STATUS

JSON = "application/json"


class Refusal(TypedDict):
    """Every error of every kind."""

    success: Literal[False]
    error: Annotated[str, about("One sentence for the person who reads it.", "Invalid credentials", minLength=1)]


_REFUSALS: dict[HTTPStatus, tuple[str, str, str]] = {
    HTTPStatus.BAD_REQUEST: ("Invalid", "A field is missing or malformed; the sentence names it.", "email is required"),
    HTTPStatus.UNAUTHORIZED: (
        "Unauthenticated",
        "No token, a bad or expired one, or wrong credentials.",
        "Invalid credentials",
    ),
    HTTPStatus.FORBIDDEN: (
        "Forbidden",
        "The token belongs to someone else.",
        "The token belongs to another user than the request names.",
    ),
    HTTPStatus.NOT_FOUND: (
        "NotFound",
        "Not there, or not visible to this viewer: the two are never told apart.",
        "User not found",
    ),
    HTTPStatus.REQUEST_TIMEOUT: (
        "TooSlow",
        "The body came more slowly than 1 KB a second; the connection ends.",
        "The body came too slowly.",
    ),
    HTTPStatus.CONFLICT: ("Conflict", "Already taken.", "Email already exists"),
    HTTPStatus.PRECONDITION_FAILED: (
        "PreconditionFailed",
        "The file is not the version that `If-Match` or `If-Unmodified-Since` expects.",
        "The file is not the version that the request expects.",
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        "TooLarge",
        "More bytes than the limit allows.",
        "The file is too large: the limit is 5 MB.",
    ),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: (
        "UnsupportedMedia",
        "The bytes are not what the operation takes, whatever they are called.",
        "Send the body as application/json.",
    ),
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: (
        "RangeNotSatisfiable",
        "All that `Range` asks for lies beyond the end.",
        "The requested range lies outside of the file, which has 5242880 bytes.",
    ),
    HTTPStatus.TOO_MANY_REQUESTS: (
        "RateLimited",
        "The budget of a limit is spent until its window ends.",
        "Too many requests. Please try again in 42 seconds.",
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        "Failed",
        "An engine is down and nothing was done (with `Retry-After`), or a failure of ours (with the request's id).",
        "User Service is temporarily unavailable. Please try again later.",
    ),
}

_HEADERS: dict[str, tuple[str, Json]] = {
    "Retry-After": ("Seconds after which to try again.", {"type": "integer", "minimum": 1}),
    "RateLimit-Policy": (
        "The limit's name, its requests (`q`) and its window in seconds (`w`).",
        {"type": "string", "examples": ['"login";q=5;w=60']},
    ),
    "RateLimit": (
        "The limit's name, what remains (`r`) and the seconds until it starts anew (`t`).",
        {"type": "string", "examples": ['"login";r=0;t=42']},
    ),
    "WWW-Authenticate": ("The scheme that is understood.", {"type": "string", "const": "Bearer"}),
    "Link": ("The next page (RFC 8288), while there is one.", {"type": "string"}),
    "ETag": ("The version; strong.", {"type": "string"}),
    "Last-Modified": ("When the bytes arrived.", {"type": "string"}),
    "Accept-Ranges": ("The unit of ranges.", {"type": "string", "const": "bytes"}),
    "Cache-Control": ("How long and by whom it may be kept.", {"type": "string"}),
    "Content-Disposition": ("The original name (RFC 6266).", {"type": "string"}),
    "Content-Range": ("Which bytes these are, of how many.", {"type": "string"}),
    "Location": ("Where the store keeps the bytes, for a while.", {"type": "string", "format": "uri"}),
}

_REFUSAL_HEADERS: dict[HTTPStatus, tuple[str, ...]] = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate",),
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: ("Content-Range",),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After", "RateLimit-Policy", "RateLimit"),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("Retry-After",),
}

_MAY_BE_MISSING = {"Retry-After", "Content-Range", "Link"}

_OF_FILES = ("ETag", "Last-Modified", "Accept-Ranges", "Cache-Control", "Content-Disposition")


class Responses:
    """Describes answers, and collects what several of them share."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._shared: dict[HTTPStatus, Json] = {}
        self._used_headers: set[str] = set()

    def of(self, placed: Placed, links: Sequence[tuple[str, Json]]) -> Json:
        """Return all answers of an operation, by status."""
        found: dict[HTTPStatus, Json] = dict(self._answers(placed, dict(links)))
        for status in sorted(_refusals(placed.about)):
            found.setdefault(status, self._refusal(status))
        return {str(int(status)): response for status, response in sorted(found.items())}

    def shared(self) -> Json:
        """Return `components/responses`, complete when every operation has been described."""
        return {_name_of(status): response for status, response in sorted(self._shared.items())}

    def headers(self) -> Json:
        """Return `components/headers`, likewise."""
        return {
            name: {
                "description": text,
                **({} if name in _MAY_BE_MISSING else {"required": True}),
                "schema": schema,
            }
            for name, (text, schema) in _HEADERS.items()
            if name in self._used_headers
        }

    def _answers(self, placed: Placed, links: Json) -> Iterator[tuple[HTTPStatus, Json]]:
        match placed.about.answer:
            case Success(parts=parts):
                success = {"success": Literal[True], **parts}
                content = {JSON: {"schema": self._schemas.object_of(success)}}
                headers = self._headers("Link") if placed.about.is_list else {}
                more = {"links": links} if links else {}
                yield HTTPStatus.OK, {"description": "Done.", **headers, "content": content, **more}
            case Bytes(media_types=media_types):
                yield from self._file(placed, media_types, links)
            case reports:
                for report in reports:
                    yield report.status, self._report(report)

    def _report(self, report: Report) -> Json:
        shape = {} if report.kind is None else {"schema": self._schemas.of(report.kind)}
        return {"description": report.text, "content": {report.media_type: shape}}

    def _file(self, placed: Placed, media_types: Sequence[str], links: Json) -> Iterator[tuple[HTTPStatus, Json]]:
        is_head = placed.method == "HEAD"
        content: Json = {} if is_head else {"content": {media_type: {} for media_type in media_types}}
        headers = self._headers(*_OF_FILES)
        more = {"links": links} if links else {}
        text = "The head of the whole file; no play is counted." if is_head else "The whole file."
        yield HTTPStatus.OK, {"description": text, **headers, **content, **more}
        if not is_head:
            ranges = self._headers(*_OF_FILES, "Content-Range")
            parts = {**content["content"], "multipart/byteranges": {}}
            yield HTTPStatus.PARTIAL_CONTENT, {"description": "The ranges.", **ranges, "content": parts}
        yield HTTPStatus.NOT_MODIFIED, {"description": "The client has the current version.", **headers}
        yield (
            HTTPStatus.TEMPORARY_REDIRECT,
            {"description": "The store sends the bytes, where it is set up so.", **self._headers("Location")},
        )
        failed = [HTTPStatus.PRECONDITION_FAILED]
        if not is_head:
            failed.append(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        for status in failed:
            yield status, self._refusal(status)

    def _refusal(self, status: HTTPStatus) -> Json:
        if status not in self._shared:
            _, text, sentence = _REFUSALS[status]
            example = {"success": False, "error": sentence}
            self._shared[status] = {
                "description": text,
                **self._headers(*_REFUSAL_HEADERS.get(status, ())),
                "content": {JSON: {"schema": self._schemas.of(Refusal), "example": example}},
            }
        return {"$ref": f"#/components/responses/{_name_of(status)}"}

    def _headers(self, *names: str) -> Json:
        self._used_headers.update(names)
        return {"headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names}} if names else {}


def _refusals(promised: Described) -> set[HTTPStatus]:
    """Return the statuses of every error that an operation can meet."""
    if not isinstance(promised.answer, Success | Bytes):
        return set()
    errors: list[type[DomainError]] = [*promised.refused, Unavailable]
    if promised.body is not None or promised.form:
        errors += [Invalid, TooLarge, UnsupportedMedia]
    if promised.is_list:
        errors.append(Invalid)
    if promised.limit:
        errors.append(RateLimited)
    if promised.token is Token.REQUIRED:
        errors += [Unauthenticated, Forbidden]
    if promised.token is Token.WELCOME:
        errors.append(Unauthenticated)
    slow = {HTTPStatus.REQUEST_TIMEOUT} if promised.body is not None or promised.form else set()
    return slow | {STATUS[error.code] for error in errors}


def _name_of(status: HTTPStatus) -> str:
    return _REFUSALS[status][0]
