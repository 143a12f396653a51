"""The machine and the settings, as far as they can be judged without any engine."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from pet.domain.media import MIB, TRACK_MAX_BYTES
from pet.settings import Settings
from pet.storage.findings import Finding, failure, fine, warning

FEW_BYTES = 1024 * MIB
TOO_FEW_BYTES = 2 * TRACK_MAX_BYTES
"""A track that arrives is kept twice for a moment where the folders lie on different disks."""

FEW_HANDLES = 4096
"""A connection is one, and so is an open file."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def machine_findings(settings: Settings) -> Iterator[Finding]:
    """Look at the secret, the public URL, the switches, the folders and the limits of the process."""
    yield _secret(settings)
    yield from _public_url(settings)
    yield from _switches(settings)
    for folder in _folders(settings):
        yield _folder(*folder)
    yield _handles()


def _secret(settings: Settings) -> Finding:
    if settings.secret_key:
        return fine("secret", "PET_SECRET_KEY is set.")
    file = settings.data_dir / "secret.key"
    if not file.exists():
        return fine("secret", f"The first start makes a key in {file}; back it up with the data.")
    if file.stat().st_mode & 0o077:
        return failure("secret", f"{file} can be read by others. Run: chmod 600 {file}")
    return fine("secret", f"The key lies in {file}; several machines need PET_SECRET_KEY instead.")


def _public_url(settings: Settings) -> Iterator[Finding]:
    url = urlsplit(settings.public_url)
    is_local, listens_locally = url.hostname in _LOOPBACK, settings.host in _LOOPBACK
    if url.scheme == "https" and not settings.trusted_proxies:
        yield warning(
            "proxy",
            "PET_PUBLIC_URL is https, so a proxy stands in front, but PET_TRUSTED_PROXIES is none: all clients seem to"
            " come from the proxy and share one rate limit. Set it to the proxy's address.",
        )
    elif settings.trusted_proxies and is_local:
        yield warning(
            "proxy",
            "PET_TRUSTED_PROXIES is set, but PET_PUBLIC_URL is this machine's own: URLs in answers lead past the proxy,"
            " and nowhere from elsewhere. Set PET_PUBLIC_URL to what clients type.",
        )
    elif is_local and not listens_locally:
        yield warning(
            "proxy",
            f"PET listens on {settings.host}, but PET_PUBLIC_URL is {settings.public_url}: URLs in answers lead nowhere"
            " from other machines. Set it to what clients type.",
        )
    else:
        yield fine("proxy", f"{settings.public_url} fits the address to listen on and the trusted proxies.")


def _switches(settings: Settings) -> Iterator[Finding]:
    if settings.trust_client_user_id:
        yield warning("access", "PET_TRUST_CLIENT_USER_ID is on: anyone can act as anyone without a token.")
    if not settings.rate_limits:
        yield warning("access", "PET_RATE_LIMITS is off: passwords can be guessed at any speed.")


def _folders(settings: Settings) -> Iterator[tuple[str, Path]]:
    yield "data", settings.data_dir
    if settings.media_folder and settings.media_folder.parent != settings.data_dir:
        yield "media", settings.media_folder
    yield "temporary", Path(tempfile.gettempdir())


def _folder(name: str, folder: Path) -> Finding:
    subject = f"{name} folder"
    place = next(path for path in (folder, *folder.parents) if path.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return failure(subject, f"{place} is no folder that this user can write to.")
    free = shutil.disk_usage(place).free
    shown = f"{folder}: {free // MIB:,} MiB are free"
    if free < TOO_FEW_BYTES:
        return failure(subject, f"{shown}, too few for a single upload. Make room.")
    if free < FEW_BYTES:
        return warning(subject, f"{shown}. Make room soon.")
    return fine(subject, f"{shown}.")


def _handles() -> Finding:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FEW_HANDLES:
        return warning("open files", f"This user may open {hard:,} files; raise the limit (nofile) to 65,536.")
    return fine("open files", "The limit is high enough.")
