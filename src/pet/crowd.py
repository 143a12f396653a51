"""How many connections each client has open, and the most that one may have."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable

from uvicorn.server import ServerState

WARNING_SECONDS = 60.0
"""Between two lines in the log: whoever comes too often must not fill the disk either."""

log = logging.getLogger("pet.crowd")


def _each_address(address: str) -> str | None:
    return address


class Crowd(ServerState):
    """What the connections of one server share: uvicorn's own, and who has how many.

    Args:
        most: connections of one client at a time, WebSockets included; None for any number.
        customer_of: what an address counts as, such as its network; None for a proxy, whose clients are counted there.
    """

    def __init__(self, most: int | None = None, customer_of: Callable[[str], str | None] = _each_address) -> None:
        super().__init__()
        self._most = most
        self._customer_of = customer_of
        self._open: Counter[str] = Counter()
        self._quiet_until = 0.0

    def admit(self, address: str) -> str | None:
        """Count a connection, and return what `leave` wants to know.

        Raises:
            TooManyConnections: its client has as many as it may have; this one is not counted.
        """
        customer = self._customer_of(address)
        if customer is None or self._most is None:
            return None
        if not self.has_room(customer):
            self._warn(customer)
            raise TooManyConnections
        self._open[customer] += 1
        return customer

    def has_room(self, customer: str) -> bool:
        """Tell whether a client may have one more."""
        return self._most is None or self._open[customer] < self._most

    def leave(self, customer: str | None) -> None:
        """Count a connection no longer."""
        if customer is not None:
            self._open[customer] -= 1
            if not self._open[customer]:
                del self._open[customer]

    def _warn(self, customer: str) -> None:
        now = time.monotonic()
        if now < self._quiet_until:
            return
        self._quiet_until = now + WARNING_SECONDS
        log.warning(
            "A client has too many connections (PET_CONNECTIONS_PER_ADDRESS); a proxy belongs to PET_TRUSTED_PROXIES.",
            extra={"client": customer, "connections": self._most},
        )


class TooManyConnections(Exception):
    """A client has as many connections as it may have."""

    def __init__(self) -> None:
        super().__init__("Your address has too many connections open.")
