"""Real media for tests: sound from real encoders with tags written by mutagen, pictures from Pillow, and hostile files.

Every maker returns the bytes of a file, the same for the same arguments, and remembers them, so that a suite encodes
each file once.
"""

# mypy: disable-error-code="no-untyped-call"
# mutagen's functions carry no annotations.

from __future__ import annotations

import base64
import io
import wave
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any, TypedDict, Unpack

import av
import numpy as np
import numpy.typing as npt
import soundfile
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, TALB, TIT2, TPE1
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4, MP4Cover
from mutagen.ogg import OggPage
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base
from PIL.Image import Transpose

Samples = npt.NDArray[np.int16]

_RATE = 44_100
_OPUS_RATE = 48_000

_FRONT_COVER = 3

_AWAY_FROM_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}


class Tags(TypedDict, total=False):
    """What a maker of sound writes into the tags; `artwork` becomes the front cover, a JPEG."""

    title: str | None
    artist: str | None
    album: str | None
    artwork: bytes | None


@cache
def mp3(seconds: float = 1.0, *, frequency: float = 440.0, **tags: Unpack[Tags]) -> bytes:
    """Return an MP3 of 128 kbit/s with a sine tone of `frequency` hertz and, where asked for, ID3 tags."""
    content = _encoded("mp3", "libmp3lame", _tone(seconds, frequency), bit_rate=128_000)
    return _with_id3(content, MP3, tags)


@cache
def wav(seconds: float = 1.0, *, frequency: float = 440.0, **tags: Unpack[Tags]) -> bytes:
    """Return a WAV of 16 bits, mono, 44.1 kHz, with ID3 tags in a chunk of their own."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setparams((1, 2, _RATE, 0, "NONE", ""))
        writer.writeframes(_tone(seconds, frequency).tobytes())
    return _with_id3(buffer.getvalue(), WAVE, tags)


@cache
def ogg_vorbis(seconds: float = 1.0, *, frequency: float = 440.0, **tags: Unpack[Tags]) -> bytes:
    """Return Vorbis in OGG with Vorbis comments."""
    buffer = io.BytesIO()
    soundfile.write(buffer, _tone(seconds, frequency), _RATE, format="OGG", subtype="VORBIS")
    return _with_vorbis_comments(_with_serial(buffer.getvalue()), OggVorbis, tags)


@cache
def ogg_opus(seconds: float = 1.0, *, frequency: float = 440.0, **tags: Unpack[Tags]) -> bytes:
    """Return Opus in OGG with Vorbis comments."""
    content = _encoded("ogg", "libopus", _tone(seconds, frequency, _OPUS_RATE), rate=_OPUS_RATE)
    return _with_vorbis_comments(content, OggOpus, tags)


@cache
def m4a_aac(seconds: float = 1.0, *, frequency: float = 440.0, **tags: Unpack[Tags]) -> bytes:
    """Return AAC in MP4 with iTunes atoms."""
    content = _encoded("ipod", "aac", _tone(seconds, frequency), bit_rate=96_000)
    return _with_atoms(content, tags)


@cache
def m4a_alac(seconds: float = 1.0, *, frequency: float = 440.0, **tags: Unpack[Tags]) -> bytes:
    """Return ALAC in MP4 with iTunes atoms."""
    content = _encoded("ipod", "alac", _tone(seconds, frequency))
    return _with_atoms(content, tags)


@cache
def flac(seconds: float = 1.0, *, frequency: float = 440.0, **tags: Unpack[Tags]) -> bytes:
    """Return FLAC with Vorbis comments and a picture block."""
    buffer = io.BytesIO(_encoded("flac", "flac", _tone(seconds, frequency)))
    audio = FLAC(buffer)
    _fill(audio, tags, {"title": "title", "artist": "artist", "album": "album"})
    if artwork := tags.get("artwork"):
        audio.add_picture(_picture_block(artwork))
    return _saved(audio, buffer)


@cache
def mp4_film() -> bytes:
    """Return an MP4 that shows a few frames and holds no sound."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(5):
            output.mux(stream.encode(av.VideoFrame.from_image(picture(64, 48))))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def id3_tag(frames: bytes) -> bytes:
    """Return an ID3v2.4 tag around encoded frames, to put in front of a file."""
    return b"ID3\x04\x00\x00" + _syncsafe(len(frames)) + frames


def compressed_id3_frame(frame_id: str, body: bytes) -> bytes:
    """Return an ID3v2.4 frame whose body is stored compressed (flags 0x09: compression, data length indicator)."""
    packed = _syncsafe(len(body) & 0x0FFF_FFFF) + zlib.compress(body, 9)
    return frame_id.encode() + _syncsafe(len(packed)) + b"\x00\x09" + packed


@cache
def mp3_with_slow_tag() -> bytes:
    """Return an MP3 that plays, with a title of a few kilobytes that costs mutagen minutes: very many empty strings."""
    return id3_tag(compressed_id3_frame("TIT2", b"\x03" + b"\x00" * 3_000_000)) + mp3()


@cache
def mp3_with_huge_tag() -> bytes:
    """Return an MP3 that plays, with an artwork of 200 KB that unpacks to 200 MB."""
    return id3_tag(compressed_id3_frame("APIC", b"\x00image/png\x00\x03\x00" + bytes(200_000_000))) + mp3()


