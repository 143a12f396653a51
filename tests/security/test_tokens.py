from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pet.domain.errors import Unauthenticated
from pet.domain.ids import SessionId, UserId, new_uuid7
from pet.domain.times import utc_now
from pet.domain.tokens import AccessClaims, RefreshClaims
from pet.security import links, tokens
from pet.security.keys import derive_key
from pet.security.signing_keys import SigningKey
from pet.security.tokens import JwtSigner

SECRET = b"s" * 48
KEY = derive_key(SECRET, tokens.KEY_PURPOSE)
ISSUER = "http://localhost:3000"
USER, SESSION = UserId(new_uuid7()), SessionId(new_uuid7())
REFUSAL = "The token is invalid or has expired. Please log in again."


@pytest.fixture
def signer() -> JwtSigner:
    return JwtSigner(SECRET, ISSUER)


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def forge(
    claims: object,
    *,
    kind: str = "access",
    header: object = None,
    key: bytes = KEY,
    digest: str = "sha256",
) -> str:
    """Sign anything, as an attacker with that key could; the header is ours unless another is given."""
    header = {"alg": "HS256", "typ": f"{kind}+jwt"} if header is None else header
    signed = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"
    return f"{signed}.{encoded(hmac.digest(key, signed.encode(), digest))}"


def claims(kind: str = "access", /, **changes: Any) -> dict[str, Any]:
    """Return the claims of a good token, changed."""
    now = int(utc_now().timestamp())
    good = {
        "typ": kind,
        "iss": ISSUER,
        "aud": "pet",
        "exp": now + 600,
        "iat": now,
        "nbf": now,
        "sub": USER,
        "sid": SESSION,
        "jti": "one",
    }
    return good | changes


def at(seconds: int) -> int:
    return int(utc_now().timestamp()) + seconds


def replaced(token: str, position: int, part: str) -> str:
    parts = token.split(".")
    parts[position] = part
    return ".".join(parts)


def test_an_access_token_names_user_and_session_for_fifteen_minutes(signer: JwtSigner) -> None:
    now = utc_now()
    token, expires_at = signer.issue_access(USER, SESSION, now)
    assert signer.read_access(token) == AccessClaims(user_id=USER, session_id=SESSION)
    assert expires_at == now.replace(microsecond=0) + timedelta(minutes=15)


def test_a_refresh_token_names_itself_too(signer: JwtSigner) -> None:
    token = signer.issue_refresh(USER, SESSION, "token-id", utc_now())
    assert signer.read_refresh(token) == RefreshClaims(user_id=USER, session_id=SESSION, token_id="token-id")


def test_the_forger_of_these_tests_makes_good_tokens_when_it_changes_nothing(signer: JwtSigner) -> None:
    assert signer.read_access(forge(claims())) == AccessClaims(USER, SESSION)
    assert signer.read_refresh(forge(claims("refresh"), kind="refresh")) == RefreshClaims(USER, SESSION, "one")


def test_the_same_refresh_token_is_issued_again_byte_for_byte_by_any_process(signer: JwtSigner) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    token = signer.issue_refresh(USER, SESSION, "token-id", moment)
    assert JwtSigner(SECRET, ISSUER).issue_refresh(USER, SESSION, "token-id", moment) == token
    assert signer.issue_refresh(USER, SESSION, "token-ie", moment) != token


def test_two_access_tokens_of_one_second_differ(signer: JwtSigner) -> None:
    now = utc_now()
    assert signer.issue_access(USER, SESSION, now) != signer.issue_access(USER, SESSION, now)


def test_another_process_with_the_same_secret_reads_the_token(signer: JwtSigner) -> None:
    token, _ = signer.issue_access(USER, SESSION, utc_now())
    assert JwtSigner(SECRET, ISSUER).read_access(token) == AccessClaims(USER, SESSION)


@pytest.mark.parametrize("offset", [timedelta(seconds=20), -timedelta(minutes=15, seconds=20)], ids=["ahead", "behind"])
def test_the_clock_of_who_issued_an_access_token_may_differ_by_half_a_minute(
    signer: JwtSigner, offset: timedelta
) -> None:
    token, _ = signer.issue_access(USER, SESSION, utc_now() + offset)
    assert signer.read_access(token) == AccessClaims(USER, SESSION)


@pytest.mark.parametrize("offset", [timedelta(seconds=20), -timedelta(days=30, seconds=20)], ids=["ahead", "behind"])
def test_the_clock_of_who_issued_a_refresh_token_may_differ_by_half_a_minute(
    signer: JwtSigner, offset: timedelta
) -> None:
    token = signer.issue_refresh(USER, SESSION, "one", utc_now() + offset)
    assert signer.read_refresh(token) == RefreshClaims(USER, SESSION, "one")


