"""Signed links to private media."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from pet.domain.ids import FileId, UserId
from pet.security.keys import derive_key

KEY_PURPOSE = "media links"
WINDOW_SECONDS = 60 * 60
WINDOWS_VALID = 7
"""The window of signing counts as one: a link lives for more than 6 hours and for 7 at most."""


class LinkSigner:
    """Signs (file, viewer, expiry) with HMAC-SHA256, under a key of its own derived from the secret."""

    def __init__(self, secret: bytes) -> None:
        self._key = derive_key(secret, KEY_PURPOSE)

    def sign(self, file_id: FileId, viewer_id: UserId, now: datetime) -> dict[str, str]:
        """Return the parameters `viewer`, `expires` (Unix seconds) and `signature` (base64url), stable for an hour."""
        window = int(now.timestamp()) // WINDOW_SECONDS
        expires = str((window + WINDOWS_VALID) * WINDOW_SECONDS)
        return {"viewer": viewer_id, "expires": expires, "signature": self._signature(file_id, viewer_id, expires)}

    def verify(self, file_id: str, parameters: Mapping[str, str], now: datetime) -> UserId | None:
        """Return for whom a link was signed; None when it was not, was altered or has expired."""
        if "signature" not in parameters:  # as on most requests for what is public
            return None
        viewer, expires = parameters.get("viewer", ""), parameters.get("expires", "")
        given = _bytes(parameters["signature"])
        if not hmac.compare_digest(_bytes(self._signature(file_id, viewer, expires)), given):
            return None
        # Only now is `expires` known to be a number that we wrote.
        return UserId(viewer) if now.timestamp() < int(expires) else None

    def _signature(self, file_id: str, viewer_id: str, expires: str) -> str:
        # What is signed by us has two line breaks and no more, so it can be cut into three parts in one way alone.
        message = _bytes(f"{file_id}\n{viewer_id}\n{expires}")
        digest = hmac.digest(self._key, message, hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """Encode any text, that of a hostile query with lone surrogates included."""
    return text.encode("utf-8", "surrogatepass")
