"""A corpus of hostile uploads: other projects' test files, real files that were damaged, and files made to do harm.

Everything is made or unpacked when it is asked for, in the same way each time, and nothing of it is kept.
"""

from __future__ import annotations

import io
import os
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import pytest
from PIL import Image

from pet.domain.media import MIB
from tests import media_factory

FOLDER = Path(__file__).parents[2] / ".venv" / "corpus"
"""Where `make corpus` puts the source distributions of mutagen and Pillow."""

Kind = Literal["track", "cover"]

_IMAGES = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".webp", ".mpo", ".gif", ".tif", ".bmp", ".avif", ".ico", ".j2k"}
)
_OF_OTHER_KINDS = 8
"""Of formats that are no uploads a few are enough."""

_DAMAGES_EACH = 8


@dataclass(frozen=True, slots=True)
class Sent:
    """A file to upload; `is_good` says what must become of it, None that either may."""

    name: str
    kind: Kind
    content: bytes
    is_good: bool | None = None


def corpus() -> Iterator[Sent]:
    """Yield every file, one at a time in memory."""
    yield from _others()
    yield from _damaged()
    yield from _bombs()
    yield from _polyglots()
    yield from _odd()


def required_sources() -> list[Path]:
    """Return the source distributions; without them the test is skipped, and fails where all has to run."""
    sources = sorted(FOLDER.glob("*.tar.gz"))
    if len(sources) < 2:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs `make corpus`")
    return sources


def _others() -> Iterator[Sent]:
    counts: dict[str, int] = {}
    for source in required_sources():
        with tarfile.open(source) as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                if not member.isfile() or not {"data", "images"} & set(path.parts) or member.size > 10 * MIB:
                    continue
                suffix = path.suffix.lower()
                is_picture = "images" in path.parts
                counts[suffix] = counts.get(suffix, 0) + 1
                if is_picture and (
                    suffix not in _IMAGES
                    or (suffix not in {".png", ".jpg", ".webp", ".mpo"} and counts[suffix] > _OF_OTHER_KINDS)
                ):
                    continue
                file = archive.extractfile(member)
                assert file is not None
                yield Sent(path.name, "cover" if is_picture else "track", file.read())


def _damaged() -> Iterator[Sent]:
    """Cut real files, flip their bits, and exchange pieces of them."""
    for name, kind, content in _real():
        rng = random.Random(name)
        for number in range(_DAMAGES_EACH):
            yield Sent(f"cut-{number}-{name}", kind, content[: rng.randrange(1, len(content))])
            flipped = bytearray(content)
            # The first ones where it hurts most, in the headers.
            reach = 200 if number < _DAMAGES_EACH // 2 else len(flipped)
            for _ in range(rng.choice((1, 4, 30))):
                flipped[rng.randrange(min(reach, len(flipped)))] ^= 1 << rng.randrange(8)
            yield Sent(f"flipped-{number}-{name}", kind, bytes(flipped))
        middle = len(content) // 2
        yield Sent(f"turned-{name}", kind, content[middle:] + content[:middle])
        yield Sent(f"doubled-{name}", kind, content + content)
        yield Sent(f"wrong-way-{name}", "track" if kind == "cover" else "cover", content, is_good=False)


def _real() -> list[tuple[str, Kind, bytes]]:
    tags = media_factory.Tags(title="Белая ночь", artist="Ann", artwork=media_factory.jpeg())
    songs: list[tuple[str, Callable[..., bytes]]] = [
        ("song.mp3", media_factory.mp3),
        ("song.wav", media_factory.wav),
        ("song.vorbis.ogg", media_factory.ogg_vorbis),
        ("song.opus.ogg", media_factory.ogg_opus),
        ("song.aac.m4a", media_factory.m4a_aac),
        ("song.alac.m4a", media_factory.m4a_alac),
        ("song.flac", media_factory.flac),
    ]
    pictures: list[tuple[str, bytes]] = [
        ("picture.jpg", media_factory.jpeg(200, 150, 6, gps=True)),
        ("picture.png", media_factory.png(200, 150, gps=True)),
        ("picture.webp", media_factory.webp(200, 150, gps=True)),
    ]
    return [(name, "track", make(1.0, **tags)) for name, make in songs] + [
        (name, "cover", content) for name, content in pictures
    ]


def _bombs() -> Iterator[Sent]:
    """Small files that unpack to very large ones, and parsers' worst cases."""
    yield Sent("pixels.png", "cover", media_factory.png_bomb(), is_good=False)
    yield Sent("wide.png", "cover", media_factory.png_bomb(1_000_000, 30), is_good=False)
    yield Sent("black.webp", "cover", _black("WEBP", 8_000, 5_000), is_good=False)
    yield Sent("black.jpg", "cover", _black("JPEG", 20_000, 3_000), is_good=False)
    for chunk in (b"zTXt", b"iTXt", b"iCCP"):
        yield Sent(f"{chunk.decode()}.png", "cover", _png_with(chunk, 200_000_000))
    yield Sent("frames.png", "cover", _animation("PNG", 400))
    yield Sent("frames.webp", "cover", _animation("WEBP", 400))
    yield Sent("slow-tag.mp3", "track", media_factory.mp3_with_slow_tag(), is_good=True)
    yield Sent("huge-tag.mp3", "track", media_factory.mp3_with_huge_tag(), is_good=True)
    yield Sent("frames.mp3", "track", _id3_frames(100_000), is_good=True)
    yield Sent("giant-tag.mp3", "track", media_factory.id3_tag(bytes(60 * MIB)) + media_factory.mp3(), is_good=True)
    yield Sent("giant-artwork.flac", "track", media_factory.flac(artwork=bytes(12 * MIB)), is_good=True)
    yield Sent("artwork-bomb.mp3", "track", media_factory.mp3(artwork=media_factory.png_bomb()), is_good=True)
    yield Sent("endless.ogg", "track", _endless_ogg(20 * MIB))
    yield Sent("tiny-pages.ogg", "track", _tiny_pages(300_000))
    yield Sent("atoms.m4a", "track", _nested_atoms(20_000))
    yield Sent("samples.m4a", "track", _lying_atom(media_factory.m4a_aac(), b"stsz"))
    yield Sent("chunks.wav", "track", b"RIFF\xff\xff\xff\xffWAVE" + (b"junk" + bytes(4)) * 500_000)


