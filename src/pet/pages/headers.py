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


def policy_of_inline_blocks(html: str) -> str:
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
