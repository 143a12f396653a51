"""Every way in which a request can fail, one class per kind, each with a stable code.

A service raises; each front translates in one place (`schema/errors.py`, `rest_compat/errors.py`).
The message is one sentence for the person who reads it. It never holds a secret or an internal text.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ErrorCode(StrEnum):
    """The codes that clients branch on; they never change their meaning."""

    INVALID = "INVALID"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    TOO_LARGE = "TOO_LARGE"
    UNSUPPORTED_MEDIA = "UNSUPPORTED_MEDIA"
    RATE_LIMITED = "RATE_LIMITED"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


class DomainError(Exception):
    """A failure that a front shows to its client.

    Args:
        message: one sentence that says what is wrong and, where it helps, what to do.
        field: the input field at fault in camelCase, dots between levels (`socialLinks.vk`).
    """

    code: ErrorCode

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class Invalid(DomainError):
    """A field is missing or malformed."""

    code = ErrorCode.INVALID


class Unauthenticated(DomainError):
    """No token, a bad or expired one, or wrong credentials."""

    code = ErrorCode.UNAUTHENTICATED


class Forbidden(DomainError):
    """Someone else's."""

    code = ErrorCode.FORBIDDEN


class NotFound(DomainError):
    """Not there, or not visible to this viewer: the two are never told apart."""

    code = ErrorCode.NOT_FOUND


class Conflict(DomainError):
    """Already taken."""

    code = ErrorCode.CONFLICT


class TooLarge(DomainError):
    """More bytes than the limit allows."""

    code = ErrorCode.TOO_LARGE


class UnsupportedMedia(DomainError):
    """The bytes are not what the route accepts."""

    code = ErrorCode.UNSUPPORTED_MEDIA


@dataclass(frozen=True, slots=True)
class LimitState:
    """Where a caller stands with one rate limit.

    `reset_seconds` is the whole number of seconds until the window starts anew, at least 1.
    """

    bucket: str
    limit: int
    window_seconds: int
    remaining: int
    reset_seconds: int


class RateLimited(DomainError):
    """The budget of a rate limit is spent until its window ends."""

    code = ErrorCode.RATE_LIMITED

    def __init__(self, state: LimitState) -> None:
        super().__init__(f"Too many requests. Please try again in {state.reset_seconds} seconds.")
        self.state = state


class Service(StrEnum):
    """The nouns by which the legacy document names a service that is down."""

    AUTH = "Auth"
    USER = "User"
    MEDIA = "Media"
    SOCIAL = "Social"


class Unavailable(DomainError):
    """An engine is down; nothing was done, and trying again later may succeed."""

    code = ErrorCode.UNAVAILABLE
    retry_after_seconds = 5
    diagnosis = "an engine is down"
    """What the log tells operators; clients do not learn it."""

    def __init__(self, service: Service) -> None:
        super().__init__(f"{service} Service is temporarily unavailable. Please try again later.")
        self.service = service


class OutOfSpace(Unavailable):
    """A disk is full: nothing can be written until somebody makes room, while all that was written can be read."""

    diagnosis = "no space is left on a disk"
