"""Plays: a listener who starts a track counts once in half an hour."""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime, timedelta
from typing import Protocol

from pet.domain.delivery import Delivery
from pet.domain.errors import OutOfSpace
from pet.domain.events import Event, TrackPlayed
from pet.domain.files import FileType, MediaFile
from pet.domain.ids import FileId, UserId
from pet.domain.permissions import owns
from pet.domain.times import Clock
from pet.domain.viewers import Client, Viewer

PLAY_WINDOW = timedelta(minutes=30)

log = logging.getLogger("pet.plays")


class Plays(Protocol):
    """Remembers who started what, and when."""

    async def record(self, file_id: FileId, listener: str, event: Event, *, window: timedelta) -> bool:
        """Note a play with its event, in one transaction; False, and nothing is noted, when one counted within the
        window.

        Two at the same time count once.
        """

    async def trim(self, *, before: datetime) -> None:
        """Forget plays that no longer matter for the window."""

    async def purge(self, user_id: UserId) -> None:
        """Forget what a user has listened to, and how often the user's own tracks were played, in bounded steps."""


class PlayService:
    """Counts plays."""

    def __init__(self, plays: Plays, delivery: Delivery, clock: Clock) -> None:
        self._plays = plays
        self._delivery = delivery
        self._clock = clock

    async def count(self, track: MediaFile, viewer: Viewer | None, client: Client) -> None:
        """Count a play of a track, unless the listener is its owner or was counted in the last 30 minutes.

        What is on a full disk can be heard all the same: then nothing can be counted.
        """
        if track.type is not FileType.TRACK or owns(viewer, track.user_id):
            return
        event = TrackPlayed(user_id=track.user_id, file_id=track.file_id, occurred_at=self._clock())
        try:
            is_counted = await self._plays.record(track.file_id, _listener(viewer, client), event, window=PLAY_WINDOW)
        except OutOfSpace as error:
            log.warning("%s: a play of %s is not counted", error.diagnosis, track.file_id)
            return
        if is_counted:
            await self._delivery.deliver([event])


def _listener(viewer: Viewer | None, client: Client) -> str:
    """Name a listener: the user, else a digest of the address, so that no address is kept."""
    if viewer:
        return viewer.user_id
    return hashlib.sha256(f"listener:{client.address}".encode()).hexdigest()[:32]
