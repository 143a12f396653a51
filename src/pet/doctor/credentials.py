"""What proves who someone is: the keys that sign tokens, and what the hash of a password costs on this machine."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pet.domain.media import MIB
from pet.hashing_costs import HashingCosts
from pet.security.passwords import measured_seconds
from pet.security.signing_keys import load_signing_keys
from pet.settings import Settings
from pet.storage.findings import Finding, failure, fine, warning

QUICK_MS, SLOW_MS = 50, 250
"""A hash should take about so long: longer ones cost whoever guesses more, and everyone who logs in."""

FAR = 2
"""By this factor beyond, it is worth a word."""

SHARE = 4
"""Hashing may take a fourth of the memory: the rest is for all else."""

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def credential_findings(settings: Settings) -> Iterator[Finding]:
    """Look at the key files, and hash a few passwords."""
    if settings.signing_keys:
        yield _signing_keys(settings.signing_keys)
    costs = settings.password_hashing
    yield hashing_time(costs, measured_seconds(costs) * 1000)
    yield hashing_memory(costs, memory_bytes())


def _signing_keys(place: Path) -> Finding:
    try:
        keys = load_signing_keys(place)
        files = sorted(place.glob("*.pem")) if place.is_dir() else [place]
        exposed = [str(file) for file in files if file.stat().st_mode & 0o077 and b"PRIVATE" in file.read_bytes()]
    except (OSError, ValueError) as error:
        return failure("signing keys", f"They cannot be used: {error}")
    if exposed:
        return failure("signing keys", f"Others can read private keys. Run: chmod 600 {' '.join(exposed)}")
    return fine("signing keys", f"{keys[0].kid} ({keys[0].algorithm}) signs; {len(keys) - 1} others verify.")


def hashing_time(costs: HashingCosts, milliseconds: float) -> Finding:
    """Judge how long one hash takes, and name the number of passes that would be about right."""
    shown = f"The hash of one takes {milliseconds:.0f} ms and {costs.memory} MiB"
    if milliseconds < QUICK_MS / FAR:
        more = replace(costs, passes=math.ceil(costs.passes * QUICK_MS / milliseconds))
        return fine("passwords", f"{shown}, which is safe. This machine can afford more: PET_PASSWORD_HASHING={more}")
    if milliseconds <= SLOW_MS * FAR:
        return fine("passwords", f"{shown}.")
    less = replace(costs, passes=max(1, math.floor(costs.passes * SLOW_MS / milliseconds)))
    if less.is_safe and less != costs:
        return warning("passwords", f"{shown}, so logins are slow. Set PET_PASSWORD_HASHING={less}")
    advice = "Less memory with more passes may be faster." if costs.memory > HashingCosts().memory else ""
    return warning("passwords", f"{shown}, so logins are slow on this machine. {advice}".rstrip())


def hashing_memory(costs: HashingCosts, available_bytes: int) -> Finding:
    """Judge what all hashes that are made at once take of the memory."""
    taken = costs.memory * costs.threads
    shown = f"Hashing takes up to {taken:,} MiB in each process, of {available_bytes // MIB:,} MiB"
    if taken * MIB * SHARE <= available_bytes:
        return fine("passwords", f"{shown}.")
    return warning("passwords", f"{shown}. Lower memory or threads in PET_PASSWORD_HASHING.")


def memory_bytes() -> int:
    """Return the memory of this machine, or of this container where it has less."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for limit in _CGROUP_LIMITS:
        text = limit.read_text().strip() if limit.exists() else "max"
        found += [int(text)] if text.isdecimal() else []
    return min(found)
