"""What an audio file's sound says of itself, told by content."""

from __future__ import annotations

import io
import random
from collections import Counter
from collections.abc import Callable

import pytest
from av import FFmpegError

from pet.domain.media import AudioFormat
from pet.inspection import mpeg
from pet.inspection.audio import read_stream
from pet.inspection.facts import AudioStream
from pet.inspection.worker import UnreadableError
from tests import media_factory


def stream_of(content: bytes) -> AudioStream:
    return read_stream(io.BytesIO(content))


@pytest.mark.parametrize(
    ("make", "container", "least_kbps", "most_kbps"),
    [
        pytest.param(media_factory.mp3, AudioFormat.MP3, 128, 128, id="mp3"),
        pytest.param(media_factory.wav, AudioFormat.WAV, 706, 706, id="wav"),
        pytest.param(media_factory.ogg_vorbis, AudioFormat.OGG, 10, 130, id="ogg_vorbis"),
        pytest.param(media_factory.ogg_opus, AudioFormat.OGG, 40, 130, id="ogg_opus"),
        pytest.param(media_factory.m4a_aac, AudioFormat.M4A, 80, 110, id="m4a_aac"),
        pytest.param(media_factory.m4a_alac, AudioFormat.M4A, 100, 1411, id="m4a_alac"),
        pytest.param(media_factory.flac, AudioFormat.FLAC, 60, 706, id="flac"),
    ],
)
def test_every_format_tells_its_duration_and_average_bitrate(
    make: Callable[..., bytes], container: AudioFormat, least_kbps: int, most_kbps: int
) -> None:
    stream = stream_of(make(2.0))

    assert stream.format is container
    assert stream.duration_seconds == pytest.approx(2.0, abs=0.1)
    assert least_kbps <= stream.bitrate_kbps <= most_kbps


@pytest.mark.parametrize(
    "make",
    [
        media_factory.mp3,
        media_factory.wav,
        media_factory.ogg_vorbis,
        media_factory.ogg_opus,
        media_factory.m4a_aac,
        media_factory.m4a_alac,
        media_factory.flac,
    ],
)
def test_artwork_does_not_count_as_sound(make: Callable[..., bytes]) -> None:
    cover = random.Random(1).randbytes(200_000)

    assert stream_of(make(artwork=cover)) == stream_of(make())


def test_flac_behind_an_id3_tag_is_flac() -> None:
    tagged = media_factory.id3_tag(bytes(100)) + media_factory.flac()

    assert stream_of(tagged) == stream_of(media_factory.flac())


def test_an_mp3_behind_two_tags_and_zeros_is_an_mp3() -> None:
    lead = media_factory.id3_tag(bytes(100)) + media_factory.id3_tag(bytes(50)) + bytes(20_000)

    assert stream_of(lead + media_factory.mp3()).format is AudioFormat.MP3


