"""`/.well-known/jwks.json`, and a service whose tokens are signed by key pairs."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.conftest import Service, StartService
from tests.setups import on_embedded

PATH = "/.well-known/jwks.json"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with one key."""
    folder = tmp_path / "keys"
    folder.mkdir()
    add_key(folder, "2026-01.pem")
    return folder


def add_key(folder: Path, name: str) -> None:
    key = Ed25519PrivateKey.generate()
    (folder / name).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


async def me_of(service: Service, token: str) -> object:
    response = await service.client.post(
        "/graphql", json={"query": "{ me { username } }"}, headers={"Authorization": f"Bearer {token}"}
    )
    answer = response.json()
    return answer["data"]["me"] if "errors" not in answer else answer["errors"][0]["extensions"]["code"]


@on_embedded
async def test_where_the_secret_signs_nothing_is_published(service: Service) -> None:
    response = await service.client.get(PATH)
    assert (response.status_code, response.json()) == (200, {"keys": []})
    assert response.headers["cache-control"] == "public, max-age=600"
    assert response.headers["content-type"] == "application/jwk-set+json"
    assert (await service.client.post(PATH)).status_code == 405


@on_embedded
async def test_others_can_check_a_token_with_the_published_keys(start_service: StartService, keys: Path) -> None:
    service: Service = await start_service(signing_keys=keys)
    ann = await service.register("ann")
    published = jwt.PyJWKSet.from_dict((await service.client.get(PATH)).json())
    key = published[jwt.get_unverified_header(ann.access_token)["kid"]]
    claims = jwt.decode(ann.access_token, key, algorithms=["EdDSA"], audience="pet", issuer="pet")
    assert (claims["sub"], claims["typ"]) == (ann.user_id, "access")
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(ann.access_token[:-6] + "AAAAAA", key, algorithms=["EdDSA"], audience="pet")


@on_embedded
async def test_a_session_outlives_a_change_of_keys(start_service: StartService, keys: Path) -> None:
    before: Service = await start_service(signing_keys=keys)
    ann = await before.register("ann")
    add_key(keys, "2026-07.pem")
    after: Service = await start_service(signing_keys=keys)
    assert len((await after.client.get(PATH)).json()["keys"]) == 2
    assert await me_of(after, ann.access_token) == {"username": "ann"}
    given = {"refreshToken": ann.refresh_token}
    renewed = (await after.client.post("/auth/refresh", json=given)).json()["accessToken"]
    kids = [jwt.get_unverified_header(token)["kid"] for token in (ann.access_token, renewed)]
    assert kids[0] != kids[1]
    (keys / "2026-01.pem").unlink()
    at_last: Service = await start_service(signing_keys=keys)
    assert await me_of(at_last, renewed) == {"username": "ann"}
    assert await me_of(at_last, ann.access_token) == "UNAUTHENTICATED"
