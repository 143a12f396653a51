"""The welcome page: says what PET is, lists the newest people and plays their newest tracks.

The page is a file of its own that asks `/graphql` like any client. Names and titles are anyone's text, so the page only
ever sets them as text, and the policy lets nothing run but its own two inline blocks, named by their hashes.
"""

from __future__ import annotations

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pet.pages.headers import page_headers, policy_of_inline_blocks


def welcome_routes(media_origin: str = "") -> list[Route]:
    """Return `/`, for GET and HEAD.

    Args:
        media_origin: where pictures and sound come from, when that is not this service.
    """
    html = files(__package__).joinpath("welcome.html").read_text(encoding="utf-8")
    content, headers = html.encode(), page_headers(policy_of_inline_blocks(html, media_origin))

    async def welcome(request: Request) -> Response:
        del request
        return Response(content, headers=headers, media_type="text/html")

    return [Route("/", welcome, methods=["GET"])]
