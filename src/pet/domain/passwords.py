"""Passwords: none that anyone tries first, and kept as hashes that are slow to guess."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Protocol

from pet.domain.errors import Invalid
from pet.domain.texts import identity_key

MIN_PASSWORD = 8
MAX_PASSWORD = 128
_COMMON_FILE = "common_passwords.txt"
"""The 1,000 commonest passwords of at least 8 characters, casefolded, by their rank in zxcvbn 4.5 (MIT), whose source
are ten million passwords that leaked. `password123` (rank 140) is left out: the legacy document registers with it in
its worked example, which must go on working.
"""


def check_password(password: str, *, field: str) -> None:
    """Refuse what cannot be a password, or is what anyone tries first.

    Raises:
        Invalid: it has less than 8 or more than 128 characters, or control characters, or is one of the commonest.
    """
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise Invalid(f"{field} must be {MIN_PASSWORD} to {MAX_PASSWORD} characters long.", field=field)
    if any(char < " " for char in password):
        raise Invalid(f"{field} must not contain control characters.", field=field)
    if identity_key(password) in _common_passwords():
        raise Invalid(f"{field} is one of the commonest passwords. Please choose another one.", field=field)


def check_is_no_name(password: str, names: Iterable[str], *, field: str) -> None:
    """Refuse a password that is one of the account's names, or an email's part before the @.

    Raises:
        Invalid: it is, without regard to case.
    """
    keys = {identity_key(name) for name in names}
    if identity_key(password) in keys | {key.partition("@")[0] for key in keys}:
        raise Invalid(f"{field} must be neither your email nor your username.", field=field)


@cache
def _common_passwords() -> frozenset[str]:
    return frozenset((files("pet.domain") / _COMMON_FILE).read_text(encoding="utf-8").split())


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