def attacks() -> dict[str, str]:
    """Return tokens that must all be refused as access tokens, each under the name of the attack."""
    good = forge(claims())
    header, payload, signature = good.split(".")
    hs256 = {"alg": "HS256", "typ": "access+jwt"}
    links_key = derive_key(SECRET, links.KEY_PURPOSE)
    missing = {f"without_{name}": forge({key: claims()[key] for key in claims() if key != name}) for name in claims()}
    null = {f"null_{name}": forge(claims() | {name: None}) for name in claims()}
    wrong_type = {f"{name}_is_a_list": forge(claims() | {name: ["x"]}) for name in claims()}
    return (
        missing
        | null
        | wrong_type
        | {
            "empty": "",
            "garbage": "garbage",
            "binary_garbage": "\x00\xff\xfe.\x80\x81.\x82",
            "lone_surrogate": "\ud800.a.b",
            "not_ascii": "ä.ö.ü",
            "dots": "..",
            "four_dots": "....",
            "leading_space": f" {good}",
            "trailing_line_break": f"{good}\n",
            "bearer_prefix": f"Bearer {good}",
            "two_segments": f"{header}.{payload}",
            "duplicated_segment": f"{good}.{signature}",
            "duplicated_token": f"{good}.{good}",
            "two_tokens": f"{good},{good}",
            "padded_signature": f"{good}=",
            "empty_signature": f"{header}.{payload}.",
            "cut_signature": good[:-2],
            "altered_signature": replaced(good, 2, signature[::-1]),
            "altered_payload": replaced(good, 1, encoded(json.dumps(claims(sub=new_uuid7())).encode())),
            "payload_twice": replaced(good, 2, payload),
            "oversize": forge(claims(padding="x" * 4096)),
            "alg_none_unsigned": forge(claims(), header={"alg": "none", "typ": "access+jwt"}).rsplit(".", 1)[0] + ".",
            "alg_none_signed": forge(claims(), header={"alg": "none", "typ": "access+jwt"}),
            "alg_None": forge(claims(), header={"alg": "None", "typ": "access+jwt"}),
            "alg_null": forge(claims(), header={"alg": None, "typ": "access+jwt"}),
            "alg_list": forge(claims(), header={"alg": ["HS256"], "typ": "access+jwt"}),
            "alg_missing": forge(claims(), header={"typ": "access+jwt"}),
            "alg_lower_case": forge(claims(), header={"alg": "hs256", "typ": "access+jwt"}),
            "alg_rs256_with_hmac": forge(claims(), header={"alg": "RS256", "typ": "access+jwt"}),
            "alg_es256_with_hmac": forge(claims(), header={"alg": "ES256", "typ": "access+jwt"}),
            "alg_hs512": forge(claims(), header={"alg": "HS512", "typ": "access+jwt"}, digest="sha512"),
            "header_typ_jwt": forge(claims(), header={"alg": "HS256", "typ": "JWT"}),
            "header_without_typ": forge(claims(), header={"alg": "HS256"}),
            "header_is_a_list": forge(claims(), header=[]),
            "header_with_jwk": forge(claims(), header=hs256 | {"jwk": {"kty": "oct", "k": encoded(b"k" * 32)}}),
            "header_with_jku": forge(claims(), header=hs256 | {"jku": "https://attacker.example/keys"}),
            "header_with_kid": forge(claims(), header=hs256 | {"kid": "../../dev/null"}),
            "header_with_crit": forge(claims(), header=hs256 | {"crit": ["exp"]}),
            "header_with_b64": forge(claims(), header=hs256 | {"b64": False, "crit": ["b64"]}),
            "payload_is_a_list": forge([]),
            "payload_is_null": forge(None),
            "payload_is_nested": replaced(good, 1, encoded(b"[" * 1500)),
            "key_empty": forge(claims(), key=b""),
            "key_is_the_bare_secret": forge(claims(), key=SECRET),
            "key_of_the_media_links": forge(claims(), key=links_key),
            "key_of_another_installation": forge(claims(), key=derive_key(b"t" * 48, tokens.KEY_PURPOSE)),
            "key_is_its_hash": forge(claims(), key=hashlib.sha256(SECRET).digest()),
            "expired": forge(claims(exp=at(-31))),
            "expired_long_ago": forge(claims(exp=0)),
            "issued_in_the_future": forge(claims(iat=at(60))),
            "not_valid_yet": forge(claims(nbf=at(60))),
            "expiry_is_text": forge(claims(exp="never")),
            "expiry_is_infinite": forge(claims(exp=float("inf"))),
            "foreign_issuer": forge(claims(iss="https://attacker.example")),
            "issuer_prefix": forge(claims(iss=ISSUER + ".attacker.example")),
            "foreign_audience": forge(claims(aud="another")),
            "one_of_two_audiences": forge(claims(aud=["pet", "another"])),
            "subject_is_a_number": forge(claims(sub=1)),
            "refresh_by_claim_and_header": forge(claims("refresh"), kind="refresh"),
            "refresh_by_claim": forge(claims("refresh"), kind="access"),
            "refresh_by_header": forge(claims("access"), kind="refresh"),
            "unknown_kind": forge(claims("admin")),
        }
    )


