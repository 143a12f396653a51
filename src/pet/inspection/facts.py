"""What workers look for, and what they find: plain data, imported without any parser."""

from __future__ import annotations

from dataclasses import dataclass

from pet.domain.media import AudioFormat, ImageFormat

MAX_PIXELS = {ImageFormat.JPEG: 25_000_000, ImageFormat.PNG: 25_000_000, ImageFormat.WEBP: 8_000_000}
"""The largest pictures that are decoded, known from the header before any decoding.

What they take decides: 8 bytes a pixel for a JPEG or PNG that is turned, 25 for a WebP without loss, and 256 MB for a
worker as a whole. A picture of 5,000 x 5,000 pixels is larger than any screen, one of 2,800 x 2,800 than any cover.
"""


@dataclass(frozen=True, slots=True)
class AudioStream:
    """What the sound itself says; `bitrate_kbps` is the average, at least 1."""

    format: AudioFormat
    duration_seconds: float
    bitrate_kbps: int


@dataclass(frozen=True, slots=True)
class Tags:
    """Texts as `AudioFacts` has them, and the front cover's bytes, at most 10 MiB."""

    title: str | None = None
    artist: str | None = None
    album: str | None = None
    artwork: bytes | None = None


NO_TAGS = Tags()
