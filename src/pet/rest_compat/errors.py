"""Errors as the legacy routes show them: `{"success": false, "error": "<sentence>"}` with a status."""

from __future__ import annotations

import logging
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pet.domain.errors import DomainError, ErrorCode, RateLimited, Service, Unavailable
from pet.refusals import refusal
from pet.schema.errors import STATUS

FAMILIES = {"auth": Service.AUTH, "users": Service.USER, "media": Service.MEDIA, "social": Service.SOCIAL}
"""The first word of a path names the service that the document has behind it, whichever engine is down."""

log = logging.getLogger("pet.rest")


async def on_domain_error(request: Request, error: Exception) -> Response:
    """Translate an error of the domain."""
    if not isinstance(error, DomainError):
        raise error
    if isinstance(error, Unavailable):
        log.warning(error.diagnosis, exc_info=error)
        error = Unavailable(FAMILIES.get(request.url.path.split("/")[1], error.service))
    return refusal(error.message, STATUS[error.code], _headers(error))


async def on_http_error(request: Request, error: Exception) -> Response:
    """Translate what the router refuses: an unknown path, or a method that a path does not have."""
    del request
    if not isinstance(error, HTTPException):
        raise error
    sentences = {
        HTTPStatus.NOT_FOUND: "There is no such route.",
        HTTPStatus.METHOD_NOT_ALLOWED: "This route does not take this method.",
    }
    message = sentences.get(HTTPStatus(error.status_code), HTTPStatus(error.status_code).phrase)
    return refusal(message, error.status_code, dict(error.headers or {}))


def _headers(error: DomainError) -> dict[str, str]:
    match error:
        case RateLimited(state=state):
            # draft-ietf-httpapi-ratelimit-headers-10
            return {
                "Retry-After": str(state.reset_seconds),
                "RateLimit-Policy": f'"{state.bucket}";q={state.limit};w={state.window_seconds}',
                "RateLimit": f'"{state.bucket}";r={state.remaining};t={state.reset_seconds}',
            }
        case Unavailable():
            return {"Retry-After": str(error.retry_after_seconds)}
        case _ if error.code is ErrorCode.UNAUTHENTICATED:
            return {"WWW-Authenticate": "Bearer"}
        case _:
            return {}
