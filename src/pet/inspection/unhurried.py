"""The peak reader: worker processes that decode whole tracks while nobody waits for them."""

from __future__ import annotations

import math
from pathlib import Path

import structlog

from pet.domain.errors import NotFound, UnsupportedMedia
from pet.domain.files import MediaFile
from pet.domain.media import MIB, AudioFormat
from pet.inspection.pool import MEMORY_BYTES
from pet.inspection.worker import Limits, Remote, UnreadableError
from pet.inspection.workers import Workers

LEAST_CPU_SECONDS = 20
SOUND_PER_CPU_SECOND = 20.0
"""Seconds of sound that a second of CPU time decodes at the very least; an old machine decodes a hundred."""

BYTES_PER_CPU_SECOND = 2 * MIB
"""Where the record's duration is too short for its bytes."""

WALL_PER_CPU_SECOND = 10.0
"""Everything else on the machine goes first."""

LOWEST_PRIORITY = 19

_log = structlog.get_logger(__name__)


class WorkerPeakReader:
    """A `PeakReader` on a worker process of its own, behind everything else on the machine; closing it ends that."""

    def __init__(self) -> None:
        self._workers = Workers(most=1, niceness=LOWEST_PRIORITY)

    async def close(self) -> None:
        """End the worker."""
        await self._workers.close()

    async def peaks(self, path: Path, track: MediaFile) -> bytes:
        """Return a track's peaks.

        Raises:
            NotFound: the file is gone.
            UnsupportedMedia: the sound cannot be decoded, or not within the limits.
            Unavailable: no worker could be started.
        """
        job = Remote[bytes]("pet.inspection.peaks:read_peaks", (AudioFormat(track.format),))
        try:
            return await self._workers.run(job, path, _limits(track))
        except UnreadableError as error:
            _log.info("no peaks could be read", file_id=track.file_id, reason=str(error))
            raise UnsupportedMedia("The sound of this track could not be decoded.") from error
        except FileNotFoundError as error:
            raise NotFound("File not found") from error


def _limits(track: MediaFile) -> Limits:
    seconds = (track.duration_seconds or 0) / SOUND_PER_CPU_SECOND + track.size_bytes / BYTES_PER_CPU_SECOND
    cpu_seconds = LEAST_CPU_SECONDS + math.ceil(seconds)
    return Limits(cpu_seconds=cpu_seconds, memory_bytes=MEMORY_BYTES, wall_seconds=cpu_seconds * WALL_PER_CPU_SECOND)
