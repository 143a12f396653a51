"""Key pairs that sign tokens, read from files, and their public halves as others may have them (RFC 7517)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

MIN_RSA_BITS = 2048
"""RFC 7518, section 3.3."""

MAX_RSA_BITS = 4096
"""One signature takes about five milliseconds of the event loop; with twice the bits it takes seven times as long."""

MAX_FILE_BYTES = 64 * 1024

Public = Ed25519PublicKey | RSAPublicKey
Private = Ed25519PrivateKey | RSAPrivateKey


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key with its one algorithm: `EdDSA` or `RS256`. One without the private half only verifies.

    `kid` is the thumbprint of the public half (RFC 7638), so it names the same key in every process.
    """

    kid: str
    algorithm: str
    public: Public
    private: Private | None

    @classmethod
    def of(cls, key: Private | Public) -> Self:
        """Return a key under its name, with its algorithm."""
        public = key if isinstance(key, Public) else key.public_key()
        private = None if isinstance(key, Public) else key
        algorithm = "EdDSA" if isinstance(public, Ed25519PublicKey) else "RS256"
        return cls(_thumbprint(public), algorithm, public, private)

    def jwk(self) -> dict[str, str]:
        """Return the public half, and nothing else, as a JSON Web Key."""
        return {**_members(self.public), "kid": self.kid, "alg": self.algorithm, "use": "sig"}


def load_signing_keys(place: Path) -> tuple[SigningKey, ...]:
    """Return the keys of a PEM file, or of every `*.pem` in a folder, the one that signs first.

    In a folder the private key signs whose file is the last by name; all others only verify.

    Raises:
        ValueError: in one sentence, what is wrong with which file; it never holds what is in the file.
    """
    files = sorted(place.glob("*.pem"), reverse=True) if place.is_dir() else [place]
    keys: dict[str, SigningKey] = {}
    for key in map(_load, files):
        if key.kid not in keys or keys[key.kid].private is None:
            keys[key.kid] = key
    newest = next((key for key in keys.values() if key.private), None)
    if newest is None:
        raise ValueError(f"{place} holds no private key to sign with.")
    return (newest, *(key for key in keys.values() if key is not newest))


def jwks(keys: Sequence[SigningKey]) -> Mapping[str, Sequence[Mapping[str, str]]]:
    """Return the public halves as a JSON Web Key Set (RFC 7517, section 5), the one that signs first."""
    return {"keys": [key.jwk() for key in keys]}


def _load(file: Path) -> SigningKey:
    try:
        with file.open("rb") as opened:
            pem = opened.read(MAX_FILE_BYTES)
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}.") from error
    try:
        is_private = b"PRIVATE KEY-----" in pem
        key = load_pem_private_key(pem, password=None) if is_private else load_pem_public_key(pem)
    except TypeError as error:
        raise ValueError(f"{file} is encrypted; keep it in the clear, readable by the service alone.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"{file} holds no key in PEM form.") from error
    if not isinstance(key, Private | Public):
        raise ValueError(f"{file} holds a key of another kind than Ed25519 and RSA.")  # noqa: TRY004 - an operator's
    if isinstance(key, RSAPrivateKey | RSAPublicKey) and not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        sentence = f"an RSA key of {key.key_size} bits; it must have {MIN_RSA_BITS} to {MAX_RSA_BITS}"
        raise ValueError(f"{file} holds {sentence}.")
    return SigningKey.of(key)


def _members(public: Public) -> dict[str, str]:
    """Return the members of a JSON Web Key that make the key, which are those of its thumbprint."""
    if isinstance(public, Ed25519PublicKey):
        return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(public.public_bytes(Encoding.Raw, PublicFormat.Raw))}
    numbers = public.public_numbers()
    return {"e": _base64url(_octets(numbers.e)), "kty": "RSA", "n": _base64url(_octets(numbers.n))}


def _thumbprint(public: Public) -> str:
    """Return the thumbprint of RFC 7638: SHA-256 over the members in the order of their names, without spaces."""
    return _base64url(hashlib.sha256(orjson.dumps(_members(public), option=orjson.OPT_SORT_KEYS)).digest())


def _octets(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")
