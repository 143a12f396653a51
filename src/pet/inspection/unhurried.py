"""The peak reader: worker processes that decode whole tracks while nobody waits for them."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import BinaryIO

import structlog

from pet.domain.errors import UnsupportedMedia
from pet.domain.files import MediaFile
from pet.domain.media import MIB, AudioFormat
from pet.inspection.pool import WorkerInspector
from pet.inspection.worker import UnreadableError

LEAST_CPU_SECONDS = 20
SOUND_PER_CPU_SECOND = 20.0
"""Seconds of sound that a second of CPU time decodes at the very least; an old machine decodes a hundred."""

BYTES_PER_CPU_SECOND = 2 * MIB
"""Where the record's duration is too short for its bytes."""

WALL_PER_CPU_SECOND = 10.0
"""Everything else on the machine goes first."""

MEMORY_BYTES = 512 * MIB
"""Decoding takes some tens of MiB whatever the track's length; the rest is room for artwork in the file's head."""

_log = structlog.get_logger(__name__)


class WorkerPeakReader:
    """A `PeakReader` on the same worker processes as the media inspector."""

    async def peaks(self, path: Path, track: MediaFile) -> bytes:
        """Return a track's peaks.

        Raises:
            UnsupportedMedia: the sound cannot be decoded, or not within the limits.
            Unavailable: no worker could be started.
        """
        seconds = (track.duration_seconds or 0) / SOUND_PER_CPU_SECOND + track.size_bytes / BYTES_PER_CPU_SECOND
        cpu_seconds = LEAST_CPU_SECONDS + math.ceil(seconds)
        worker = WorkerInspector(
            wall_seconds=cpu_seconds * WALL_PER_CPU_SECOND, cpu_seconds=cpu_seconds, memory_bytes=MEMORY_BYTES
        )
        try:
            return await worker.run(partial(_peaks, container=AudioFormat(track.format)), path)
        except UnreadableError as error:
            _log.info("no peaks could be read", file_id=track.file_id, reason=str(error))
            raise UnsupportedMedia("The sound of this track could not be decoded.") from error


def _peaks(file: BinaryIO, container: AudioFormat) -> bytes:
    """Read peaks in a worker: FFmpeg's libraries are loaded there, and not in the process that serves."""
    from pet.inspection.peaks import read_peaks  # noqa: PLC0415

    return read_peaks(file, container)
