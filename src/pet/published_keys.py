"""`/.well-known/jwks.json`: the public halves of the keys that sign tokens, for whoever checks them elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FRESH_SECONDS = 600
"""For so long others may go on with what they have read: a new key is published before it signs, an old one after."""


def published_keys_routes(keys: Mapping[str, Sequence[Mapping[str, str]]]) -> list[Route]:
    """Return the route of a JSON Web Key Set (RFC 7517); it has no keys where the secret signs."""
    body, headers = orjson.dumps(keys), {"Cache-Control": f"public, max-age={FRESH_SECONDS}"}

    async def answer(request: Request) -> Response:
        """Return the set, the same for everyone."""
        del request
        return Response(body, headers=headers, media_type="application/jwk-set+json")

    return [Route("/.well-known/jwks.json", answer)]
