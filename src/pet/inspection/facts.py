"""What workers look for, and what they find: plain data, imported without any parser."""

from __future__ import annotations

from dataclasses import dataclass

from pet.domain.media import AudioFormat

MAX_PIXELS = 40_000_000
"""The largest picture that is decoded: 160 MB of pixels. The size is known from the header, before any decoding."""


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
