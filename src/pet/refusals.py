"""The envelope of every error outside GraphQL: `{"success": false, "error": "<sentence>"}`."""

from __future__ import annotations

import orjson
from starlette.responses import Response


def refusal_body(message: str) -> bytes:
    """Return the envelope as JSON."""
    return orjson.dumps({"success": False, "error": message})


def refusal(message: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """Return an answer that is the envelope and nothing else."""
    return Response(refusal_body(message), status, headers, media_type="application/json")
