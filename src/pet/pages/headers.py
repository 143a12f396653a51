"""The headers of a page: it is asked for anew each time, frames nothing, and loads only what its policy names."""

from __future__ import annotations

import base64
import hashlib
import re

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


def page_headers(policy: str) -> dict[str, str]:
    """Return the headers of a page with this Content-Security-Policy."""
    return {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def policy_of_inline_blocks(html: str, media_origin: str = "") -> str:
    """Return the policy of a self-contained page: media alone from elsewhere, and inline only what the page now has.

    Args:
        media_origin: where pictures and sound come from, when that is not this service.
    """
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
