"""Tokens: what proves a session to us again, and what lets an `<audio>` element fetch private bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from pet.domain.ids import FileId, SessionId, UserId

ACCESS_LIFETIME = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What an access token claims; whether the session is still open is another question."""

    user_id: UserId
    session_id: SessionId


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    """What a refresh token claims; `token_id` is good for one use."""

    user_id: UserId
    session_id: SessionId
    token_id: str


class TokenSigner(Protocol):
    """Issues and reads tokens. An access token is never taken for a refresh token, nor the other way round."""

    def issue_access(self, user_id: UserId, session_id: SessionId, now: datetime) -> tuple[str, datetime]:
        """Return a new access token, good for 15 minutes, and when it expires (in whole seconds)."""

    def read_access(self, token: str) -> AccessClaims:
        """Return what an access token claims.

        Raises:
            Unauthenticated: whatever is wrong with the token; the sentence never tells what.
        """

    def issue_refresh(self, user_id: UserId, session_id: SessionId, token_id: str, issued_at: datetime) -> str:
        """Return the refresh token with that id, good for 30 days from `issued_at`.

        The same arguments give the same token, so that it can be handed out again without having been stored.
        """

    def read_refresh(self, token: str) -> RefreshClaims:
        """Return what a refresh token claims.

        Raises:
            Unauthenticated: whatever is wrong with the token; the sentence never tells what.
        """


class MediaLinkSigner(Protocol):
    """Signs URLs of private media for a viewer who may see them, since an `<audio>` element sends no token."""

    def sign(self, file_id: FileId, viewer_id: UserId, now: datetime) -> dict[str, str]:
        """Return the query parameters that open a file to a viewer for 6 to 7 hours.

        Within one hour of the clock they stay the same, so that a browser's cache keeps working.
        """

    def verify(self, file_id: str, parameters: Mapping[str, str], now: datetime) -> UserId | None:
        """Return for whom a URL was signed; None when it was not, was altered or has expired.

        Other parameters are ignored. Whether that viewer may still see the file is for the caller to ask.
        """
