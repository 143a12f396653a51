"""The media inspector: worker processes that a hostile file may kill, and nothing else."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog
from anyio import BrokenWorkerProcess, CancelScope, CapacityLimiter, Semaphore, fail_after, to_process

from pet.domain.errors import Service, Unavailable, UnsupportedMedia
from pet.domain.media import MIB, AudioFacts, AudioFormat, CleanImage
from pet.inspection.audio import MIME_TYPES, read_stream
from pet.inspection.images import MAX_PIXELS, read_image
from pet.inspection.tags import NO_TAGS, Tags, read_tags
from pet.inspection.worker import Job, Limits, UnreadableError, run, settle

WORKERS = 2
"""Files looked into at the same time. Uploads are rare next to reads, which keep the other cores."""

WALL_SECONDS = 10.0
"""How long one job may take; a client waits for it. Waiting for a free worker and starting one do not count."""

CPU_SECONDS = 8
"""CPU time of one job. The slowest honest files, pictures of 40 megapixels, take 1 to 4 seconds of it."""

MEMORY_BYTES = 1280 * MIB
"""Address space of one job beyond the worker's own. A picture of 40 megapixels takes up to 460 MiB as JPEG, 310 as PNG,
1,130 as WebP with transparency; audio takes little more than its artwork."""

AUDIO_REFUSAL = (
    "The file holds no audio that can be played. Please send MP3, WAV, OGG (Vorbis, Opus), M4A (AAC, ALAC) or FLAC."
)
IMAGE_REFUSAL = (
    "The file is not a picture that can be shown. "
    f"Please send an undamaged JPEG, PNG or WebP of at most {MAX_PIXELS // 1_000_000} megapixels."
)

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class WorkerInspector:
    """A `MediaInspector` on anyio's pool of worker processes, which ends with the event loop.

    One inspector belongs to one event loop. Cancelling a call kills its worker.

    Args:
        wall_seconds, cpu_seconds, memory_bytes: the limits of one job (see the constants of this module).
    """

    def __init__(
        self, *, wall_seconds: float = WALL_SECONDS, cpu_seconds: int = CPU_SECONDS, memory_bytes: int = MEMORY_BYTES
    ) -> None:
        self._wall_seconds = wall_seconds
        self._limits = Limits(cpu_seconds=cpu_seconds, memory_bytes=memory_bytes)
        self._turns = Semaphore(WORKERS)
        self._processes = CapacityLimiter(WORKERS)

    async def audio(self, path: Path) -> AudioFacts:
        """Read an audio file's facts, then its tags and artwork; tags that cannot be read in time are left out.

        Raises:
            UnsupportedMedia: the bytes are none of the audio formats, hold no audio, or took more than the limits.
            Unavailable: no worker could be started.
        """
        try:
            stream = await self.run(read_stream, path)
        except UnreadableError as error:
            _log.info("audio refused", reason=str(error))
            raise UnsupportedMedia(AUDIO_REFUSAL) from error
        tags = await self._tags(path, stream.format)
        return AudioFacts(
            format=stream.format,
            mime_type=MIME_TYPES[stream.format],
            duration_seconds=stream.duration_seconds,
            bitrate_kbps=stream.bitrate_kbps,
            title=tags.title,
            artist=tags.artist,
            album=tags.album,
            artwork=tags.artwork,
        )

    async def image(self, path: Path) -> CleanImage:
        """Decode an image and return it upright and stripped of metadata, in its own format.

        Raises:
            UnsupportedMedia: the bytes are none of the image formats, are damaged, or took more than the limits.
            Unavailable: no worker could be started.
        """
        try:
            return await self.run(read_image, path)
        except UnreadableError as error:
            _log.info("image refused", reason=str(error))
            raise UnsupportedMedia(IMAGE_REFUSAL) from error

    async def _tags(self, path: Path, container: AudioFormat) -> Tags:
        """Read the tags in a job of their own: they are the part of a file that is easily made to exhaust a parser."""
        try:
            return await self.run(partial(read_tags, container=container), path)
        except UnreadableError as error:
            _log.info("tags left out", reason=str(error))
            return NO_TAGS

    async def run(self, job: Job[T], path: Path) -> T:
        """Run a job in a worker within the limits.

        Raises:
            UnreadableError: the job failed, exceeded a limit, or its worker died.
        """
        async with self._turns:
            await self._start_worker()
            try:
                with fail_after(self._wall_seconds):
                    return await to_process.run_sync(
                        run, job, path, self._limits, cancellable=True, limiter=self._processes
                    )
            except BrokenWorkerProcess as error:
                raise UnreadableError("the worker died, out of CPU time or memory, or was killed") from error
            except TimeoutError as error:
                raise UnreadableError(f"not done within {self._wall_seconds} seconds") from error
            except MemoryError as error:
                raise UnreadableError("the result did not fit into the worker's memory") from error

    async def _start_worker(self) -> None:
        """See to it that a worker is idle: what fails here is our machine's fault, not the file's.

        Each attempt discards an idle worker that has died unnoticed, and there are at most as many as workers. A start
        is not interrupted, as anyio would leave the half-started process behind.
        """
        failure: Exception | None = None
        for _ in range(WORKERS + 1):
            try:
                with CancelScope(shield=True):
                    return await to_process.run_sync(settle, limiter=self._processes)
            except (BrokenWorkerProcess, OSError) as error:
                failure = error
        _log.error("no worker could be started", reason=repr(failure))
        raise Unavailable(Service.MEDIA) from failure
