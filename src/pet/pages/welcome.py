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


def welcome_routes(media_origin: str = "") -> list[Route]:
    """Return `/`, for GET and HEAD.

    Args:
        media_origin: where pictures and sound come from, when that is not this service.
    """
    html = files(__package__).joinpath("welcome.html").read_text(encoding="utf-8")
    content, headers = html.encode(), _headers(html, media_origin)

    async def welcome(request: Request) -> Response:
        del request
        return Response(content, headers=headers, media_type="text/html")

    return [Route("/", welcome, methods=["GET"])]


def content_security_policy(html: str, media_origin: str = "") -> str:
    """Return the policy of a self-contained page: media alone from elsewhere, and inline only what the page now has."""
    allowed = {"script": "", "style": ""}
    for kind, block in _INLINE.findall(html):
        digest = base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()
        allowed[kind] += f" 'sha256-{digest}'"
    elsewhere = f" {media_origin}" if media_origin else ""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src{allowed['script']}",
            f"style-src{allowed['style']}",
            "connect-src 'self'",
            f"img-src 'self' data:{elsewhere}",  # data: is the page's own icon
            f"media-src 'self'{elsewhere}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _headers(html: str, media_origin: str) -> dict[str, str]:
    return {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": content_security_policy(html, media_origin),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
