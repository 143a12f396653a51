"""`pet demo`: fills the network on the engines that the settings name, and says where to look."""

from __future__ import annotations

import asyncio
import base64
from functools import partial

import click

from pet.app import Overrides, Parts, open_parts, secret_of
from pet.demo.fill import Filling, steps_of
from pet.demo.people import MIRA, PEOPLE
from pet.demo.recording import Take, recorded, studio
from pet.domain.errors import NotFound
from pet.domain.files import FileList
from pet.security.keys import derive_key
from pet.settings import Settings
from pet.storage.embedded.limits import UnlimitedRateLimits

_PASSWORD_BYTES = 10
"""80 bits, which are 16 characters of base 32."""


async def fill_network(settings: Settings, *, seconds: float | None = None) -> None:
    """Fill the network with progress shown, and tell what to do with it. The tables must be there.

    Args:
        seconds: cuts the tracks off; None plays them to the end.

    Raises:
        Conflict: a username that the demo needs is taken.
    """
    password = password_of(settings)
    async with open_parts(settings, Overrides(limits=UnlimitedRateLimits())) as parts:
        # An account whose event was left undelivered has no profile yet, and would look like someone else's.
        await parts.delivery.relay(even_held=True)
        made = await _fill(parts, password, seconds)
        click.echo("The demo is there." if made else "The demo was there already; nothing was changed.")
        click.echo(await farewell(parts, settings, password))


async def _fill(parts: Parts, password: str, seconds: float | None) -> int:
    with studio() as pool, click.progressbar(length=steps_of(PEOPLE), label="Filling PET") as bar:

        def begin(take: Take) -> asyncio.Future[bytes]:
            return asyncio.wrap_future(recorded(pool, take))

        filling = Filling(parts.services, password, begin, partial(bar.update, 1))
        await filling.fill(PEOPLE, seconds=seconds)
        return filling.made


def password_of(settings: Settings) -> str:
    """Return the demo's password: this installation's own, always the same, so that no one can guess it elsewhere."""
    key = derive_key(secret_of(settings), "demo password")
    return base64.b32encode(key[:_PASSWORD_BYTES]).decode().lower()


async def farewell(parts: Parts, settings: Settings, password: str) -> str:
    """Return where to listen, how to log in, and a command that downloads a track."""
    profile = await parts.services.profiles.find_by_username(MIRA.username)
    if profile is None:
        raise NotFound("The demo was deleted while it was being filled. Please try again.")
    pages = await parts.services.files.pages([profile.user_id], FileList.TRACKS, after=None, limit=1)
    lines = [
        "",
        f"  listen    {settings.public_url}/  (`pet serve` starts the service, if it is not running)",
        f"  log in    email {MIRA.email}, password {password}",
    ]
    for track in pages[profile.user_id].items:
        url = parts.services.links.file(track, None, is_private=False)
        lines.append(f"  download  curl -o track.wav {url}")
    return "\n".join(lines)
