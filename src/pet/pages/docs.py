"""The REST API's description: `/openapi.json` for programs, and a page at `/docs` for people, which shows the former.

The page is Swagger UI, built from `web/` like the explorer. Where it was not built, a plain page lists the operations.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from pet.pages.explorer import BUILT, Assets
from pet.pages.headers import page_headers, policy_of_inline_blocks

ASSETS = "docs/assets"

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",  # built files alone: no inline script, no eval, no other server
        "connect-src 'self'",  # /openapi.json, and the operations that a reader tries out
        "style-src 'self' 'unsafe-inline'",  # Swagger UI writes style attributes; a style can run nothing
        "img-src 'self' data: blob:",  # icons in its stylesheet, and pictures that an operation answered with
        "media-src 'self' blob:",  # sound that an operation answered with
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


def docs_routes(document: Mapping[str, object], built: Path = BUILT) -> list[BaseRoute]:
    """Return `/openapi.json`, `/docs` and the page's files."""
    page = built / "docs.html"
    if page.is_file():
        html, policy = page.read_bytes(), POLICY
        assets: list[BaseRoute] = [Mount(f"/{ASSETS}", Assets(directory=built / ASSETS))]
    else:
        text = files(__package__).joinpath("docs_missing.html").read_text(encoding="utf-8")
        html, policy, assets = text.encode(), policy_of_inline_blocks(text), []
    headers = page_headers(policy)

    async def docs(request: Request) -> Response:
        del request
        return Response(html, headers=headers, media_type="text/html")

    return [_described(document), Route("/docs", docs, methods=["GET"]), *assets]


def _described(document: Mapping[str, object]) -> Route:
    """Return `/openapi.json`: rendered once, and not sent to those who have it (RFC 9110, section 13.1.2)."""
    content = orjson.dumps(document)
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"Cache-Control": "no-cache", "ETag": tag, "X-Content-Type-Options": "nosniff"}

    async def described(request: Request) -> Response:
        known = {given.strip().removeprefix("W/") for given in request.headers.get("if-none-match", "").split(",")}
        if known & {tag, "*"}:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(content, headers=headers, media_type="application/json")

    return Route("/openapi.json", described, methods=["GET"])
