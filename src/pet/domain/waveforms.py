"""Waveforms: how loud a track is from its start to its end, computed in the background after its upload.

That a track wants one is noted by the event of its upload, so it is never forgotten; whichever process has time takes
the note, holds it while it computes, and lets go of it when it dies.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from pet.domain.errors import DomainError, Invalid, NotFound, Unavailable
from pet.domain.files import Files, MediaFile
from pet.domain.ids import FileId, uuid7_since
from pet.domain.media import Blobs
from pet.domain.tasks import ended
from pet.domain.times import Clock, to_milliseconds

POINTS = 1000
"""Peaks that are kept of a track, a byte each: more than a screen shows, and too little to be worth packing."""

LOUDEST = 255
"""A peak that reaches full scale."""

LEASE = timedelta(seconds=15)
"""How long a track is held without a sign of life: what a killed process was at is taken over after this time."""

RENEWAL_SECONDS = 5.0

MAX_ATTEMPTS = 3
"""A file that cannot be decoded will not be decodable later; a worker that was killed for want of memory may be."""

FIRST_PAUSE = timedelta(seconds=30)
"""Grows tenfold with each attempt."""

OUTAGE_PAUSE = timedelta(seconds=10)
"""A store that is down is no fault of the track's: such an attempt does not count."""

MISSING_PAUSE = timedelta(hours=1)
"""Bytes that are not there may come back: a folder that was not mounted, a backup that is still being restored."""

SEEK_STEP = 200
SEEK_PAUSE_SECONDS = 0.1
"""Files that are looked at in one step for tracks without a note, and the pause between steps: nobody feels it."""

SEEK_AGAIN = timedelta(minutes=10)
RECENT = timedelta(hours=1)
"""All files are looked at once a start, and recent ones again and again: while processes are upgraded one by one, an
old one may deliver the event of an upload without knowing of waveforms."""

log = logging.getLogger("pet.waveforms")


class Processing(StrEnum):
    """How far what is made of a track after its upload has come."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Waveform:
    """A track's waveform: `peaks` has `POINTS` bytes, from 0 for silence to `LOUDEST`; None unless it is ready."""

    file_id: FileId
    processing: Processing
    peaks: bytes | None = None

    def points(self, count: int) -> list[float] | None:
        """Return the loudest peak of each of `count` equal parts, from 0 to 1 with three digits; None unless ready.

        Args:
            count: from 1 to `POINTS`.
        """
        return None if self.peaks is None else [round(peak / LOUDEST, 3) for peak in loudest(self.peaks, count)]


def require_points(count: int) -> None:
    """Refuse a number of points that no waveform has.

    Raises:
        Invalid: it is not from 1 to `POINTS`.
    """
    if not 1 <= count <= POINTS:
        raise Invalid(f"points must be from 1 to {POINTS}.", field="points")


