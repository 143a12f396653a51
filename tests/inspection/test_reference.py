"""The reference table: real encodings, and what is to be known of each, from the samples that were encoded."""

# mypy: disable-error-code="no-untyped-call"
# mutagen's functions carry no annotations.

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import av
import numpy as np
import pytest
from mutagen.apev2 import APEv2
from mutagen.id3 import ID3, TLEN
from mutagen.ogg import OggPage

from pet.domain.media import AudioFormat
from pet.inspection.audio import read_stream
from pet.inspection.facts import Tags
from pet.inspection.tags import read_tags
from tests import media_factory
from tests.media_factory import jpeg

TITLE, ARTIST = "Белая ночь", "Виктор Цой"
COVER = jpeg()
TAGGED = Tags(TITLE, ARTIST, None, COVER)
TEXTS = Tags(TITLE, ARTIST)
NOTHING = Tags()
SECONDS = 3.0


@cache
def encoded(
    container: str, codec: str, rate: int = 44_100, layout: str = "mono", sample_format: str = "s16", **options: str
) -> bytes:
    """Return three seconds whose first half is loud noise and whose second half is a quiet tone: VBR varies there."""
    count = round(SECONDS * rate)
    rng, times = np.random.default_rng(5), np.arange(count) / rate
    wave = np.where(times < SECONDS / 2, rng.uniform(-0.6, 0.6, count), 0.2 * np.sin(2 * np.pi * 440 * times))
    channels = 2 if layout == "stereo" else 1
    scale, kind = (2**31 - 1, np.int32) if sample_format.startswith("s32") else (2**15 - 1, np.int16)
    samples = np.repeat((wave * scale).astype(kind), channels)[np.newaxis]
    muxer: dict[str, str] = {name: options.pop(name) for name in ("movflags", "write_xing") if name in options}
    muxer["fflags"] = "+bitexact"
    coder: dict[str, str] = {name: value for name, value in options.items() if name != "b"}
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options=muxer) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout, options=coder)
        assert isinstance(stream, av.AudioStream)
        if "b" in options:
            stream.bit_rate = int(options["b"])
        frame = av.AudioFrame.from_ndarray(samples, format=sample_format, layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def mp3(rate: int = 44_100, kbps: int = 128, layout: str = "mono", **options: str) -> bytes:
    """Encode with LAME; without its tag of FFmpeg's own."""
    return without_id3(encoded("mp3", "libmp3lame", rate, layout, b=str(kbps * 1000), **options))


def without_id3(content: bytes) -> bytes:
    """Take off FFmpeg's own tag."""
    return content[_id3_size(content) :]


def _id3_size(content: bytes) -> int:
    """Return the length of an ID3v2 tag."""
    if not content.startswith(b"ID3"):
        return 0
    return 10 + (content[6] << 21 | content[7] << 14 | content[8] << 7 | content[9])


def id3v1(title: bytes, artist: bytes) -> bytes:
    """Return an ID3v1 tag."""
    return b"TAG" + title[:30].ljust(30, b"\0") + artist[:30].ljust(30, b"\0") + bytes(65)


def id3v2(version: int, encoding: int, codec: str, *, cover: bool = True) -> bytes:
    """Return an ID3v2 tag of a version, written by hand, with texts in an encoding of its table."""

    def frame(name: str, body: bytes) -> bytes:
        if version == 2:
            return name.encode() + len(body).to_bytes(3, "big") + body
        size = media_factory._syncsafe(len(body)) if version == 4 else len(body).to_bytes(4, "big")
        return name.encode() + size + b"\0\0" + body

    names = ("TT2", "TP1", "PIC") if version == 2 else ("TIT2", "TPE1", "APIC")
    frames = b"".join(
        frame(name, bytes([encoding]) + text.encode(codec)) for name, text in zip(names, (TITLE, ARTIST), strict=False)
    )
    if cover:
        kind = b"JPG" if version == 2 else b"image/jpeg\0"
        frames += frame(names[2], b"\0" + kind + b"\x03\0" + COVER)
    return b"ID3" + bytes([version, 0, 0]) + media_factory._syncsafe(len(frames)) + frames


def with_ape(content: bytes) -> bytes:
    """Append an APEv2 tag."""
    buffer = io.BytesIO(content)
    tags = APEv2()
    tags["Title"], tags["Artist"] = TITLE, ARTIST
    tags["Cover Art (Front)"] = b"cover.jpg\0" + COVER
    tags["Cover Art (Front)"].kind = 1
    tags.save(buffer)
    return buffer.getvalue()


def with_lying_length(content: bytes) -> bytes:
    """Add a tag that says that the song lasts an hour."""
    buffer = io.BytesIO()
    tags = ID3()
    tags.add(TLEN(encoding=3, text=["3600000"]))
    tags.save(buffer)
    return buffer.getvalue() + content


def with_lying_xing(content: bytes) -> bytes:
    """Let the encoder's summary claim ten times the frames."""
    at = max(content.find(b"Xing"), content.find(b"Info")) + 8
    frames = int.from_bytes(content[at : at + 4], "big")
    return content[:at] + (frames * 10).to_bytes(4, "big") + content[at + 4 :]


def with_info(content: bytes, codec: str) -> bytes:
    """Append a RIFF chunk of texts."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)

    texts = chunk(b"INAM", TITLE.encode(codec) + b"\0") + chunk(b"IART", ARTIST.encode(codec) + b"\0")
    body = content[8:] + chunk(b"LIST", b"INFO" + texts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def chained(*parts: bytes) -> bytes:
    """Put Ogg streams after one another."""
    pages = []
    for serial, part in enumerate(parts, 1):
        buffer = io.BytesIO(part)
        while buffer.tell() < len(part):
            page = OggPage(buffer)
            page.serial = serial
            pages.append(page.write())
    return b"".join(pages)


def tagged(make: Callable[..., bytes]) -> bytes:
    """Return a second of a tone with the tags of its container."""
    return make(SECONDS, title=TITLE, artist=ARTIST, artwork=COVER)


@dataclass(frozen=True)
class Row:
    """A file, and what is to be known of it."""

    make: Callable[[], bytes]
    format: AudioFormat
    kbps: tuple[int, int]
    tags: Tags = NOTHING
    seconds: float = SECONDS
    within: float = 0.002


MP3, WAV, OGG, M4A, FLAC = AudioFormat.MP3, AudioFormat.WAV, AudioFormat.OGG, AudioFormat.M4A, AudioFormat.FLAC
ONE_FRAME = 0.11
"""Without a summary nobody knows what an encoder added: at most the rest of a frame and its delay."""

FFMPEGS_OPUS = 0.007
"""FFmpeg's encoder counts its delay of 6.5 ms twice, so that this is what such a file plays."""

TABLE: dict[str, Row] = {
    "mp3_cbr_128": Row(mp3, MP3, (128, 128)),
    "mp3_cbr_320_stereo_48_khz": Row(lambda: mp3(48_000, 320, "stereo"), MP3, (320, 320)),
    "mp3_cbr_8_kbps_8_khz": Row(lambda: mp3(8_000, 8), MP3, (8, 8)),
    "mp3_cbr_16_kbps_11_khz": Row(lambda: mp3(11_025, 16), MP3, (16, 16)),
    "mp3_cbr_64_kbps_22_khz": Row(lambda: mp3(22_050, 64), MP3, (64, 64)),
    "mp3_cbr_64_kbps_24_khz": Row(lambda: mp3(24_000, 64, "stereo"), MP3, (64, 64)),
    "mp3_cbr_96_kbps_32_khz": Row(lambda: mp3(32_000, 96), MP3, (96, 96)),
    "mp3_vbr": Row(lambda: mp3(q="4"), MP3, (40, 130)),
    "mp3_cbr_without_xing": Row(lambda: mp3(write_xing="0"), MP3, (128, 128), within=ONE_FRAME),
    "mp3_vbr_without_xing": Row(lambda: mp3(write_xing="0", q="4"), MP3, (40, 130), within=ONE_FRAME),
    "mp3_lying_xing": Row(lambda: with_lying_xing(mp3(q="4")), MP3, (40, 130)),
    "mp3_lying_tlen": Row(lambda: with_lying_length(mp3()), MP3, (128, 128)),
    "mp3_id3v1_cp1251": Row(
        lambda: mp3() + id3v1(TITLE.encode("cp1251"), ARTIST.encode("cp1251")), MP3, (128, 128), TEXTS
    ),
    "mp3_id3v1_utf_8": Row(lambda: mp3() + id3v1(TITLE.encode(), ARTIST.encode()), MP3, (128, 128), TEXTS),
    "mp3_id3v2.2_utf_16": Row(lambda: id3v2(2, 1, "utf-16") + mp3(), MP3, (128, 128), TAGGED),
    "mp3_id3v2.2_cp1251": Row(lambda: id3v2(2, 0, "cp1251") + mp3(), MP3, (128, 128), TAGGED),
    "mp3_id3v2.3_utf_16": Row(lambda: id3v2(3, 1, "utf-16") + mp3(), MP3, (128, 128), TAGGED),
    "mp3_id3v2.3_cp1251": Row(lambda: id3v2(3, 0, "cp1251") + mp3(), MP3, (128, 128), TAGGED),
    "mp3_id3v2.3_utf_8_called_latin_1": Row(lambda: id3v2(3, 0, "utf-8") + mp3(), MP3, (128, 128), TAGGED),
    "mp3_id3v2.4_utf_8": Row(lambda: id3v2(4, 3, "utf-8") + mp3(), MP3, (128, 128), TAGGED),
    "mp3_id3v2.4_utf_16_be": Row(lambda: id3v2(4, 2, "utf-16-be") + mp3(), MP3, (128, 128), TAGGED),
    "mp3_apev2": Row(lambda: with_ape(mp3()), MP3, (128, 128), TAGGED),
    "mp3_apev2_and_id3v1": Row(lambda: with_ape(mp3()) + id3v1(b"Other", b""), MP3, (128, 128), TAGGED),
    "mp3_id3v2_with_artwork_alone_and_id3v1": Row(
        lambda: (
            media_factory.id3_tag(
                b"APIC" + media_factory._syncsafe(len(COVER) + 14) + b"\0\0\0image/jpeg\0\x03\0" + COVER
            )
            + mp3()
            + id3v1(TITLE.encode("cp1251"), ARTIST.encode("cp1251"))
        ),
        MP3,
        (128, 128),
        TAGGED,
    ),
    "wav_8_bit_8_khz": Row(lambda: encoded("wav", "pcm_u8", 8_000), WAV, (64, 64)),
    "wav_16_bit_stereo": Row(lambda: encoded("wav", "pcm_s16le", 44_100, "stereo"), WAV, (1411, 1411)),
    "wav_24_bit_96_khz": Row(lambda: encoded("wav", "pcm_s24le", 96_000, sample_format="s32"), WAV, (2304, 2304)),
    "wav_float": Row(lambda: encoded("wav", "pcm_f32le", 48_000), WAV, (1536, 1536)),
    "wav_a_law": Row(lambda: encoded("wav", "pcm_alaw", 8_000), WAV, (64, 64)),
    "wav_id3": Row(lambda: tagged(media_factory.wav), WAV, (706, 706), TAGGED),
    "wav_info_utf_8": Row(lambda: with_info(media_factory.wav(SECONDS), "utf-8"), WAV, (706, 706), TEXTS),
    "wav_info_cp1251": Row(lambda: with_info(media_factory.wav(SECONDS), "cp1251"), WAV, (706, 706), TEXTS),
    "ogg_vorbis": Row(lambda: tagged(media_factory.ogg_vorbis), OGG, (5, 130), TAGGED),
    "ogg_opus": Row(lambda: tagged(media_factory.ogg_opus), OGG, (20, 130), TAGGED, within=FFMPEGS_OPUS),
    "ogg_opus_24_kbps": Row(lambda: encoded("ogg", "libopus", 48_000, b="24000"), OGG, (14, 34), within=FFMPEGS_OPUS),
    "ogg_opus_chained": Row(
        lambda: chained(media_factory.ogg_opus(SECONDS), media_factory.ogg_opus(1.0)),
        OGG,
        (20, 130),
        seconds=4.0,
        within=2 * FFMPEGS_OPUS,
    ),
    "ogg_vorbis_then_opus": Row(
        lambda: chained(media_factory.ogg_vorbis(SECONDS), media_factory.ogg_opus(1.0)),
        OGG,
        (10, 130),
        seconds=4.0,
        within=2 * FFMPEGS_OPUS,
    ),
    "m4a_aac": Row(
        lambda: media_factory._with_atoms(
            encoded("ipod", "aac", 44_100, b="96000"), {"title": TITLE, "artist": ARTIST, "artwork": COVER}
        ),
        M4A,
        (50, 110),
        TAGGED,
    ),
    "m4a_aac_faststart_stereo": Row(lambda: encoded("ipod", "aac", 44_100, "stereo", b="128000"), M4A, (90, 150)),
    "m4a_aac_fragmented": Row(
        lambda: encoded("mp4", "aac", 44_100, b="64000", movflags="frag_keyframe+empty_moov"),
        M4A,
        (40, 80),
        within=0.025,
    ),
    "m4a_alac": Row(lambda: tagged(media_factory.m4a_alac), M4A, (100, 706), TAGGED),
    "m4a_alac_24_bit": Row(lambda: encoded("ipod", "alac", 48_000, sample_format="s32p"), M4A, (300, 1400)),
    "flac": Row(lambda: tagged(media_factory.flac), FLAC, (60, 706), TAGGED),
    "flac_24_bit_96_khz": Row(lambda: encoded("flac", "flac", 96_000, sample_format="s32"), FLAC, (300, 2304)),
    "flac_stereo_8_khz": Row(lambda: encoded("flac", "flac", 8_000, "stereo"), FLAC, (40, 256)),
    "flac_behind_id3": Row(lambda: id3v2(4, 3, "utf-8") + media_factory.flac(SECONDS), FLAC, (60, 706), TAGGED),
}


def test_there_are_enough_rows() -> None:
    assert len(TABLE) >= 30


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE.keys())
def test_what_is_known_of_a_real_file(row: Row) -> None:
    file: Any = io.BytesIO(row.make())

    stream = read_stream(file)

    assert stream.format is row.format
    assert stream.duration_seconds == pytest.approx(row.seconds, abs=row.within)
    least_kbps, most_kbps = row.kbps
    assert least_kbps <= stream.bitrate_kbps <= most_kbps
    assert read_tags(file, stream.format) == row.tags
