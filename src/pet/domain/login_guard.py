"""What stands before every check of a password, so that nobody can try them all, and nobody can keep the owner out.

Three counters, each spent by every front, since this is where they all meet:

- the address: five attempts a minute, as the legacy document says (charged by the service, for logins of any account);
- the account from one network: after the fifth failure in a row a pause, longer with each further one, to 15 minutes;
- the account from everywhere: five failures a minute, for networks that are not familiar to the account.

A network is an address, or an IPv6 customer's /64. It becomes familiar to an account by a login, for 90 days. From a
familiar network the third counter is neither spent nor asked, so whatever strangers do elsewhere, the owner's own
failures alone hold the owner up. That is OWASP's protocol of device cookies, with the network in the cookie's place:
the documented clients keep no cookies.

What is left: whoever shares a network with the owner shares its second counter; and some eighty addresses that guess
at one account all the time can hold up a login from a network that is new to it, for a minute at a time. Sessions go on
through all of that: refreshing one is no guess.

An unknown email is counted like a known one, in the same steps, so no answer and no pause tells whether it is known.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Protocol

from pet.domain.errors import DomainError, RateLimited, Unavailable
from pet.domain.failures import Failures
from pet.domain.ids import UserId
from pet.domain.limits import LOGIN, RateLimits, charged
from pet.domain.texts import identity_key
from pet.domain.times import Clock
from pet.domain.viewers import Client

FAMILIAR_FOR = timedelta(days=90)
MAX_FAMILIAR = 20
"""Networks of one account: homes, offices and what a phone meets."""

_NOTED_ANEW_AFTER = timedelta(days=1)
"""More often it is not written down that a familiar network is still in use."""


class FamiliarNetworks(Protocol):
    """Remembers from which networks there were logins, each under a digest that tells of an account and a network."""

    async def last_login(self, network: str) -> datetime | None:
        """Return when a network was noted last, or None when it never was, or has been forgotten."""

    async def note(self, user_id: UserId, network: str, now: datetime) -> None:
        """Note a login. Of more than 20 of a user's networks, those noted last are kept, and equal times by digest.

        What was noted more than 90 days ago goes by the way, anyone's. Nothing is noted of a user who has no account;
        removing the account forgets its networks.
        """


class LoginGuard:
    """Lets passwords be checked, some of them later, and none too often."""

    def __init__(self, networks: FamiliarNetworks, failures: Failures, limits: RateLimits, clock: Clock) -> None:
        self._networks = networks
        self._failures = failures
        self._limits = limits
        self._clock = clock

    @asynccontextmanager
    async def attempt(self, client: Client, *, user_id: UserId | None, claimed: str) -> AsyncIterator[None]:
        """Let the password inside be checked; it counts as wrong if Unauthenticated is raised, else as right.

        What could not be checked, for a failure of the server's own, is not counted.

        Args:
            user_id: whose password it is; None for an unknown account.
            claimed: the email or id that the client named.

        Raises:
            RateLimited: too many failures came before; the work inside does not begin.
        """
        account = user_id or identity_key(claimed)
        network = _digest(account, client.address)
        last_login = await self._networks.last_login(network)
        is_familiar = last_login is not None and self._clock() - last_login < FAMILIAR_FOR
        by_account = () if is_familiar else (f"account:{account}",)
        await self._failures.begin(network)
        try:
            async with charged(self._limits, LOGIN, *by_account):
                yield
        except Exception as error:
            if isinstance(error, RateLimited | Unavailable) or not isinstance(error, DomainError):
                await self._failures.take_back(network)
            raise
        await self._failures.forget(network)
        for key in by_account:
            await self._limits.refund(LOGIN, key)
        if user_id and (last_login is None or self._clock() - last_login >= _NOTED_ANEW_AFTER):
            await self._networks.note(user_id, network, self._clock())

    async def welcome(self, client: Client, user_id: UserId) -> None:
        """Make familiar the network from which an account was made."""
        await self._networks.note(user_id, _digest(user_id, client.address), self._clock())


def _digest(account: str, address: str) -> str:
    """Return 64 digits for an account at an address: no list of addresses is kept, nor a key longer than that."""
    return hashlib.sha256(f"{account}\n{address}".encode("utf-8", "surrogatepass")).hexdigest()