def loudest(peaks: bytes, count: int) -> bytes:
    """Return the loudest of each of `count` equal parts; where there are fewer peaks, each stands for several parts."""
    size = len(peaks)
    starts = [number * size // count for number in range(count + 1)]
    return bytes(max(peaks[start : max(end, start + 1)]) for start, end in pairwise(starts))


def pending(file_id: FileId) -> Waveform:
    """Return what is known of a track that nothing is known of: it was published before there were waveforms."""
    return Waveform(file_id, Processing.PENDING)


@dataclass(frozen=True, slots=True)
class Claim:
    """A track that is held until a moment, for its attempt of that number, from 1."""

    file_id: FileId
    held_until: datetime
    attempt: int


class Waveforms(Protocol):
    """Keeps waveforms, and notes which tracks want one. What is kept of a track goes with its record.

    A claim holds against others by its moment: whoever is late finds that the track is held until another one.
    """

    async def get_many(self, file_ids: Sequence[FileId]) -> Mapping[FileId, Waveform]:
        """Return what there is of some tracks, by file id; at most 1,000 ids. Tracks without a note are left out."""

    async def want_missing(self, at: datetime, *, after: FileId | None, limit: int) -> FileId | None:
        """Note those among some files, by file id, that are tracks without a note.

        Args:
            at: when they are due.
            after: the exclusive file id from which to go on; None for the start.
            limit: files to look at, 1 to 500.

        Return the last file's id, None at the end.
        """

    async def claim(self, now: datetime, *, until: datetime) -> Claim | None:
        """Take the track that became due last, and hold it; None where none is due.

        The last one first: who has just published is waiting, whoever else may be. Nobody else gets the track before
        `until`. Of several at once each gets another one, or none.
        """

    async def hold(self, claim: Claim, *, until: datetime) -> Claim | None:
        """Hold on to a track; None when it is gone, or someone else's by now."""

    async def finish(self, claim: Claim, peaks: bytes) -> bool:
        """Keep a waveform; False, and nothing is kept, when the track is gone, or has one already."""

    async def put_off(self, claim: Claim, *, until: datetime, counts: bool) -> bool:
        """Let go of a track until a moment; False when it is gone, or someone else's by now.

        Args:
            counts: whether the attempt counts as one.
        """

    async def give_up(self, claim: Claim) -> bool:
        """Note that a track will have no waveform; False when it is gone, or someone else's by now."""


class PeakReader(Protocol):
    """Decodes audio files without risk for the process."""

    async def peaks(self, path: Path, track: MediaFile) -> bytes:
        """Return a track's `POINTS` peaks, as `Waveform` has them.

        Raises:
            NotFound: the file is gone.
            UnsupportedMedia: the sound cannot be decoded, or not within the limits.
            Unavailable: nothing can be decoded at the moment.
        """


class WaveformService:
    """Tells waveforms, and makes them."""

    def __init__(self, waveforms: Waveforms, files: Files, blobs: Blobs, reader: PeakReader, clock: Clock) -> None:
        self._waveforms = waveforms
        self._files = files
        self._blobs = blobs
        self._reader = reader
        self._clock = clock
        self._seen_upto: FileId | None = None
        self._seeks_at = clock()

    async def find(self, file_id: FileId) -> Waveform:
        """Return what there is of a track."""
        return (await self.get_many([file_id]))[file_id]

    async def get_many(self, file_ids: Sequence[FileId]) -> Mapping[FileId, Waveform]:
        """Return what there is of some tracks; every one has an entry."""
        found = await self._waveforms.get_many(file_ids)
        return {file_id: found.get(file_id) or pending(file_id) for file_id in file_ids}

    async def make_next(self) -> bool:
        """Make the waveform of the track that became due last; False when there is nothing to do.

        While none is due, tracks are sought that were published before there were waveforms. Whoever is cancelled lets
        go of the track at once.

        Raises:
            Unavailable: the notes cannot be read.
        """
        now = self._clock()
        claim = await self._waveforms.claim(now, until=now + LEASE)
        if claim is None:
            return await self._seek_earlier_ones()
        track = (await self._files.get_many([claim.file_id])).get(claim.file_id)
        if claim.attempt > MAX_ATTEMPTS:  # those who tried it did not live to tell
            await self._give_up(claim, "every attempt was killed")
        elif track is not None:
            await self._make(claim, track)
        return True

    async def _seek_earlier_ones(self) -> bool:
        """Note some of the tracks that no event has noted; False when all files were looked at."""
        now = self._clock()
        if now < self._seeks_at:
            return False
        await asyncio.sleep(SEEK_PAUSE_SECONDS)
        self._seen_upto = await self._waveforms.want_missing(now, after=self._seen_upto, limit=SEEK_STEP)
        if self._seen_upto is None:
            self._seen_upto = FileId(uuid7_since(to_milliseconds(now - RECENT)))
            self._seeks_at = now + SEEK_AGAIN
        return True

    async def _make(self, claim: Claim, track: MediaFile) -> None:
        making = asyncio.create_task(self._peaks(track))
        holding = _Holding(self._waveforms, self._clock, claim)
        try:
            await holding.until_done(making)
        except BaseException:
            await ended(making)
            with suppress(Unavailable):  # then the track is held in vain, for a few seconds
                await self._waveforms.put_off(holding.claim, until=self._clock(), counts=False)
            raise
        await self._settle(holding.claim, making)

    async def _peaks(self, track: MediaFile) -> bytes:
        async with self._blobs.local_file(track.blob_key) as path:
            return await self._reader.peaks(path, track)

    async def _settle(self, claim: Claim, making: asyncio.Task[bytes]) -> None:
        """Keep what was made, or decide when it is tried again."""
        if making.cancelled():
            log.info("a waveform is not needed any more", extra={"file_id": claim.file_id})
            return
        try:
            await self._waveforms.finish(claim, making.result())
        except Unavailable as error:
            said = {"file_id": claim.file_id, "reason": repr(error.__cause__)}
            log.warning("%s: a waveform has to wait", error.diagnosis, extra=said)
            await self._waveforms.put_off(claim, until=self._clock() + OUTAGE_PAUSE, counts=False)
        except NotFound:
            log.warning("a track has no bytes: see `pet media check`", extra={"file_id": claim.file_id})
            await self._waveforms.put_off(claim, until=self._clock() + MISSING_PAUSE, counts=False)
        except DomainError as error:
            await self._note_failure(claim, str(error))
        except Exception as error:
            log.exception("a waveform cannot be made", extra={"file_id": claim.file_id})
            await self._note_failure(claim, type(error).__name__)

    async def _note_failure(self, claim: Claim, reason: str) -> None:
        if claim.attempt >= MAX_ATTEMPTS:
            await self._give_up(claim, reason)
            return
        pause = FIRST_PAUSE * 10 ** (claim.attempt - 1)
        log.info("a waveform is tried again later", extra={"file_id": claim.file_id, "reason": reason})
        await self._waveforms.put_off(claim, until=self._clock() + pause, counts=True)

    async def _give_up(self, claim: Claim, reason: str) -> None:
        log.warning("a track will have no waveform", extra={"file_id": claim.file_id, "reason": reason})
        await self._waveforms.give_up(claim)


class _Holding:
    """Holds on to a track while it is worked on."""

    def __init__(self, waveforms: Waveforms, clock: Clock, claim: Claim) -> None:
        self.claim = claim
        self._waveforms = waveforms
        self._clock = clock

    async def until_done(self, work: asyncio.Task[bytes]) -> None:
        """Wait for the end of the work, which is cancelled when the track is gone or someone else's."""
        while not (await asyncio.wait((work,), timeout=RENEWAL_SECONDS))[0]:
            try:
                held = await self._waveforms.hold(self.claim, until=self._clock() + LEASE)
            except Unavailable:
                continue  # who cannot hold it now may still be in time to finish it
            if held is None:
                await ended(work)
                return
            self.claim = held