def _polyglots() -> Iterator[Sent]:
    page = b"<html><script>alert(document.cookie)</script></html>"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("META-INF/MANIFEST.MF", "Main-Class: Harm\n")
    document = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
    gif = media_factory.saved_image(media_factory.picture(), "GIF")
    yield Sent("page.mp3", "track", page + media_factory.mp3(), is_good=True)
    yield Sent("page-in-tag.mp3", "track", media_factory.mp3(title=page.decode()), is_good=True)
    yield Sent("page-after.mp3", "track", media_factory.mp3() + page, is_good=True)
    yield Sent("page.jpg", "cover", media_factory.jpeg() + page, is_good=True)
    yield Sent("page-before.png", "cover", page + media_factory.png(), is_good=False)
    yield Sent("archive.png", "cover", media_factory.png() + archive.getvalue(), is_good=True)
    yield Sent("archive.mp3", "track", media_factory.mp3() + archive.getvalue(), is_good=True)
    yield Sent("gifar.gif", "cover", gif + archive.getvalue(), is_good=False)
    yield Sent("document.mp3", "track", document + media_factory.mp3(), is_good=True)
    yield Sent("document.png", "cover", media_factory.png() + document, is_good=True)
    yield Sent("song.png", "cover", media_factory.png() + media_factory.mp3(), is_good=True)
    yield Sent("picture.mp3", "track", media_factory.png(1_000, 800) + media_factory.mp3(), is_good=None)
    yield Sent("script.svg", "cover", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", is_good=False)


def _odd() -> Iterator[Sent]:
    yield Sent("empty.mp3", "track", b"", is_good=False)
    yield Sent("empty.png", "cover", b"", is_good=False)
    for size in (1, 3, 10, 128, 10_000, MIB, 20 * MIB):
        yield Sent(f"zeros-{size}", "track", bytes(size), is_good=False)
        yield Sent(f"ones-{size}", "track", b"\xff" * size, is_good=False)
        yield Sent(f"noise-{size}", "track", random.Random(size).randbytes(size), is_good=False)
    yield Sent("zeros.png", "cover", bytes(MIB), is_good=False)
    yield Sent("too-large.png", "cover", bytes(10 * MIB + 1), is_good=False)
    yield Sent("song.exe", "track", media_factory.mp3(), is_good=True)
    yield Sent("song.jpg", "track", media_factory.flac(), is_good=True)
    yield Sent("picture.exe", "cover", media_factory.jpeg(), is_good=True)
    yield Sent("playlist.m3u8", "track", b"#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n" * 100, is_good=False)
    yield Sent("list.ffconcat", "track", b"ffconcat version 1.0\nfile /etc/passwd\n" * 100, is_good=False)
    yield Sent("film.m4a", "track", media_factory.mp4_film(), is_good=False)


def _black(encoder: str, width: int, height: int) -> bytes:
    return media_factory.saved_image(Image.new("RGB", (width, height)), encoder, quality=1)


def _png_with(name: bytes, size: int) -> bytes:
    """Return a PNG with a chunk that unpacks to so many bytes."""
    head = {b"zTXt": b"Comment\0\0", b"iTXt": b"Comment\0\1\0\0\0", b"iCCP": b"profile\0\0"}[name]
    body = head + zlib.compress(bytes(size), 9)
    chunk = struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    png = media_factory.png()
    return png[:33] + chunk + png[33:]


def _animation(encoder: str, count: int) -> bytes:
    first, *rest = (Image.new("RGB", (200, 200), (number % 256, 0, 0)) for number in range(count))
    options = {"default_image": False} if encoder == "PNG" else {}
    return media_factory.saved_image(first, encoder, save_all=True, append_images=rest, **options)


def _id3_frames(count: int) -> bytes:
    frames = b"".join(b"TXXX" + media_factory._syncsafe(8) + b"\0\0\x03k%05d\0" % number for number in range(count))
    return media_factory.id3_tag(frames) + media_factory.mp3()


def _endless_ogg(size: int) -> bytes:
    """Return an Ogg whose comments never end."""
    first = media_factory.ogg_vorbis().index(b"OggS", 4)
    page = b"OggS\0\1" + bytes(8) + struct.pack("<III", 1, 1, 0) + b"\xff" + b"\xff" * 255 + bytes(255 * 255)
    return media_factory.ogg_vorbis()[:first] + page * (size // len(page))


def _tiny_pages(count: int) -> bytes:
    page = b"OggS\0\0" + bytes(8) + struct.pack("<III", 1, 1, 0) + b"\0"
    return media_factory.ogg_vorbis() + page * count


def _nested_atoms(depth: int) -> bytes:
    atoms = b"".join(struct.pack(">I4s", 8 * (depth - level), b"moov") for level in range(depth))
    return media_factory.m4a_aac()[:28] + atoms


def _lying_atom(content: bytes, name: bytes) -> bytes:
    """Let a table claim four thousand million entries."""
    at = content.index(name) + 12
    return content[:at] + b"\xff\xff\xff\xff" + content[at + 4 :]
