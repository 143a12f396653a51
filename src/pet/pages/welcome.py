"""The welcome page: says what PET is, lists the newest people and plays their newest tracks.

The page is a file of its own that asks `/graphql` like any client. Names and titles are anyone's text, so the page only
ever sets them as text, and the policy lets nothing run but its own two inline blocks, named by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


def welcome_routes() -> list[Route]:
    """Return `/`, for GET and HEAD."""
    html = files(__package__).joinpath("welcome.html").read_text(encoding="utf-8")
    content, headers = html.encode(), _headers(html)

    async def welcome(request: Request) -> Response:
        del request
        return Response(content, headers=headers, media_type="text/html")

    return [Route("/", welcome, methods=["GET"])]


def content_security_policy(html: str) -> str:
    """Return the policy of a self-contained page: nothing from elsewhere, and inline only what the page now has."""
    allowed = {"script": "", "style": ""}
    for kind, block in _INLINE.findall(html):
        digest = base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()
        allowed[kind] += f" 'sha256-{digest}'"
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src{allowed['script']}",
            f"style-src{allowed['style']}",
            "connect-src 'self'",
            "img-src 'self' data:",  # data: is the page's own icon
            "media-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _headers(html: str) -> dict[str, str]:
    return {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": content_security_policy(html),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
