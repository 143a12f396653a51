"""Keys of objects, which the network makes by itself."""

from __future__ import annotations

import re

STAGING = "staging"
"""What is being written lies under this prefix, which no key of a kept object has."""

_SEGMENT = r"[a-z0-9][a-z0-9._-]*"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")


def checked(key: str) -> str:
    """Return the key; ValueError for one that the network cannot have made."""
    if not _KEY.fullmatch(key) or ".." in key or key.startswith(f"{STAGING}/"):
        raise ValueError(f"{key!r} is no key of an object.")
    return key
