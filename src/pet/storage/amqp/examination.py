"""What `pet doctor` looks at in the message broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from pet.storage.amqp.connection import DOWN, Session
from pet.storage.amqp.exchange import EXCHANGE, open_exchange
from pet.storage.findings import Finding, failure, fine, warning


async def broker_findings(url: str, *, timeout_seconds: float) -> AsyncIterator[Finding]:
    """Look whether the broker lets this service in, has its exchange, and takes messages.

    Raises:
        CannotOpen: it cannot be reached, or refuses.
    """
    async with open_exchange(url, timeout_seconds=timeout_seconds, name=EXCHANGE) as exchange:
        try:
            session = await exchange.connect()
            shown = f"{_version(session)} answers, and has the exchange {EXCHANGE}."
            if await session.is_blocked():
                yield warning("events", f"{shown} It takes no messages: it is short of memory or disk space.")
            else:
                yield fine("events", shown)
        except DOWN as error:
            yield failure("events", exchange.reason_of(error))


def _version(session: Session) -> str:
    """Return what the broker says that it is (AMQP 0-9-1, section 1.4.2.2, `server-properties`)."""
    connection: Any = getattr(session.connection.transport, "connection", None)
    properties = getattr(connection, "server_properties", None) or {}
    words = [properties.get(name) for name in ("product", "version")]
    shown = [word.decode() if isinstance(word, bytes) else str(word) for word in words if word]
    return " ".join(shown) or "The broker"
