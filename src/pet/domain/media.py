"""Media: what the bytes are, how they come in, and where they are kept.

The bytes live behind `Blobs`; the record of a file (`files`) appears only after its bytes are safe.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol

MIB = 1024 * 1024
AVATAR_MAX_BYTES = 5 * MIB
COVER_MAX_BYTES = 10 * MIB
TRACK_MAX_BYTES = 100 * MIB

STAGED_AT_MOST = timedelta(days=1)
"""Far longer than any upload takes: what is older was left behind by a crash."""


class AudioFormat(StrEnum):
    """The audio containers that are accepted, by content."""

    MP3 = "mp3"
    WAV = "wav"
    OGG = "ogg"
    M4A = "m4a"
    FLAC = "flac"


class ImageFormat(StrEnum):
    """The image formats that are accepted, by content."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"


AUDIO_TYPES = {
    AudioFormat.MP3: "audio/mpeg",
    AudioFormat.WAV: "audio/wav",
    AudioFormat.OGG: "audio/ogg",
    AudioFormat.M4A: "audio/mp4",
    AudioFormat.FLAC: "audio/flac",
}
"""The media types under which sound is served."""

MAX_PIXELS = {ImageFormat.JPEG: 25_000_000, ImageFormat.PNG: 25_000_000, ImageFormat.WEBP: 8_000_000}
"""The largest pictures that are decoded, known from the header before any decoding.

What they take decides: 8 bytes a pixel for a JPEG or PNG that is turned, 25 for a WebP without loss, and 256 MB for a
worker as a whole. A picture of 5,000 x 5,000 pixels is larger than any screen, one of 2,800 x 2,800 than any cover.
"""


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """What an audio file says of itself.

    `duration_seconds` has fractions; `bitrate_kbps` is the average in kbit/s. `title`, `artist` and `album` are the
    tags, cut to 200 characters, None where absent or blank. `has_artwork` tells whether a front cover was found and
    written down.
    """

    format: AudioFormat
    mime_type: str
    duration_seconds: float
    bitrate_kbps: int
    title: str | None
    artist: str | None
    album: str | None
    has_artwork: bool


@dataclass(frozen=True, slots=True)
class CleanImage:
    """What is known of an image after decoding: upright, one frame, without metadata, in its own format.

    `width` and `height` are in pixels. Its encoded bytes are in the file that was named for them.
    """

    format: ImageFormat
    mime_type: str
    width: int
    height: int


class MediaInspector(Protocol):
    """Looks into hostile files without risk for the process: in workers with limits on time, memory and disk.

    Pictures never pass through the process: workers write them into an empty file that is named for each. After an
    error it may hold a part.
    """

    async def audio(self, path: Path, *, artwork: Path) -> AudioFacts:
        """Read an audio file's facts, tags and artwork.

        Args:
            artwork: an empty file, which takes the front cover's encoded bytes as embedded, unchecked, at most 10 MiB.

        Raises:
            UnsupportedMedia: the bytes are none of the audio formats, hold no audio, or could not be read within the
                limits.
            OSError: the artwork could not be written.
        """

    async def image(self, path: Path, *, clean: Path) -> CleanImage:
        """Decode an image and write it upright and stripped of metadata, in its own format.

        Args:
            clean: an empty file, which takes the new bytes.

        Raises:
            UnsupportedMedia: the bytes are none of the image formats, are damaged, or exceed the pixel limit.
            OSError: the new bytes could not be written.
        """


class ScratchFile(Protocol):
    """A local file for what another process writes. It is empty at first, and nothing lasts of it."""

    path: Path

    def pieces(self) -> AsyncIterator[bytes]:
        """Yield what is in it, in chunks of at most 1 MiB. No handle is open between them."""


class StagedBlob(Protocol):
    """A temporary object that is being written. It vanishes unless it is kept."""

    size_bytes: int

    async def write(self, chunk: bytes) -> None:
        """Append bytes."""

    def local_path(self) -> AbstractAsyncContextManager[Path]:
        """Give a local file with what was written, for inspection. Writing ends here.

        It has the true size; of what is larger than 40 MiB it may hold only the first 24 and the last 16, and zeros
        between.
        """

    async def keep(self, key: str, *, content_type: str | None = None) -> None:
        """Make the object durable under its key, at once and whole; afterwards it no longer vanishes.

        It may be kept under several keys, one after the other: one file of a request may serve two purposes.
        `content_type` is for whoever fetches the object from its store without asking the service.
        """


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as its store lists it; `modified_at` is when it was kept, by the store's clock."""

    key: str
    size_bytes: int
    modified_at: datetime


class Blobs(Protocol):
    """Stores bytes by key. Keys are the network's own (`[a-z0-9/.-]`), never made of a client's text."""

    def stage(self) -> AbstractAsyncContextManager[StagedBlob]:
        """Open a temporary object; leaving the context removes what was not kept, whatever happened."""

    def stage_at(self, key: str, *, content_type: str) -> AbstractAsyncContextManager[StagedBlob]:
        """Open a temporary object that will be kept under this key and type, if at all.

        It may be of any size, where a store copies no more than some gigabytes to a key that it is told afterwards.
        """

    def scratch(self) -> AbstractAsyncContextManager[ScratchFile]:
        """Give an empty file of this machine; leaving the context removes it, whatever happened.

        What a crash leaves of it is removed as temporary objects are.

        Raises:
            OutOfSpace, Unavailable: also in place of an OSError that is raised within the context: the disk refused.
        """

    async def size(self, key: str) -> int:
        """Return an object's size in bytes.

        Raises:
            NotFound: there is no such object.
        """

    def read(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` up to `end` (exclusive) in chunks of at most 1 MiB.

        Closing the iterator releases what it holds. Raises NotFound when there is no such object.
        """

    def local_file(self, key: str) -> AbstractAsyncContextManager[Path]:
        """Give a local file with an object's bytes, for decoding, until the context is left.

        Raises:
            NotFound: there is no such object.
        """

    def listed(self, prefix: str) -> AsyncIterator[Sequence[StoredObject]]:
        """Yield all kept objects whose keys begin with a path (`files`), up to 1,000 at a time, in no certain order."""

    async def remove(self, key: str) -> None:
        """Remove an object; removing what is not there does nothing."""

    async def sweep(self, *, older_than: timedelta = STAGED_AT_MOST) -> int:
        """Remove temporary objects that a crash left behind and that are older than this; return how many."""
