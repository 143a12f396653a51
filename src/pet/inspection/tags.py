"""Tags and artwork: ID3 (MP3, WAV), Vorbis comments (OGG, FLAC), MP4 atoms (M4A). Runs in a worker.

A file of a few kilobytes can keep a tag parser busy for minutes: a compressed ID3 frame of empty strings costs
quadratic time.
"""

# mypy: disable-error-code="no-untyped-call"
# mutagen's functions carry no annotations.

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO

from mutagen import MutagenError
from mutagen.flac import FLAC, Picture
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4
from mutagen.ogg import OggPage
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from pet.domain.media import COVER_MAX_BYTES, AudioFormat
from pet.inspection.facts import NO_TAGS, Tags

TEXT_LENGTH = 200
"""Characters kept of a tag."""

_FRONT_COVER = 3
"""The type of a front cover in ID3v2 (APIC) and, taken from there, in FLAC (RFC 9639, section 8.8)."""

_LINK = "-->"
"""The media type of an embedded picture that is only the address of one."""


def read_tags(file: BinaryIO, container: AudioFormat) -> Tags:
    """Return the tags of an audio file whose container is known.

    Raises:
        Exception: the tags are damaged; mutagen raises errors of many kinds.
    """
    file.seek(0)
    return _READERS[container](file)


def _mp3(file: BinaryIO) -> Tags:
    return _from_id3(MP3(file).tags)


def _wav(file: BinaryIO) -> Tags:
    return _from_id3(WAVE(file).tags)


def _ogg(file: BinaryIO) -> Tags:
    is_opus = OggPage(file).packets[0].startswith(b"OpusHead")
    file.seek(0)
    tags = OggOpus(file).tags if is_opus else OggVorbis(file).tags
    return _from_vorbis(tags, _vorbis_pictures(tags))


def _flac(file: BinaryIO) -> Tags:
    audio = FLAC(file)
    return _from_vorbis(audio.tags or {}, audio.pictures)


def _m4a(file: BinaryIO) -> Tags:
    tags: Any = MP4(file).tags or {}
    return Tags(
        title=_first_text(tags.get("\xa9nam", [])),
        artist=_first_text(tags.get("\xa9ART", [])),
        album=_first_text(tags.get("\xa9alb", [])),
        artwork=_front_cover((_FRONT_COVER, bytes(cover)) for cover in tags.get("covr", [])),
    )


def _from_id3(tags: Any) -> Tags:
    if tags is None:
        return NO_TAGS

    def texts(frame_id: str) -> Iterator[str]:
        return (text for frame in tags.getall(frame_id) for text in frame.text)

    return Tags(
        title=_first_text(texts("TIT2")),
        artist=_first_text(texts("TPE1")),
        album=_first_text(texts("TALB")),
        artwork=_front_cover((frame.type, frame.data) for frame in tags.getall("APIC") if frame.mime != _LINK),
    )


def _from_vorbis(tags: Any, pictures: Iterable[Picture]) -> Tags:
    return Tags(
        title=_first_text(tags.get("title", [])),
        artist=_first_text(tags.get("artist", [])),
        album=_first_text(tags.get("album", [])),
        artwork=_front_cover((picture.type, picture.data) for picture in pictures if picture.mime != _LINK),
    )


def _vorbis_pictures(tags: Any) -> Iterator[Picture]:
    """Yield the pictures of Vorbis comments, FLAC picture blocks in base64; a damaged one is passed over."""
    for text in tags.get("metadata_block_picture", []):
        with suppress(ValueError, MutagenError):
            yield Picture(base64.b64decode(text))


def _first_text(values: Iterable[str]) -> str | None:
    return next(filter(None, map(_clean, values)), None)


def _clean(text: str) -> str:
    """Drop what no font shows (control characters, lone surrogates), and make runs of white space one space."""
    shown = (
        character for character in text if character.isspace() or unicodedata.category(character) not in {"Cc", "Cs"}
    )
    return " ".join("".join(shown).split())[:TEXT_LENGTH].rstrip()


def _front_cover(pictures: Iterable[tuple[int, bytes]]) -> bytes | None:
    """Return the picture marked as front cover, else the first of any kind, of those within the size of a cover."""
    fitting = [(kind, content) for kind, content in pictures if 0 < len(content) <= COVER_MAX_BYTES]
    fronts = [content for kind, content in fitting if kind == _FRONT_COVER]
    return next(iter(fronts or [content for _, content in fitting]), None)


_READERS: dict[AudioFormat, Callable[[BinaryIO], Tags]] = {
    AudioFormat.MP3: _mp3,
    AudioFormat.WAV: _wav,
    AudioFormat.OGG: _ogg,
    AudioFormat.M4A: _m4a,
    AudioFormat.FLAC: _flac,
}
