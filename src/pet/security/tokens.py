"""Session tokens as JWTs (RFC 7519), read as RFC 8725 advises."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import jwt

from pet.domain.errors import Unauthenticated
from pet.domain.ids import SessionId, UserId
from pet.domain.sessions import REFRESH_LIFETIME
from pet.domain.tokens import ACCESS_LIFETIME, AccessClaims, RefreshClaims
from pet.security.keys import derive_key

KEY_PURPOSE = "session tokens"
ALGORITHM = "HS256"
AUDIENCE = "pet"
MAX_TOKEN_CHARACTERS = 4096
LEEWAY = timedelta(seconds=30)
"""How far the clocks of two servers may differ."""

REQUIRED_CLAIMS = ["typ", "iss", "aud", "exp", "iat", "nbf", "sub", "sid", "jti"]

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_REFUSED = "The token is invalid or has expired. Please log in again."


class _Kind(StrEnum):
    """The claim `typ`; the header's `typ` follows from it."""

    ACCESS = "access"
    REFRESH = "refresh"

    @property
    def lifetime(self) -> timedelta:
        return ACCESS_LIFETIME if self is _Kind.ACCESS else REFRESH_LIFETIME

    @property
    def header(self) -> dict[str, str]:
        return {"alg": ALGORITHM, "typ": f"{self}+jwt"}


class JwtSigner:
    """Signs tokens with a key of its own, derived from the secret.

    Args:
        secret: at least 32 bytes, the same in all processes.
        issuer: the claim `iss`; tokens of another issuer are refused.
    """

    def __init__(self, secret: bytes, issuer: str) -> None:
        self._key = derive_key(secret, KEY_PURPOSE)
        self._issuer = issuer

    def issue_access(self, user_id: UserId, session_id: SessionId, now: datetime) -> tuple[str, datetime]:
        """Return a new access token, good for 15 minutes, and when it expires (in whole seconds)."""
        token_id, issued_at = secrets.token_urlsafe(12), int(now.timestamp())
        expires_at = datetime.fromtimestamp(issued_at, UTC) + ACCESS_LIFETIME
        return self._issue(_Kind.ACCESS, user_id, session_id, token_id, issued_at), expires_at

    def read_access(self, token: str) -> AccessClaims:
        """Return what an access token claims; Unauthenticated when anything is wrong with it."""
        claims = self._read(_Kind.ACCESS, token)
        return AccessClaims(user_id=UserId(claims["sub"]), session_id=SessionId(claims["sid"]))

    def issue_refresh(self, user_id: UserId, session_id: SessionId, token_id: str, issued_at: datetime) -> str:
        """Return the refresh token with that id, good for 30 days; a pure function of its arguments."""
        return self._issue(_Kind.REFRESH, user_id, session_id, token_id, int(issued_at.timestamp()))

    def read_refresh(self, token: str) -> RefreshClaims:
        """Return what a refresh token claims; Unauthenticated when anything is wrong with it."""
        claims = self._read(_Kind.REFRESH, token)
        return RefreshClaims(user_id=UserId(claims["sub"]), session_id=SessionId(claims["sid"]), token_id=claims["jti"])

    def _issue(self, kind: _Kind, user_id: UserId, session_id: SessionId, token_id: str, issued_at: int) -> str:
        claims = {
            "typ": kind.value,
            "iss": self._issuer,
            "aud": AUDIENCE,
            "exp": issued_at + int(kind.lifetime.total_seconds()),
            "iat": issued_at,
            "nbf": issued_at,
            "sub": user_id,
            "sid": session_id,
            "jti": token_id,
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers=kind.header)

    def _read(self, kind: _Kind, token: str) -> dict[str, str]:
        """Return the textual claims of a token of one kind.

        The header must be exactly ours: no key, no critical extension, no other algorithm is ever looked at.
        """
        if len(token) > MAX_TOKEN_CHARACTERS or not _COMPACT.fullmatch(token):
            raise Unauthenticated(_REFUSED)
        try:
            decoded = jwt.decode_complete(
                token,
                self._key,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=AUDIENCE,
                leeway=LEEWAY,
                options={"require": REQUIRED_CLAIMS, "strict_aud": True},
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated(_REFUSED) from error
        claims = {name: decoded["payload"][name] for name in ("typ", "sub", "sid", "jti")}
        is_ours = decoded["header"] == kind.header and claims["typ"] == kind.value
        if not is_ours or not all(isinstance(value, str) for value in claims.values()):
            raise Unauthenticated(_REFUSED)
        return claims
