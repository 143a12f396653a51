"""Key files: which key signs, what is published of it, and what cannot be used."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from pet.security.signing_keys import SigningKey, jwks, load_signing_keys

RFC_8037_KEY = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
RFC_8037_THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
"""Appendix A.3 of RFC 8037: a key and its thumbprint."""

Private = Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | Ed448PrivateKey


def pem(key: Private, encryption: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def public_pem(key: Private) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_a_thumbprint_is_that_of_the_standard() -> None:
    key = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(f"{RFC_8037_KEY}="))
    assert SigningKey.of(key).jwk() == {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": RFC_8037_KEY,
        "kid": RFC_8037_THUMBPRINT,
        "alg": "EdDSA",
        "use": "sig",
    }


def test_of_a_folder_the_last_private_key_by_name_signs(tmp_path: Path) -> None:
    old, current, coming = (Ed25519PrivateKey.generate() for _ in range(3))
    (tmp_path / "2026-01.pem").write_bytes(pem(old))
    (tmp_path / "2026-07.pem").write_bytes(pem(current))
    (tmp_path / "2027-01.pem").write_bytes(public_pem(coming))
    (tmp_path / "README").write_text("no key")
    keys = load_signing_keys(tmp_path)
    assert [key.kid for key in keys] == [SigningKey.of(key).kid for key in (current, coming, old)]
    assert [key.private is not None for key in keys] == [True, False, True]


def test_the_public_half_beside_its_private_one_is_one_key(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    (tmp_path / "a.pem").write_bytes(pem(key))
    (tmp_path / "b.pem").write_bytes(public_pem(key))
    (found,) = load_signing_keys(tmp_path)
    assert (found.kid, found.algorithm, found.private is None) == (SigningKey.of(key).kid, "RS256", False)


def test_a_file_is_one_key(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(pem(Ed25519PrivateKey.generate()))
    assert len(load_signing_keys(tmp_path / "key")) == 1


def test_nothing_private_is_published() -> None:
    keys = [SigningKey.of(Ed25519PrivateKey.generate()), SigningKey.of(rsa.generate_private_key(65537, 2048))]
    assert [set(key) for key in jwks(keys)["keys"]] == [
        {"kty", "crv", "x", "kid", "alg", "use"},
        {"kty", "n", "e", "kid", "alg", "use"},
    ]


WEAK = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it is to be refused
UNUSABLE = {
    "holds an RSA key of 1024 bits; it must have 2048 to 4096.": pem(WEAK),
    "holds a key of another kind than Ed25519 and RSA.": pem(ec.generate_private_key(ec.SECP256R1())),
    "is encrypted; keep it in the clear, readable by the service alone.": pem(
        Ed25519PrivateKey.generate(), BestAvailableEncryption(b"hush")
    ),
    "holds no key in PEM form.": b"-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----\n",
}


@pytest.mark.parametrize(("sentence", "content"), UNUSABLE.items(), ids=["weak", "kind", "encrypted", "malformed"])
def test_one_key_that_cannot_be_used_spoils_all_and_is_told_without_its_content(
    tmp_path: Path, sentence: str, content: bytes
) -> None:
    (tmp_path / "1.pem").write_bytes(content)
    (tmp_path / "2.pem").write_bytes(pem(Ed25519PrivateKey.generate()))
    with pytest.raises(ValueError, match=r"1\.pem") as refusal:
        load_signing_keys(tmp_path)
    assert str(refusal.value) == f"{tmp_path / '1.pem'} {sentence}"


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", public_pem(WEAK), pem(Ed448PrivateKey.generate())],
    ids=["empty", "binary", "weak_public", "ed448"],
)
def test_what_is_no_key_of_ours_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key.pem").write_bytes(content)
    with pytest.raises(ValueError, match="holds"):
        load_signing_keys(tmp_path)


def test_public_halves_alone_cannot_sign(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(public_pem(Ed25519PrivateKey.generate()))
    with pytest.raises(ValueError, match="holds no private key to sign with"):
        load_signing_keys(tmp_path)
