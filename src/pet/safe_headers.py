"""The security headers of every answer, whoever gives it: a front, a page, the middleware, or the protocol itself."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HSTS_SECONDS = 365 * 24 * 3600

SAFE_HEADERS = {
    # For what is no page. A page names what it loads; media have a policy of their own, so that a player may show them.
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # a signed link is nobody else's business
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # what frame-ancestors says, for browsers that do not know it
}

RAW_HEADERS = {"content-type": "application/json"} | {name.lower(): value for name, value in SAFE_HEADERS.items()}
"""Of an answer that is a refusal and comes from the protocol."""

_STARTS = ("http.response.start", "websocket.http.response.start")


class SafeHeaders:
    """Pure ASGI middleware outside of all others: adds what an answer does not say itself.

    Args:
        is_https: whether clients reach the service by https alone; browsers then keep to it for a year. The hosts below
            the service's own are not ours to speak for.
    """

    def __init__(self, app: ASGIApp, *, is_https: bool) -> None:
        self._app = app
        more = {"Strict-Transport-Security": f"max-age={HSTS_SECONDS}"} if is_https else {}
        self._fields = [(name.lower().encode(), value.encode()) for name, value in (SAFE_HEADERS | more).items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""

        async def adding(message: Message) -> None:
            if message["type"] in _STARTS:
                said = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(field for field in self._fields if field[0] not in said)]
            await send(message)

        await self._app(scope, receive, adding if scope["type"] in ("http", "websocket") else send)