@pytest.mark.parametrize("attack", attacks())
def test_an_attack_is_refused_with_the_same_sentence(signer: JwtSigner, attack: str) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        signer.read_access(attacks()[attack])
    assert refusal.value.message == REFUSAL


def test_an_access_token_is_no_refresh_token_and_the_other_way_round(signer: JwtSigner) -> None:
    access, _ = signer.issue_access(USER, SESSION, utc_now())
    refresh = signer.issue_refresh(USER, SESSION, "one", utc_now())
    with pytest.raises(Unauthenticated, match=REFUSAL):
        signer.read_refresh(access)
    with pytest.raises(Unauthenticated, match=REFUSAL):
        signer.read_access(refresh)
    for token in (forge(claims("access"), kind="refresh"), forge(claims("refresh"), kind="access")):
        with pytest.raises(Unauthenticated, match=REFUSAL):
            signer.read_refresh(token)


def test_a_token_of_another_installation_is_refused(signer: JwtSigner) -> None:
    for other in (JwtSigner(b"t" * 48, ISSUER), JwtSigner(SECRET, "https://other.example")):
        with pytest.raises(Unauthenticated, match=REFUSAL):
            signer.read_access(other.issue_access(USER, SESSION, utc_now())[0])


ED25519, RSA = SigningKey.of(Ed25519PrivateKey.generate()), SigningKey.of(rsa.generate_private_key(65537, 2048))
PAIRS = {"EdDSA": ED25519, "RS256": RSA}


def public(key: SigningKey) -> SigningKey:
    return replace(key, private=None)


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_a_key_pair_signs_and_its_public_half_verifies(pair: SigningKey) -> None:
    signer, now = JwtSigner(SECRET, ISSUER, keys=[pair]), utc_now()
    token, _ = signer.issue_access(USER, SESSION, now)
    assert jwt.get_unverified_header(token) == {"alg": pair.algorithm, "typ": "access+jwt", "kid": pair.kid}
    assert JwtSigner(b"t" * 48, ISSUER, keys=[RSA, ED25519]).read_access(token) == AccessClaims(USER, SESSION)
    refresh = signer.issue_refresh(USER, SESSION, "one", now)
    assert signer.read_refresh(refresh) == RefreshClaims(USER, SESSION, "one")
    assert signer.issue_refresh(USER, SESSION, "one", now) == refresh
    for read, wrong in ((signer.read_access, refresh), (signer.read_refresh, token)):
        with pytest.raises(Unauthenticated, match=REFUSAL):
            read(wrong)


def test_keys_change_without_anyone_noticing() -> None:
    old, new = ED25519, SigningKey.of(Ed25519PrivateKey.generate())
    before = JwtSigner(SECRET, ISSUER, keys=[old, public(new)])
    after = JwtSigner(SECRET, ISSUER, keys=[new, public(old)])
    for signer, reader in ((before, after), (after, before)):
        assert reader.read_access(signer.issue_access(USER, SESSION, utc_now())[0]) == AccessClaims(USER, SESSION)
    at_last = JwtSigner(SECRET, ISSUER, keys=[new])
    with pytest.raises(Unauthenticated, match=REFUSAL):
        at_last.read_access(before.issue_access(USER, SESSION, utc_now())[0])


def signed(header: dict[str, Any], key: SigningKey | bytes, body: dict[str, Any] | None = None) -> str:
    """Sign by the key's own algorithm, or by HMAC, whatever the header says."""
    text = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(body or claims()).encode())}"
    match key:
        case bytes():
            signature = hmac.digest(key, text.encode(), "sha256")
        case SigningKey(private=Ed25519PrivateKey() as private):
            signature = private.sign(text.encode())
        case SigningKey(private=rsa.RSAPrivateKey() as private):
            signature = private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        case _:
            raise ValueError(key)
    return f"{text}.{encoded(signature)}"


