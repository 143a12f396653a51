"""The one secret of an installation, and the keys that are derived from it."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

SECRET_BYTES = 48
MIN_SECRET_BYTES = 32
"""RFC 7518, section 3.2: a key for HMAC-SHA256 is at least as long as the hash."""


def derive_key(secret: bytes, purpose: str) -> bytes:
    """Return the 32-byte key for one purpose: the expand step of HKDF (RFC 5869, section 2.3), one block.

    Keys of different purposes tell nothing of each other, so what is signed with one never passes for the other.

    Raises:
        ValueError: the secret is shorter than 32 bytes.
    """
    if len(secret) < MIN_SECRET_BYTES:
        raise ValueError(f"The secret key must be at least {MIN_SECRET_BYTES} bytes long.")
    return hmac.digest(secret, f"pet {purpose}".encode() + b"\x01", hashlib.sha256)


def load_or_create_secret(path: Path) -> bytes:
    """Return the secret that a file holds as text; make the file on the first start, readable by its owner alone.

    The file appears whole, under its name, at once: of several processes that start together, all get the same secret.

    Raises:
        ValueError: the file holds less than a secret.
        OSError: the file can be neither read nor made.
    """
    if not path.exists():
        _create(path)
    secret = path.read_bytes().strip()
    if len(secret) < MIN_SECRET_BYTES:
        raise ValueError(f"{path} must hold a secret of at least {MIN_SECRET_BYTES} bytes.")
    return secret


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        _write_durably(draft, secrets.token_urlsafe(SECRET_BYTES).encode() + b"\n")
        path.hardlink_to(draft)  # unlike a rename it never replaces what another process has put there
    except FileExistsError:
        return
    finally:
        draft.unlink(missing_ok=True)


def _write_durably(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
