"""The explorer: a browser that opens `/graphql` gets GraphiQL, every other client the API.

Its files are built from `web/` by npm (`make explorer`); wheels contain them. Where they were not built, a plain page
says how to get them.
"""

from __future__ import annotations

from http import HTTPStatus
from importlib.resources import files
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from pet.pages.headers import page_headers, policy_of_inline_blocks

BUILT = Path(str(files(__package__))) / "explorer_files"
"""What `npm run build` in `web/` writes; the folder mirrors the addresses."""

ASSETS = "graphql/assets"

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",  # built files alone: no inline script, no eval, no other server
        "worker-src 'self'",  # Monaco's language services run in workers, which are built files too
        "connect-src 'self'",  # /graphql, by HTTP and by WebSocket
        # Monaco writes its theme, its cursors and the place of every line into the page as it draws, with neither a
        # nonce nor a fixed text that a hash could name. A style can run nothing, and no server that could be told of
        # what it matches is among the images and fonts.
        "style-src 'self' 'unsafe-inline'",
        "font-src 'self' data:",  # GraphiQL's stylesheet carries its fonts in itself
        "img-src 'self' data:",  # icons in stylesheets, and pictures of this service that an answer links to
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

ASSET_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",  # the name of a file has the hash of its content
    "Content-Security-Policy": "default-src 'none'; script-src 'self'",  # a worker obeys the policy of its own file
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}

NOT_OF_A_BROWSER = ("application/json", "application/graphql-response+json")
VISITS = ("GET", "HEAD")
OPERATION_PARAMETERS = ("query", "documentId", "extensions")


def explored(graphql: ASGIApp, built: Path = BUILT) -> list[BaseRoute]:
    """Return `/graphql` with the explorer before it, and the explorer's files."""
    page = built / "index.html"
    if page.is_file():
        html, policy = page.read_bytes(), POLICY
        assets: list[BaseRoute] = [Mount(f"/{ASSETS}", Assets(directory=built / ASSETS))]
    else:
        text = files(__package__).joinpath("explorer_missing.html").read_text(encoding="utf-8")
        html, policy, assets = text.encode(), policy_of_inline_blocks(text), []
    return [Route("/graphql", Explorer(graphql, html, page_headers(policy) | {"Vary": "Accept"})), *assets]


class Explorer:
    """An ASGI application that answers browsers with a page, and hands everything else on to the API."""

    def __init__(self, graphql: ASGIApp, html: bytes, headers: dict[str, str]) -> None:
        self._graphql = graphql
        self._html = html
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = self._graphql
        if scope["method"] in VISITS and _is_visit(Request(scope)):
            answer = Response(self._html, headers=self._headers, media_type="text/html")
        await answer(scope, receive, send)


class Assets(StaticFiles):
    """The built files: kept by browsers for ever, and sent compressed where the build has compressed them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file, or its compressed copy.

        Raises:
            HTTPException: there is no such file (404), or the method does not read (405).
        """
        if "gzip" in Headers(scope=scope).get("accept-encoding", ""):
            try:
                return self._marked(await super().get_response(f"{path}.gz", scope), {"Content-Encoding": "gzip"})
            except HTTPException as error:
                if error.status_code != HTTPStatus.NOT_FOUND:
                    raise
        return self._marked(await super().get_response(path, scope), {})

    @staticmethod
    def _marked(response: Response, more: dict[str, str]) -> Response:
        response.headers.update(ASSET_HEADERS | more)
        return response


def _is_visit(request: Request) -> bool:
    """Return whether a person opened the address in a browser: no program's media type, and no operation."""
    accepted = request.headers.get("accept", "").lower()
    return (
        "text/html" in accepted
        and not any(media_type in accepted for media_type in NOT_OF_A_BROWSER)
        and not any(name in request.query_params for name in OPERATION_PARAMETERS)
    )