def pair_attacks() -> dict[str, str]:
    """Return tokens that whoever reads by two key pairs must refuse, each under the name of the attack."""
    stranger = SigningKey.of(Ed25519PrivateKey.generate())
    good = {"alg": "EdDSA", "typ": "access+jwt", "kid": ED25519.kid}
    rs256 = good | {"alg": "RS256", "kid": RSA.kid}
    spki = {
        name: key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for name, key in PAIRS.items()
    }
    raw = ED25519.public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    token = signed(good, ED25519)
    injected = {
        f"kid_{name}": signed(good | {"kid": kid}, stranger)
        for name, kid in {
            "path": "../../../../dev/null",
            "url": "https://attacker.example/key.pem",
            "sql": "' UNION SELECT 'key' --",
            "command": "|/bin/true",
            "empty": "",
            "null_byte": f"{ED25519.kid}\x00",
            "stranger": stranger.kid,
            "of_the_other_pair": RSA.kid,
        }.items()
    }
    return injected | {
        "stranger_under_a_known_kid": signed(good, stranger),
        "kid_is_a_list": signed(good | {"kid": [ED25519.kid]}, ED25519),
        "kid_is_null": signed(good | {"kid": None}, ED25519),
        "kid_missing": signed({"alg": "EdDSA", "typ": "access+jwt"}, ED25519),
        "alg_none": f"{signed(good | {'alg': 'none'}, ED25519).rsplit('.', 1)[0]}.",
        "stripped_signature": f"{token.rsplit('.', 1)[0]}.",
        "no_third_part": token.rsplit(".", 1)[0],
        "hmac_with_the_public_pem_as_secret": signed(rs256 | {"alg": "HS256"}, spki["RS256"]),
        "hmac_with_the_public_pem_stripped": signed(rs256 | {"alg": "HS256"}, spki["RS256"].strip()),
        "hmac_with_the_other_public_pem": signed(good | {"alg": "HS256"}, spki["EdDSA"]),
        "hmac_with_the_raw_public_key": signed(good | {"alg": "HS256"}, raw),
        "hmac_under_the_pair_s_own_name": signed(good, raw),
        "hmac_with_the_key_of_the_secret": signed({"alg": "HS256", "typ": "access+jwt"}, KEY),
        "rsa_under_the_name_of_the_other": signed(rs256 | {"kid": ED25519.kid}, RSA),
        "rs256_said_of_an_eddsa_signature": signed(good | {"alg": "RS256"}, ED25519),
        "ps256_said_of_an_rs256_signature": signed(rs256 | {"alg": "PS256"}, RSA),
        "rs512_said_of_an_rs256_signature": signed(rs256 | {"alg": "RS512"}, RSA),
        "own_jwk": signed(good | {"jwk": stranger.jwk()}, stranger),
        "own_jku": signed(good | {"jku": "https://attacker.example/jwks.json"}, stranger),
        "own_x5u": signed(good | {"x5u": "https://attacker.example/chain.pem"}, stranger),
        "own_x5c": signed(good | {"x5c": ["MIIB"]}, stranger),
        "jwk_beside_a_good_signature": signed(good | {"jwk": ED25519.jwk()}, ED25519),
        "crit_beside_a_good_signature": signed(good | {"crit": ["exp"]}, ED25519),
        "expired": signed(good, ED25519, claims(exp=at(-31))),
        "not_valid_yet": signed(good, ED25519, claims(nbf=at(60))),
        "foreign_issuer": signed(good, ED25519, claims(iss="https://attacker.example")),
        "foreign_audience": signed(good, ED25519, claims(aud="another")),
        "refresh_by_claim": signed(good, ED25519, claims("refresh")),
        "refresh_by_header": signed(good | {"typ": "refresh+jwt"}, ED25519),
    }


@pytest.mark.parametrize("attack", pair_attacks())
def test_an_attack_on_key_pairs_is_refused_with_the_same_sentence(attack: str) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        JwtSigner(SECRET, ISSUER, keys=[ED25519, RSA]).read_access(pair_attacks()[attack])
    assert refusal.value.message == REFUSAL


def test_the_forger_of_pairs_makes_good_tokens_when_it_changes_nothing() -> None:
    signer = JwtSigner(SECRET, ISSUER, keys=[ED25519, RSA])
    for pair in (ED25519, RSA):
        header = {"alg": pair.algorithm, "typ": "access+jwt", "kid": pair.kid}
        assert signer.read_access(signed(header, pair)) == AccessClaims(USER, SESSION)


def test_what_a_pair_signed_is_nothing_where_the_secret_signs(signer: JwtSigner) -> None:
    with pytest.raises(Unauthenticated, match=REFUSAL):
        signer.read_access(JwtSigner(SECRET, ISSUER, keys=[ED25519]).issue_access(USER, SESSION, utc_now())[0])


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        JwtSigner(b"short", ISSUER)
