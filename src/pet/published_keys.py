"""`/.well-known/jwks.json`: the public halves of the keys that sign tokens, for whoever checks them elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, NotRequired, TypedDict

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pet.openapi.operations import Described, Placed, Report, Token
from pet.openapi.schemas import about

MEDIA_TYPE = "application/jwk-set+json"

FRESH_SECONDS = 600
"""For so long others may go on with what they have read: a new key is published before it signs, an old one after."""


class Key(TypedDict):
    """A public key (RFC 7517, section 4): Ed25519 has `crv` and `x`, RSA has `n` and `e`."""

    kty: Annotated[Literal["OKP", "RSA"], about("The family of the key.")]
    kid: Annotated[str, about("By which the head of a token names the key.")]
    use: Literal["sig"]
    alg: Literal["EdDSA", "RS256"]
    crv: NotRequired[Literal["Ed25519"]]
    x: NotRequired[str]
    n: NotRequired[str]
    e: NotRequired[str]


class KeySet(TypedDict):
    """A JSON Web Key Set (RFC 7517, section 5)."""

    keys: list[Key]


OPERATIONS = (
    Placed(
        "GET",
        "/.well-known/jwks.json",
        "getKeys",
        "Operations",
        Described(
            "Read the public halves of the keys that sign tokens",
            "The one that signs comes first. There is none where the secret signs.",
            token=Token.IGNORED,
            answer=(Report("The keys.", KeySet, media_type=MEDIA_TYPE),),
        ),
    ),
)


def published_keys_routes(keys: Mapping[str, Sequence[Mapping[str, str]]]) -> list[Route]:
    """Return the route of a JSON Web Key Set (RFC 7517); it has no keys where the secret signs."""
    body, headers = orjson.dumps(keys), {"Cache-Control": f"public, max-age={FRESH_SECONDS}"}

    async def answer(request: Request) -> Response:
        """Return the set, the same for everyone."""
        del request
        return Response(body, headers=headers, media_type=MEDIA_TYPE)

    return [Route("/.well-known/jwks.json", answer)]
