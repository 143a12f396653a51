"""Tags and artwork of every container."""

# mypy: disable-error-code="no-untyped-call"
# mutagen's functions carry no annotations.

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from mutagen.flac import FLAC
from mutagen.id3 import APIC, ID3
from mutagen.oggvorbis import OggVorbis

from pet.domain.media import MIB, AudioFormat
from pet.inspection.facts import NO_TAGS, Tags
from pet.inspection.tags import read_tags
from tests import media_factory

MAKERS = [
    pytest.param(media_factory.mp3, AudioFormat.MP3, id="mp3"),
    pytest.param(media_factory.wav, AudioFormat.WAV, id="wav"),
    pytest.param(media_factory.ogg_vorbis, AudioFormat.OGG, id="ogg_vorbis"),
    pytest.param(media_factory.ogg_opus, AudioFormat.OGG, id="ogg_opus"),
    pytest.param(media_factory.m4a_aac, AudioFormat.M4A, id="m4a_aac"),
    pytest.param(media_factory.m4a_alac, AudioFormat.M4A, id="m4a_alac"),
    pytest.param(media_factory.flac, AudioFormat.FLAC, id="flac"),
]


def tags_of(content: bytes, container: AudioFormat) -> Tags:
    return read_tags(io.BytesIO(content), container)


@pytest.mark.parametrize(("make", "container"), MAKERS)
def test_title_artist_album_and_cover_are_read(make: Callable[..., bytes], container: AudioFormat) -> None:
    content = make(title="Белая ночь", artist="Ärzte & 友達", album="🌊", artwork=media_factory.jpeg())

    assert tags_of(content, container) == Tags("Белая ночь", "Ärzte & 友達", "🌊", media_factory.jpeg())


@pytest.mark.parametrize(("make", "container"), MAKERS)
def test_a_file_without_tags_has_none(make: Callable[..., bytes], container: AudioFormat) -> None:
    assert tags_of(make(), container) == NO_TAGS


@pytest.mark.parametrize(("make", "container"), MAKERS)
def test_texts_are_cut_and_cleaned_and_blank_ones_are_none(make: Callable[..., bytes], container: AudioFormat) -> None:
    content = make(title="é" * 300, artist=" \t ", album="a\x07b\tc\n\x1bd ")

    assert tags_of(content, container) == Tags("é" * 200, None, "ab c d", None)


@pytest.mark.parametrize(("make", "container"), [MAKERS[0], MAKERS[-1]])
def test_a_cover_of_ten_mebibytes_is_kept_and_a_larger_one_left_out(make: Any, container: AudioFormat) -> None:
    largest = bytes(10 * MIB)
    make_afresh = make.__wrapped__  # nobody else needs files of this size in memory

    assert tags_of(make_afresh(artwork=largest), container).artwork == largest
    assert tags_of(make_afresh(artwork=largest + b"\0"), container).artwork is None


def apic(kind: int, data: bytes, mime: str = "image/png") -> APIC:
    return APIC(encoding=3, mime=mime, type=kind, desc=f"{kind}{mime}", data=data)


@pytest.mark.parametrize(
    ("pictures", "artwork"),
    [
        pytest.param([apic(4, b"back"), apic(3, b"front"), apic(8, b"artist")], b"front", id="front_cover_first"),
        pytest.param([apic(4, b"back"), apic(8, b"artist")], b"back", id="else_the_first_of_any_kind"),
        pytest.param([apic(3, b"http://cover", mime="-->"), apic(8, b"artist")], b"artist", id="links_do_not_count"),
        pytest.param([apic(3, b"")], None, id="empty_ones_do_not_count"),
    ],
)
def test_one_picture_is_chosen_of_many(pictures: list[APIC], artwork: bytes | None) -> None:
    buffer = io.BytesIO(media_factory.mp3())
    tags = ID3()
    for picture in pictures:
        tags.add(picture)
    tags.save(buffer)

    assert tags_of(buffer.getvalue(), AudioFormat.MP3) == Tags(artwork=artwork)


def test_the_first_text_that_is_not_blank_counts() -> None:
    buffer = io.BytesIO(media_factory.flac())
    audio = FLAC(buffer)
    audio["artist"] = ["", "First", "Second"]
    buffer.seek(0)
    audio.save(buffer)

    assert tags_of(buffer.getvalue(), AudioFormat.FLAC) == Tags(artist="First")


@pytest.mark.parametrize("block", ["?", "AAAA", "AAAAAwAAAAA="], ids=["no_base64", "cut", "cut_after_its_type"])
def test_a_damaged_picture_of_vorbis_comments_is_passed_over(block: str) -> None:
    buffer = io.BytesIO(media_factory.ogg_vorbis(title="Still here"))
    audio = OggVorbis(buffer)
    audio["metadata_block_picture"] = [block]
    buffer.seek(0)
    audio.save(buffer)

    assert tags_of(buffer.getvalue(), AudioFormat.OGG) == Tags(title="Still here")