def test_an_mp3_that_begins_within_a_frame_is_an_mp3() -> None:
    assert stream_of(media_factory.mp3()[700:]).format is AudioFormat.MP3


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([b"\xff\xfb\x90"], id="constant"),
        pytest.param([b"\xff\xfb\x90", b"\xff\xfb\x92", b"\xff\xfa\x93"], id="padded_and_with_checksums"),
        pytest.param([b"\xff\xfb\x10", b"\xff\xfb\xe0", b"\xff\xfb\x92", b"\xff\xfb\x50"], id="variable"),
        pytest.param([b"\xff\xfb\x90", b"\xff\xfb\x94", b"\xff\xf3\x90", b"\xff\xe3\x98"], id="other_rates"),
    ],
)
@pytest.mark.parametrize("in_a_row", [1, 2, 700])
def test_every_frame_counts_once_whatever_its_neighbours_are(headers: list[bytes], in_a_row: int) -> None:
    sound, samples = bytearray(), Counter[int]()
    for header in headers * (4200 // len(headers) // in_a_row):
        length, samples_each, rate = mpeg._FRAMES[header]
        sound += (header + b"\xff\xfb\x90" * length)[:length] * in_a_row
        samples[rate] += 2 * samples_each * in_a_row

    frames = mpeg.count_frames(io.BytesIO(sound + b"no sound" + sound), 0)

    assert (frames.size_bytes, frames.samples) == (2 * len(sound), samples)


def test_a_cut_wav_lasts_as_long_as_its_bytes() -> None:
    half = len(media_factory.wav(2.0)) // 2

    assert stream_of(media_factory.wav(2.0)[:half]).duration_seconds == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="no_bytes"),
        pytest.param(b"I am a song, says the name of this file.\n" * 500, id="text"),
        pytest.param(random.Random(7).randbytes(1_000_000), id="random_bytes"),
        pytest.param(b"\xff\xfb" * 10_000, id="nothing_but_syncs"),
        pytest.param(media_factory.mp3()[:900], id="mp3_cut_after_two_frames"),
        pytest.param(random.Random(7).randbytes(20_000) + media_factory.mp3(), id="mp3_within_something_else"),
        pytest.param(media_factory.id3_tag(bytes(100)), id="tag_alone"),
        pytest.param(media_factory.wav()[:30], id="wav_cut_in_its_header"),
        pytest.param(media_factory.wav(0.0), id="wav_without_samples"),
        pytest.param(media_factory.wav().replace(b"\x01\x00\x01\x00", b"\x02\x00\x01\x00", 1), id="wav_of_adpcm"),
        pytest.param(media_factory.ogg_vorbis()[:60], id="ogg_cut_in_its_headers"),
        pytest.param(media_factory.ogg_opus().replace(b"OpusHead", b"Speex   "), id="ogg_of_speex"),
        pytest.param(media_factory.m4a_aac()[:200], id="m4a_cut_in_its_header"),
        pytest.param(media_factory._encoded("mp4", "ac3", media_factory._tone(1.0, 440.0)), id="mp4_of_another_codec"),
        pytest.param(media_factory.mp4_film(), id="mp4_without_sound"),
        pytest.param(media_factory.flac()[:60], id="flac_cut_in_its_metadata"),
        pytest.param(media_factory.flac()[:42] + b"\x81\x00\x00\x00", id="flac_without_frames"),
        pytest.param(media_factory.jpeg(), id="picture"),
    ],
)
def test_what_holds_no_sound_is_unreadable(content: bytes) -> None:
    with pytest.raises((UnreadableError, FFmpegError)):
        stream_of(content)


def test_the_sound_tells_how_long_it_is_where_a_flac_header_lies_or_does_not_know() -> None:
    honest = media_factory.flac(3.0)
    for claim in (b"\xff" * 4, b"\0" * 4):
        lying = honest[:22] + claim + honest[26:]  # 32 of the 36 bits of the number of samples
        assert stream_of(lying) == stream_of(honest)


def test_a_page_that_claims_years_is_unreadable() -> None:
    last = media_factory.ogg_opus().rindex(b"OggS")
    lying = bytearray(media_factory.ogg_opus())
    lying[last + 6 : last + 14] = (2**60).to_bytes(8, "little")

    with pytest.raises(UnreadableError, match="duration"):
        stream_of(bytes(lying))


def test_a_header_that_claims_gigabits_is_unreadable() -> None:
    lying = bytearray(media_factory.wav())
    lying[24:28] = b"\xff" * 4  # samples per second

    with pytest.raises(UnreadableError, match="bitrate"):
        stream_of(bytes(lying))


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF])
def test_a_wav_that_was_streamed_lasts_as_long_as_its_bytes(size: int) -> None:
    streamed = bytearray(media_factory.wav(2.0))
    at = streamed.index(b"data") + 4
    streamed[at : at + 4] = size.to_bytes(4, "little")

    assert stream_of(bytes(streamed)).duration_seconds == pytest.approx(2.0, abs=0.01)


def test_frames_that_decode_to_nothing_are_no_mp3() -> None:
    header = b"\xff\xfb\x90\x00"
    silent_of_life = (header + b"\xff" * 413) * 50

    with pytest.raises(UnreadableError, match="decoded"):
        stream_of(silent_of_life)
