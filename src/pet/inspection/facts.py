"""What workers find out about sound: plain data, imported without any parser."""

from __future__ import annotations

from dataclasses import dataclass

from pet.domain.media import AudioFormat


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
