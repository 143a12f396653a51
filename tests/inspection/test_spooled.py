"""Files of which only the beginning and the end are there tell the same as whole ones."""

# mypy: disable-error-code="no-untyped-call"
# mutagen's functions carry no annotations.

from __future__ import annotations

import io
import random
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from mutagen.mp3 import MP3
from mutagen.ogg import OggPage
from mutagen.oggvorbis import OggVorbis

from pet.inspection.audio import read_stream
from pet.inspection.facts import AudioStream, Tags
from pet.inspection.tags import read_tags
from pet.storage.blobs.spool import Spool
from tests import media_factory

ENDS = 400_000
"""Bytes that are kept of either end, in place of many MiB: a real file of more than 40 MiB takes long to make."""

COVER = random.Random(1).randbytes(150_000)
TAGGED = media_factory.Tags(title="Песня", artist="Ann", album="Songs", artwork=COVER)


def facts(path: Path) -> tuple[AudioStream, Tags]:
    with path.open("rb") as file:
        stream = read_stream(file)
        return stream, read_tags(file, stream.format)


def noise(container: str, codec: str, seconds: int, *, kbps: int = 0, **options: str) -> bytes:
    """Encode noise, which no codec makes small."""
    with tempfile.NamedTemporaryFile() as file:  # `faststart` reads again what was written
        with av.open(file.name, "w", format=container, options=options) as output:
            stream = output.add_stream(codec, rate=48_000, layout="mono")
            assert isinstance(stream, av.AudioStream)
            if kbps:
                stream.bit_rate = kbps * 1000
            rng = np.random.default_rng(1)
            for second in range(seconds):
                samples = rng.integers(-20_000, 20_000, (1, 48_000), dtype=np.int16)
                frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
                frame.sample_rate, frame.pts = 48_000, second * 48_000
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        return Path(file.name).read_bytes()


def vorbis_noise(seconds: int) -> bytes:
    """Encode noise as Vorbis."""
    buffer, rng = io.BytesIO(), np.random.default_rng(1)
    with soundfile.SoundFile(buffer, "w", 48_000, 1, format="OGG", subtype="VORBIS") as file:
        for _ in range(seconds):
            file.write(rng.integers(-20_000, 20_000, 48_000, dtype=np.int16))
    return buffer.getvalue()


def without_its_end(content: bytes) -> bytes:
    """Cut an OGG file in the middle of a page, as a recording that broke off."""
    return content[: len(content) - 1000]


def chained(content: bytes) -> bytes:
    """Add a second stream of another serial number after the first."""
    buffer, pages = io.BytesIO(media_factory.ogg_opus(1.0)), []
    while buffer.tell() < len(buffer.getvalue()):
        page = OggPage(buffer)
        page.serial = 77
        pages.append(page.write())
    return content + b"".join(pages)


def without_a_summary(content: bytes) -> bytes:
    """Take the first frame, which sums up the others, off an MP3: its duration follows from its size then."""
    start = content.index(b"\xff\xfb", 1 + content.index(b"\xff\xfb"))
    return content[start:]


def with_tags_at_the_end(content: bytes) -> bytes:
    """Add an ID3v1 tag."""
    return content + b"TAG" + b"Title".ljust(30, b"\0") + b"Ann".ljust(30, b"\0") + bytes(65)


MAKERS: dict[str, Callable[[], bytes]] = {
    "mp3": lambda: media_factory._with_id3(noise("mp3", "libmp3lame", 40, kbps=320), MP3, TAGGED),
    "mp3_without_summary": lambda: without_a_summary(noise("mp3", "libmp3lame", 40, kbps=320)),
    "mp3_with_tags_at_the_end": lambda: with_tags_at_the_end(noise("mp3", "libmp3lame", 40, kbps=320)),
    "wav": lambda: media_factory.wav(30.0, **TAGGED),
    "flac": lambda: noise("flac", "flac", 20),
    "m4a_index_at_the_end": lambda: media_factory._with_atoms(noise("ipod", "alac", 20), TAGGED),
    "m4a_index_at_the_start": lambda: noise("ipod", "alac", 20, movflags="faststart"),
    "m4a_aac": lambda: media_factory._with_atoms(noise("ipod", "aac", 60, kbps=256), TAGGED),
    "ogg_vorbis": lambda: media_factory._with_vorbis_comments(vorbis_noise(120), OggVorbis, TAGGED),
    "ogg_opus": lambda: noise("ogg", "libopus", 60, kbps=250),
    "ogg_broken_off": lambda: without_its_end(noise("ogg", "libopus", 60, kbps=250)),
    "ogg_with_another_after_it": lambda: chained(noise("ogg", "libopus", 60, kbps=250)),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_the_facts_are_those_of_the_whole_file(make: Callable[[], bytes], tmp_path: Path) -> None:
    content = make()
    assert len(content) > 3 * ENDS
    (tmp_path / "whole").write_bytes(content)
    spool = Spool(tmp_path / "ends", head_bytes=ENDS, tail_bytes=ENDS)
    for start in range(0, len(content), 70_000):
        spool.append(content[start : start + 70_000])
    spool.assemble()
    assert spool.path.read_bytes() != content
    (ends, tags), (whole, whole_tags) = facts(spool.path), facts(tmp_path / "whole")
    assert (ends.format, ends.bitrate_kbps, tags) == (whole.format, whole.bitrate_kbps, whole_tags)
    # The frames of an MP3 that are not there are taken to be like those that are.
    assert ends.duration_seconds == pytest.approx(whole.duration_seconds, rel=0.002)
    spool.remove()


def test_streams_that_follow_one_another_add_up_and_a_stray_page_tells_nothing() -> None:
    content = chained(media_factory.ogg_opus(3.0))
    assert read_stream(io.BytesIO(content)).duration_seconds == pytest.approx(4.0, abs=0.02)
    forged = content + struct.pack("<4sBBqI", b"OggS", 0, 0, 10**9, 78)
    assert read_stream(io.BytesIO(forged)).duration_seconds == pytest.approx(4.0, abs=0.02)
