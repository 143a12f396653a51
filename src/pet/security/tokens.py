"""Session tokens as JWTs (RFC 7519), read as RFC 8725 advises."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import jwt

from pet.domain.errors import Unauthenticated
from pet.domain.ids import SessionId, UserId
from pet.domain.sessions import REFRESH_LIFETIME
from pet.domain.tokens import ACCESS_LIFETIME, AccessClaims, RefreshClaims
from pet.security.keys import derive_key
from pet.security.signing_keys import Private, Public, SigningKey

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


@dataclass(frozen=True, slots=True)
class _Key:
    """What signs and what verifies, by one algorithm; without a name (`kid`) it is the one derived from the secret."""

    kid: str | None
    algorithm: str
    signs: bytes | Private | None
    verifies: bytes | Public

    def header(self, kind: _Kind) -> dict[str, str]:
        named = {"kid": self.kid} if self.kid else {}
        return {"alg": self.algorithm, "typ": f"{kind}+jwt", **named}


class JwtSigner:
    """Signs tokens with the first of some key pairs, or without any by HS256 with a key derived from the secret.

    With key pairs nothing that the secret signs is taken for a token.

    Args:
        secret: at least 32 bytes, the same in all processes.
        issuer: the claim `iss`; tokens of another issuer are refused.
        keys: key pairs whose tokens are read; the first has its private half.
    """

    def __init__(self, secret: bytes, issuer: str, *, keys: Sequence[SigningKey] = ()) -> None:
        derived = derive_key(secret, KEY_PURPOSE)
        pairs = [_Key(key.kid, key.algorithm, key.private, key.public) for key in keys]
        ring = pairs or [_Key(None, ALGORITHM, derived, derived)]
        self._signing, self._ring = ring[0], {key.kid: key for key in ring}
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
        key = self._signing
        if key.signs is None:
            raise ValueError("the first of the keys has no private half")
        return jwt.encode(claims, key.signs, algorithm=key.algorithm, headers=key.header(kind))

    def _read(self, kind: _Kind, token: str) -> dict[str, str]:
        """Return the textual claims of a token of one kind.

        The header names one of our keys and nothing more: the algorithm is that of the key, whatever the header says,
        and no key, address or critical extension in it is ever looked at.
        """
        if len(token) > MAX_TOKEN_CHARACTERS or not _COMPACT.fullmatch(token):
            raise Unauthenticated(_REFUSED)
        try:
            key = self._ring[jwt.get_unverified_header(token).get("kid")]
            decoded = jwt.decode_complete(
                token,
                key.verifies,
                algorithms=[key.algorithm],
                issuer=self._issuer,
                audience=AUDIENCE,
                leeway=LEEWAY,
                options={"require": REQUIRED_CLAIMS, "strict_aud": True},
            )
        except (jwt.PyJWTError, KeyError) as error:
            raise Unauthenticated(_REFUSED) from error
        claims = {name: decoded["payload"][name] for name in ("typ", "sub", "sid", "jti")}
        is_ours = decoded["header"] == key.header(kind) and claims["typ"] == kind.value
        if not is_ours or not all(isinstance(value, str) for value in claims.values()):
            raise Unauthenticated(_REFUSED)
        return claims
