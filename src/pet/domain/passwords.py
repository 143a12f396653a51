"""Passwords: kept as hashes that are slow to guess."""

from __future__ import annotations

from typing import Protocol


class PasswordHasher(Protocol):
    """Hashes off the event loop, a few at a time; a password is hashed as it is, of any length."""

    async def hash(self, password: str) -> str:
        """Return a new salted hash, which carries its own parameters.

        Raises:
            Unavailable: too many are waiting already; nothing was done.
        """

    async def verify(self, hash: str | None, password: str) -> bool:
        """Tell whether the password belongs to the hash.

        None stands for an unknown account: the answer is False and takes as long as any other.

        Raises:
            Unavailable: too many are waiting already; nothing was done.
        """

    def needs_rehash(self, hash: str) -> bool:
        """Tell whether a hash was made with other parameters than new ones are."""
