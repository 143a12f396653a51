"""Errors as GraphQL shows them: a person's mistakes beside a null result, the rest at the top level with a code."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from enum import Enum, StrEnum
from http import HTTPStatus
from typing import Any

import strawberry
import structlog
from graphql import GraphQLError
from strawberry.extensions import FieldExtension
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types import Info

from pet.domain.errors import DomainError, ErrorCode, RateLimited, Unavailable

TOP_LEVEL = frozenset({ErrorCode.RATE_LIMITED, ErrorCode.UNAVAILABLE, ErrorCode.INTERNAL})
"""What no person can mend by changing their input."""

log = logging.getLogger("pet.graphql")


MAX_MESSAGE = 1000
"""Characters of a message; graphql-core quotes what it was sent, however long it is."""


class RequestCode(StrEnum):
    """Codes of the top level that only GraphQL knows, beside those of the domain."""

    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    """The hash of a document came without the document, which nobody has sent yet: send both."""

    TIMEOUT = "TIMEOUT"
    """The operation took too long, and was ended."""


class PersistedQueryNotFound(Exception):
    """Nobody has sent the document of a hash. The words are those by which Apollo's clients know it."""

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound")


class TimedOut(Exception):
    """An operation took longer than it may; the message is for the client."""


STATUS = {
    ErrorCode.INVALID: HTTPStatus.BAD_REQUEST,
    ErrorCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    ErrorCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ErrorCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.CONFLICT: HTTPStatus.CONFLICT,
    ErrorCode.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorCode.UNSUPPORTED_MEDIA: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ErrorCode.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorCode.UNAVAILABLE: HTTPStatus.INTERNAL_SERVER_ERROR,
    ErrorCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""The status of each code over REST, and over GraphQL where a request is refused before its operation could run."""


@strawberry.enum(
    name="ErrorCode",
    description="Why something was refused. The codes never change their meaning. Errors of the top level have them in"
    " `extensions.code`, and two more: PERSISTED_QUERY_NOT_FOUND and TIMEOUT.",
)
class ErrorCodeName(Enum):
    """The codes of the domain, as GraphQL describes them."""

    INVALID = strawberry.enum_value("INVALID", description="Something is missing or malformed.")
    UNAUTHENTICATED = strawberry.enum_value(
        "UNAUTHENTICATED", description="No token, a bad or expired one, or wrong credentials."
    )
    FORBIDDEN = strawberry.enum_value(
        "FORBIDDEN",
        description="It is someone else's, or someone who has blocked the viewer; or the document is none of those that"
        " the server trusts.",
    )
    NOT_FOUND = strawberry.enum_value("NOT_FOUND", description="Not there, or not visible to the viewer.")
    CONFLICT = strawberry.enum_value("CONFLICT", description="Already taken.")
    TOO_LARGE = strawberry.enum_value("TOO_LARGE", description="More bytes than the limit allows.")
    UNSUPPORTED_MEDIA = strawberry.enum_value(
        "UNSUPPORTED_MEDIA", description="The bytes are not what is accepted here."
    )
    RATE_LIMITED = strawberry.enum_value(
        "RATE_LIMITED", description="Too many attempts, or a spent budget; `retryAfter` says for how many seconds."
    )
    UNAVAILABLE = strawberry.enum_value("UNAVAILABLE", description="A part of the service is down; nothing was done.")
    INTERNAL = strawberry.enum_value("INTERNAL", description="A failure of ours; the message has the request's id.")


@strawberry.type(description="A mistake that the person who sent the mutation can mend. Nothing was changed.")
class UserError:
    """One mistake in a mutation's input."""

    code: ErrorCodeName = strawberry.field(description="The kind of mistake, for programs.")
    field: str | None = strawberry.field(
        description="The input field at fault in camelCase, dots between levels, or null where it is none of them."
    )
    message: str = strawberry.field(description="One English sentence that says what is wrong, for people.")


@strawberry.type
class Payload:
    """The result of a mutation: everything but the mistakes is null when there are any."""

    user_errors: list[UserError] = strawberry.field(default_factory=list, description="Mistakes; empty on success.")


class UserErrors(FieldExtension):
    """Turns the mistakes that a mutation's resolver raises into its payload's `userErrors`."""

    def __init__(self, payload: type[Payload]) -> None:
        self._payload = payload

    async def resolve_async(
        self, next_: Callable[..., Awaitable[Any]], source: Any, info: Info[Any, Any], **kwargs: Any
    ) -> Any:
        """Run the resolver; errors of the top level pass.

        What a mutation before this one has loaded is old by now.
        """
        info.context.forget_loaded()
        if info.context.is_overdue:
            raise TimedOut("The time of the operation was over before this change could begin.")
        try:
            return await next_(source, info, **kwargs)
        except DomainError as error:
            if error.code in TOP_LEVEL:
                raise
            return self._payload(user_errors=[_mistake(error)])


def _mistake(error: DomainError) -> UserError:
    return UserError(code=ErrorCodeName(error.code.value), field=error.field, message=error.message)


def translate(error: GraphQLError) -> None:
    """Give an error of the top level its code, and hide what is internal, in place."""
    cause = error.original_error
    error.message = error.message[:MAX_MESSAGE]
    if isinstance(cause, DomainError):
        error.extensions = {"code": cause.code.value, **_details(cause)}
        if isinstance(cause, Unavailable):
            log.warning(cause.diagnosis, exc_info=cause)
    elif isinstance(cause, TimedOut):
        error.extensions = {"code": RequestCode.TIMEOUT.value}
    elif cause is not None and not isinstance(cause, GraphQLError | InvalidOperationTypeError):
        log.error("a resolver failed", exc_info=cause)
        request_id = structlog.contextvars.get_contextvars().get("request_id", "unknown")
        error.message = f"Something went wrong on our side. Please quote the request id {request_id}."
        error.extensions = {"code": ErrorCode.INTERNAL.value}
    else:
        error.extensions = {"code": ErrorCode.INVALID.value, **(error.extensions or {})}


def _details(error: DomainError) -> dict[str, object]:
    if isinstance(error, RateLimited):
        return {"retryAfter": error.state.reset_seconds}
    if isinstance(error, Unavailable):
        return {"retryAfter": error.retry_after_seconds}
    return {"field": error.field} if error.field else {}


def failure(code: ErrorCode | RequestCode, message: str) -> dict[str, object]:
    """Return an error for a request that never reached the schema."""
    return {"message": message, "extensions": {"code": code.value}}
