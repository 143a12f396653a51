"""The media inspector: what is asked of the workers about a file, and what their answers mean to its sender."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import structlog

from pet.domain.errors import UnsupportedMedia
from pet.domain.media import (
    AUDIO_TYPES,
    COVER_MAX_BYTES,
    MAX_PIXELS,
    MIB,
    AudioFacts,
    AudioFormat,
    CleanImage,
    ImageFormat,
)
from pet.inspection.facts import NO_TAGS, AudioStream, Tags
from pet.inspection.worker import Limits, Remote, UnreadableError
from pet.inspection.workers import Workers

_READ_STREAM = Remote[AudioStream]("pet.inspection.audio:read_stream")

WALL_SECONDS = 10.0
"""How long one job may take; a client waits for it. Waiting for a free worker and starting one do not count."""

CPU_SECONDS = 8
"""CPU time of one job. The slowest honest files, the largest pictures, take 1 to 4 seconds of it."""

SOUND_SECONDS = 5
TAGS_SECONDS = 2
"""CPU time, and twice as much of any time, for the sound of a file and for its tags. An hour of sound takes less than a
second; so do all tags but those that are made to take forever."""

MEMORY_BYTES = 216 * MIB
"""Address space of one job beyond the worker's own, which is up to 45 MB: 256 MB in all. The largest pictures take
210 MiB of it, sound 20 and its artwork."""

PICTURE_MAX_BYTES = 4 * max(MAX_PIXELS.values()) + MIB
"""What a worker may write of a picture: the largest there is, had it no compression."""

AUDIO_REFUSAL = (
    "The file holds no audio that can be played. Please send MP3, WAV, OGG (Vorbis, Opus), M4A (AAC, ALAC) or FLAC."
)
IMAGE_REFUSAL = (
    "The file is not a picture that can be shown. "
    f"Please send an undamaged JPEG or PNG of at most {MAX_PIXELS[ImageFormat.PNG] // 1_000_000} megapixels, "
    f"or a WebP of at most {MAX_PIXELS[ImageFormat.WEBP] // 1_000_000}."
)

_log = structlog.get_logger(__name__)


class WorkerInspector:
    """A `MediaInspector` on worker processes; closing it ends them.

    Args:
        wall_seconds, cpu_seconds, memory_bytes: the limits of one job (see the constants of this module).
        workers: a pool to share; otherwise it has one of its own.
    """

    def __init__(
        self,
        *,
        wall_seconds: float = WALL_SECONDS,
        cpu_seconds: int = CPU_SECONDS,
        memory_bytes: int = MEMORY_BYTES,
        workers: Workers | None = None,
    ) -> None:
        limits = Limits(cpu_seconds=cpu_seconds, memory_bytes=memory_bytes, wall_seconds=wall_seconds)
        self._picture_limits = replace(limits, file_bytes=PICTURE_MAX_BYTES)
        self._sound_limits = _narrowed(limits, SOUND_SECONDS)
        self._tags_limits = replace(_narrowed(limits, TAGS_SECONDS), file_bytes=COVER_MAX_BYTES)
        self._workers = workers or Workers()

    async def close(self) -> None:
        """End the workers."""
        await self._workers.close()

    async def audio(self, path: Path, *, artwork: Path) -> AudioFacts:
        """Read an audio file's facts, then its tags and artwork; tags that cannot be read in time are left out.

        Args:
            artwork: an empty file that takes the front cover as embedded.

        Raises:
            UnsupportedMedia: the bytes are none of the audio formats, hold no audio, or took more than the limits.
            Unavailable: too many files wait already, or no worker could be started.
            OSError: the file cannot be opened, or the artwork not be written.
        """
        try:
            stream = await self._workers.run(_READ_STREAM, path, self._sound_limits)
        except UnreadableError as error:
            _log.info("audio refused", reason=str(error))
            raise UnsupportedMedia(AUDIO_REFUSAL) from error
        tags, has_artwork = await self._tags(path, stream.format, artwork)
        return AudioFacts(
            format=stream.format,
            mime_type=AUDIO_TYPES[stream.format],
            duration_seconds=stream.duration_seconds,
            bitrate_kbps=stream.bitrate_kbps,
            title=tags.title,
            artist=tags.artist,
            album=tags.album,
            has_artwork=has_artwork,
        )

    async def image(self, path: Path, *, clean: Path) -> CleanImage:
        """Decode an image and write it upright and stripped of metadata, in its own format.

        Args:
            clean: an empty file that takes the new bytes.

        Raises:
            UnsupportedMedia: the bytes are none of the image formats, are damaged, or took more than the limits.
            Unavailable: too many files wait already, or no worker could be started.
            OSError: the file cannot be opened, or the new bytes not be written.
        """
        try:
            job = Remote[CleanImage]("pet.inspection.images:clean_image", (clean,))
            return await self._workers.run(job, path, self._picture_limits)
        except UnreadableError as error:
            _log.info("image refused", reason=str(error))
            raise UnsupportedMedia(IMAGE_REFUSAL) from error

    async def _tags(self, path: Path, container: AudioFormat, artwork: Path) -> tuple[Tags, bool]:
        """Read the tags in a job of their own: they are the part of a file that is easily made to exhaust a parser."""
        try:
            job = Remote[tuple[Tags, bool]]("pet.inspection.tags:extract_tags", (container, artwork))
            return await self._workers.run(job, path, self._tags_limits)
        except UnreadableError as error:
            _log.info("tags left out", reason=str(error))
            return NO_TAGS, False


def _narrowed(limits: Limits, cpu_seconds: int) -> Limits:
    return replace(
        limits,
        cpu_seconds=min(limits.cpu_seconds, cpu_seconds),
        wall_seconds=min(limits.wall_seconds, 2 * cpu_seconds),
    )
