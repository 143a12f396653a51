"""Tags and artwork: ID3 and APEv2 (MP3), ID3 and RIFF INFO (WAV), Vorbis comments (OGG, FLAC), MP4 atoms (M4A).

Runs in a worker. Where a file has several kinds, what the first one lacks is taken from the next.

A file of a few kilobytes can keep a tag parser busy for minutes: a compressed ID3 frame of empty strings costs
quadratic time.
"""

# mypy: disable-error-code="no-untyped-call"
# mutagen's functions carry no annotations.

from __future__ import annotations

import base64
import os
import struct
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from mutagen import MutagenError
from mutagen.apev2 import APETextValue, APEv2
from mutagen.flac import FLAC, Picture
from mutagen.id3 import ID3, Encoding
from mutagen.mp4 import MP4
from mutagen.ogg import OggPage
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from pet.domain.media import COVER_MAX_BYTES, MIB, AudioFormat
from pet.inspection.facts import NO_TAGS, Tags
from pet.inspection.mojibake import readable
from pet.inspection.worker import write

TEXT_LENGTH = 200
"""Characters kept of a tag."""

_FRONT_COVER = 3
"""The type of a front cover in ID3v2 (APIC) and, taken from there, in FLAC (RFC 9639, section 8.8)."""

_LINK = "-->"
"""The media type of an embedded picture that is only the address of one."""

_ID3_NAMES = ("TIT2", "TPE1", "TALB")
_ID3V1_BYTES = 128
_ID3V1_TEXT_BYTES = 30

_CHUNK = struct.Struct("<4sI")
_INFO_NAMES = {"title": b"INAM", "artist": b"IART", "album": b"IPRD"}
_INFO_MOST_BYTES = MIB

_APE_COVERS = ("cover art (front)", "cover art (other)")

_UTF_8_REST = 3
"""The most bytes of a character that is cut."""


def read_tags(file: BinaryIO, container: AudioFormat) -> Tags:
    """Return the tags of an audio file whose container is known.

    Raises:
        Exception: the tags are damaged; mutagen raises errors of many kinds.
    """
    file.seek(0)
    return _READERS[container](file)


def extract_tags(file: BinaryIO, container: AudioFormat, artwork: Path) -> tuple[Tags, bool]:
    """Return the tags with the artwork left out, which goes into an empty file, and whether there was any.

    Raises:
        UnwrittenError: the disk refuses.
        Exception: as `read_tags` does.
    """
    tags = read_tags(file, container)
    if tags.artwork is not None:
        write(artwork, tags.artwork)
    return replace(tags, artwork=None), tags.artwork is not None


def _mp3(file: BinaryIO) -> Tags:
    return _first_of(file, _id3, _apev2, _id3v1)


def _wav(file: BinaryIO) -> Tags:
    return _first_of(file, _wav_id3, _riff_info)


def _ogg(file: BinaryIO) -> Tags:
    is_opus = OggPage(file).packets[0].startswith(b"OpusHead")
    file.seek(0)
    tags = OggOpus(file).tags if is_opus else OggVorbis(file).tags
    return _from_vorbis(tags, _vorbis_pictures(tags))


def _flac(file: BinaryIO) -> Tags:
    return _first_of(file, _flac_comments, _id3)


def _flac_comments(file: BinaryIO) -> Tags:
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


def _first_of(file: BinaryIO, *readers: Callable[[BinaryIO], Tags]) -> Tags:
    """Return for each field what the first reader that finds something finds; a damaged tag hides no other one."""
    found = NO_TAGS
    for read in readers:
        file.seek(0)
        with _damage_passed_over():
            tags = read(file)
            found = Tags(
                title=found.title or tags.title,
                artist=found.artist or tags.artist,
                album=found.album or tags.album,
                artwork=found.artwork or tags.artwork,
            )
    return found


@contextmanager
def _damage_passed_over() -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise  # it ends the worker
    except Exception:  # noqa: BLE001, S110 - mutagen raises errors of many kinds, and none of them concerns the sound
        pass


def _id3(file: BinaryIO) -> Tags:
    return _from_id3(ID3(file, load_v1=False))


def _wav_id3(file: BinaryIO) -> Tags:
    tags = WAVE(file).tags
    return NO_TAGS if tags is None else _from_id3(tags)


def _from_id3(tags: Any) -> Tags:
    texts = {name: [(frame, text) for frame in tags.getall(name) for text in frame.text] for name in _ID3_NAMES}
    untold = {
        f"{name}{number}": text
        for name, values in texts.items()
        for number, (frame, text) in enumerate(values)
        if frame.encoding == Encoding.LATIN1
    }
    told = readable(untold)

    def text_of(name: str) -> str | None:
        return _first_text(told.get(f"{name}{number}", text) for number, (_, text) in enumerate(texts[name]))

    return Tags(
        title=text_of("TIT2"),
        artist=text_of("TPE1"),
        album=text_of("TALB"),
        artwork=_front_cover((frame.type, frame.data) for frame in tags.getall("APIC") if frame.mime != _LINK),
    )


def _id3v1(file: BinaryIO) -> Tags:
    """Read the last 128 bytes: three texts of 30 bytes, filled up with zeros or spaces, after a mark."""
    file.seek(-_ID3V1_BYTES, os.SEEK_END)
    tag = file.read(_ID3V1_BYTES)
    if not tag.startswith(b"TAG"):
        return NO_TAGS
    return _from_latin(title=tag[3:33], artist=tag[33:63], album=tag[63:93])


def _riff_info(file: BinaryIO) -> Tags:
    """Read the texts of a `LIST` chunk of the kind `INFO`, wherever it is."""
    size_bytes = file.seek(0, os.SEEK_END)
    position, texts = 12, dict[bytes, bytes]()
    while position + 8 <= size_bytes and not texts:
        file.seek(position)
        name, length = _CHUNK.unpack(file.read(8))
        if name == b"LIST" and file.read(4) == b"INFO":
            texts = _info_texts(file.read(min(length, _INFO_MOST_BYTES)))
        position += 8 + length + length % 2
    return _from_latin(**{field: texts[name] for field, name in _INFO_NAMES.items() if name in texts})


def _info_texts(content: bytes) -> dict[bytes, bytes]:
    texts, position = dict[bytes, bytes](), 0
    while position + 8 <= len(content):
        name, length = _CHUNK.unpack_from(content, position)
        texts.setdefault(name, content[position + 8 : position + 8 + length])
        position += 8 + length + length % 2
    return texts


def _from_latin(**texts: bytes) -> Tags:
    told = readable({name: _cut(text).decode("latin-1") for name, text in texts.items()})
    title, artist, album = (_first_text([told.get(name, "")]) for name in ("title", "artist", "album"))
    return Tags(title, artist, album)


def _cut(text: bytes) -> bytes:
    """Take what is before the first zero; and of UTF-8 that fills the field no part of a character at its end."""
    text = text.partition(b"\0")[0]
    for rest in range(1, _UTF_8_REST + 1) if len(text) == _ID3V1_TEXT_BYTES else ():
        with suppress(UnicodeDecodeError):
            if not text[:-rest].decode().isascii():
                return text[:-rest]
    return text


def _apev2(file: BinaryIO) -> Tags:
    tags = APEv2(file)

    def text_of(key: str) -> str | None:
        value = tags.get(key)
        return _first_text(value) if isinstance(value, APETextValue) else None

    covers = ((_FRONT_COVER, bytes(tags[key].value).partition(b"\0")[2]) for key in _APE_COVERS if key in tags)
    return Tags(text_of("title"), text_of("artist"), text_of("album"), _front_cover(covers))


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