def picture(width: int = 64, height: int = 48) -> Image.Image:
    """Return a picture that differs from its own mirror images: red grows to the right, green downwards."""
    red = np.tile(np.linspace(0, 255, width, dtype=np.uint8), (height, 1))
    green = np.tile(np.linspace(0, 255, height, dtype=np.uint8)[:, np.newaxis], (1, width))
    return Image.fromarray(np.dstack([red, green, np.full_like(red, 96)]))


@cache
def jpeg(width: int = 64, height: int = 48, exif_orientation: int | None = None, *, gps: bool = False) -> bytes:
    """Return a JPEG that a viewer shows as `picture(width, height)`, stored turned where an orientation is given."""
    return _stored(picture(width, height), "JPEG", exif_orientation, gps=gps, quality=92)


@cache
def png(width: int = 64, height: int = 48, exif_orientation: int | None = None, *, gps: bool = False) -> bytes:
    """Return a PNG, likewise."""
    return _stored(picture(width, height), "PNG", exif_orientation, gps=gps)


@cache
def webp(
    width: int = 64,
    height: int = 48,
    exif_orientation: int | None = None,
    *,
    gps: bool = False,
    lossless: bool = False,
) -> bytes:
    """Return a WebP, likewise."""
    return _stored(picture(width, height), "WEBP", exif_orientation, gps=gps, quality=92, lossless=lossless)


@cache
def png_bomb(width: int = 20_000, height: int = 20_000) -> bytes:
    """Return a small PNG of very many black pixels."""
    return saved_image(Image.new("1", (width, height)), "PNG")


def saved_image(image: Image.Image, encoder: str, **options: Any) -> bytes:
    """Return an image encoded by Pillow's encoder of that name."""
    buffer = io.BytesIO()
    image.save(buffer, encoder, **options)
    return buffer.getvalue()


def _tone(seconds: float, frequency: float, rate: int = _RATE) -> Samples:
    times = np.arange(round(seconds * rate)) / rate
    return (np.sin(2 * np.pi * frequency * times) * 12_000).astype(np.int16)


def _encoded(container: str, codec: str, samples: Samples, *, rate: int = _RATE, bit_rate: int | None = None) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options={"fflags": "+bitexact"}) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = rate
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def _with_serial(content: bytes) -> bytes:
    """Give an OGG file, whose encoder rolled dice for it, a serial number of ours."""
    buffer = io.BytesIO(content)
    pages = []
    while buffer.tell() < len(content):
        page = OggPage(buffer)
        page.serial = 1
        pages.append(page.write())
    return b"".join(pages)


def _with_id3(content: bytes, kind: Callable[[io.BytesIO], Any], tags: Tags) -> bytes:
    buffer = io.BytesIO(content)
    audio = kind(buffer)
    if audio.tags is None:
        audio.add_tags()
    for frame, text in ((TIT2, tags.get("title")), (TPE1, tags.get("artist")), (TALB, tags.get("album"))):
        if text is not None:
            audio.tags.add(frame(encoding=3, text=[text]))
    if artwork := tags.get("artwork"):
        audio.tags.add(APIC(encoding=3, mime="image/jpeg", type=_FRONT_COVER, desc="cover", data=artwork))
    return _saved(audio, buffer) if audio.tags else content


def _with_vorbis_comments(content: bytes, kind: Callable[[io.BytesIO], Any], tags: Tags) -> bytes:
    buffer = io.BytesIO(content)
    audio = kind(buffer)
    _fill(audio, tags, {"title": "title", "artist": "artist", "album": "album"})
    if artwork := tags.get("artwork"):
        audio["metadata_block_picture"] = [base64.b64encode(_picture_block(artwork).write()).decode("ascii")]
    return _saved(audio, buffer)


def _with_atoms(content: bytes, tags: Tags) -> bytes:
    buffer = io.BytesIO(content)
    audio = MP4(buffer)
    _fill(audio, tags, {"title": "\xa9nam", "artist": "\xa9ART", "album": "\xa9alb"})
    if artwork := tags.get("artwork"):
        audio["covr"] = [MP4Cover(artwork, imageformat=MP4Cover.FORMAT_JPEG)]
    return _saved(audio, buffer)


def _fill(audio: Any, tags: Tags, keys: dict[str, str]) -> None:
    for name, key in keys.items():
        text = tags.get(name)
        if text is not None:
            audio[key] = [text]


def _picture_block(artwork: bytes) -> Picture:
    block = Picture()
    block.type, block.mime, block.desc, block.data = _FRONT_COVER, "image/jpeg", "cover", artwork
    return block


def _saved(audio: Any, buffer: io.BytesIO) -> bytes:
    buffer.seek(0)
    audio.save(buffer)
    return buffer.getvalue()


def _syncsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _stored(image: Image.Image, encoder: str, orientation: int | None, *, gps: bool, **options: Any) -> bytes:
    exif = Image.Exif()
    if orientation is not None:
        exif[Base.Orientation] = orientation
        if orientation in _AWAY_FROM_UPRIGHT:
            image = image.transpose(_AWAY_FROM_UPRIGHT[orientation])
    if gps:
        exif.get_ifd(IFD.GPSInfo).update({GPS.GPSLatitudeRef: "N", GPS.GPSLatitude: (59.0, 56.0, 20.0)})
    if orientation is not None or gps:
        options["exif"] = exif
    return saved_image(image, encoder, **options)
