"""The security headers of every answer, whoever gives it: a front, a page, the middleware, or the protocol itself."""

from __future__ import annotations

from collections.abc import Awaitable, Collection

from starlette.types import Message, Send

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

RawField = tuple[bytes, bytes]
"""A header field as ASGI has it: its name, in lower case, and its value."""

_STARTS = ("http.response.start", "websocket.http.response.start")


class SafeHeaders:
    """Adds what an answer does not say itself.

    Args:
        is_https: whether clients reach the service by https alone; browsers then keep to it for a year. The hosts below
            the service's own are not ours to speak for.
    """

    def __init__(self, *, is_https: bool) -> None:
        more = {"Strict-Transport-Security": f"max-age={HSTS_SECONDS}"} if is_https else {}
        self._fields = [(name.lower().encode(), value.encode()) for name, value in (SAFE_HEADERS | more).items()]
        self._names = frozenset(name for name, _ in self._fields)

    def completed(self, headers: Collection[RawField]) -> list[RawField]:
        """Return an answer's header fields with those that are missing."""
        said = dict(headers)
        if self._names.isdisjoint(said):
            return [*headers, *self._fields]
        return [*headers, *(field for field in self._fields if field[0] not in said)]

    def adding_to(self, send: Send) -> Send:
        """Return what sends an answer with all of them."""

        def adding(message: Message) -> Awaitable[None]:
            if message["type"] in _STARTS:
                message["headers"] = self.completed(message["headers"])
            return send(message)

        return adding
