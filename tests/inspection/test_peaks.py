"""Peaks, of sounds whose loudness is known, in every format."""

from __future__ import annotations

import io
import resource
import wave
from collections.abc import Callable

import av
import numpy as np
import pytest

from pet.domain.media import AudioFormat
from pet.domain.waveforms import LOUDEST, POINTS
from pet.inspection.peaks import _Slots, read_peaks
from pet.inspection.worker import UnreadableError
from tests import media_factory as factory

RATE = 44_100
MAKERS: dict[str, tuple[Callable[..., bytes], AudioFormat]] = {
    "mp3": (factory.mp3, AudioFormat.MP3),
    "wav": (factory.wav, AudioFormat.WAV),
    "vorbis": (factory.ogg_vorbis, AudioFormat.OGG),
    "opus": (factory.ogg_opus, AudioFormat.OGG),
    "aac": (factory.m4a_aac, AudioFormat.M4A),
    "alac": (factory.m4a_alac, AudioFormat.M4A),
    "flac": (factory.flac, AudioFormat.FLAC),
}
CODECS = {
    "mp3": ("mp3", "libmp3lame", AudioFormat.MP3),
    "wav": ("wav", "pcm_s16le", AudioFormat.WAV),
    "24_bits": ("wav", "pcm_s24le", AudioFormat.WAV),
    "opus": ("ogg", "libopus", AudioFormat.OGG),
    "aac": ("ipod", "aac", AudioFormat.M4A),
    "alac": ("ipod", "alac", AudioFormat.M4A),
    "flac": ("flac", "flac", AudioFormat.FLAC),
}
Sound = np.ndarray[tuple[int, int], np.dtype[np.float64]]


def encoded(container: str, codec: str, sound: Sound, *, rate: int = RATE) -> bytes:
    """Return a file of a sound: one row a channel, from -1 to 1."""
    buffer = io.BytesIO()
    layout = "mono" if len(sound) == 1 else "stereo"
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(sound.astype(np.float32), format="fltp", layout=layout)
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format, layout, rate, frame_size=stream.codec_context.frame_size or None)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def swelling(seconds: float = 4.0, *, rate: int = RATE) -> Sound:
    """Return a tone that swells from silence to nine tenths of full scale."""
    time = np.arange(int(seconds * rate)) / rate
    return (np.sin(2 * np.pi * 440 * time) * 0.9 * time / seconds)[np.newaxis]


def levels(content: bytes, container: AudioFormat) -> Sound:
    """Return the peaks of a file, from 0 to 1."""
    peaks = read_peaks(io.BytesIO(content), container)
    assert len(peaks) == POINTS
    return np.frombuffer(peaks, np.uint8)[np.newaxis] / LOUDEST


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("channels", [1, 2])
def test_peaks_follow_the_envelope(codec: str, channels: int) -> None:
    container, name, format_ = CODECS[codec]
    rate = 48_000 if codec == "opus" else RATE
    found = levels(encoded(container, name, np.repeat(swelling(rate=rate), channels, axis=0), rate=rate), format_)
    wanted = 0.9 * (np.arange(POINTS) + 0.5) / POINTS
    # Encoders delay the sound by some milliseconds, and blur it.
    assert np.abs(found[0] - wanted).mean() < (0.005 if codec in {"wav", "24_bits", "alac", "flac"} else 0.03)


@pytest.mark.parametrize("kind", MAKERS)
def test_every_accepted_format_has_peaks(kind: str) -> None:
    make, container = MAKERS[kind]
    found = levels(make(2.0), container)
    middle = found[0][POINTS // 10 : -POINTS // 10]
    assert abs(np.median(middle) - 0.37) < 0.03
    assert middle.min() > 0.3


def test_the_loudest_channel_counts_and_channels_do_not_cancel_each_other() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    for other in (np.zeros(RATE), -tone):
        found = levels(encoded("wav", "pcm_s16le", np.stack([other, tone])), AudioFormat.WAV)
        assert np.allclose(found[0][10:-10], 0.5, atol=0.03)


@pytest.mark.parametrize(("value", "level"), [(0.0, 0), (1.0, LOUDEST), (-1.0, LOUDEST)])
def test_silence_is_nothing_and_full_scale_is_all(value: float, level: int) -> None:
    content = encoded("wav", "pcm_s16le", np.full((1, RATE), value))
    assert set(read_peaks(io.BytesIO(content), AudioFormat.WAV)) == {level}


def test_a_click_is_seen_where_it_is_however_long_the_sound_is() -> None:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setparams((1, 2, 8000, 0, "NONE", ""))
        samples = np.zeros(8000 * 600, np.int16)
        samples[len(samples) // 4] = -20_000
        writer.writeframes(samples.tobytes())
    peaks = read_peaks(buffer, AudioFormat.WAV)
    ((number, peak),) = [(number, peak) for number, peak in enumerate(peaks) if peak]
    assert (number in {249, 250}, peak) == (True, round(20_000 / 32768 * LOUDEST))


def test_a_sound_of_one_sample_fills_all_points() -> None:
    content = encoded("wav", "pcm_s16le", np.full((1, 1), 0.5))
    assert set(read_peaks(io.BytesIO(content), AudioFormat.WAV)) == {128}


@pytest.mark.parametrize("seed", range(5))
def test_peaks_are_exactly_those_of_the_samples(seed: int) -> None:
    random = np.random.default_rng(seed)
    size, channels = int(random.integers(1, 200_000)), int(random.integers(1, 4))
    samples = (random.normal(0, 1, (size, channels)) * random.choice([30, 3000, 30_000], (size, 1))).clip(-32768, 32767)
    content = samples.astype(np.int16).tobytes()
    slots, start = _Slots(), 0
    while start < size:
        count = int(random.integers(1, 5000))
        slots.add(content[start * 2 * channels : (start + count) * 2 * channels], channels, 1000)
        start += count
    loudness = np.minimum(np.abs(samples.astype(np.int16).astype(np.int32)).max(axis=1), 32767)
    width = round(slots._slot_seconds * 1000)
    exact = [int(loudness[at : at + width].max()) for at in range(0, size, width)]
    assert np.minimum(slots._slots, 32767).tolist() == exact[: len(slots._slots)]
    assert len(exact) - len(slots._slots) in {0, 1}


def test_a_chained_stream_is_one_sound() -> None:
    loud = encoded("ogg", "libopus", swelling(1.0, rate=48_000), rate=48_000)
    quiet = encoded("ogg", "libopus", 0.1 * swelling(1.0, rate=48_000), rate=48_000)
    found = levels(loud + quiet, AudioFormat.OGG)[0]
    assert found[400:490].min() > 0.6
    assert found[520:].max() < 0.15


def test_damage_in_the_middle_leaves_the_rest() -> None:
    content = bytearray(factory.mp3(4.0))
    content[len(content) // 2 : len(content) // 2 + 2000] = bytes(2000)
    found = levels(bytes(content), AudioFormat.MP3)[0]
    assert np.median(found[50:450]) > 0.3
    assert np.median(found[600:950]) > 0.3


def test_the_end_may_be_missing() -> None:
    for make, container in MAKERS.values():
        content = make(20.0)
        if container is AudioFormat.M4A:
            continue  # its index is at the end
        assert np.median(levels(content[: len(content) // 2], container)[0]) > 0.3


@pytest.mark.parametrize("container", AudioFormat)
@pytest.mark.parametrize("content", [b"", b"no sound at all" * 100, bytes(5000)], ids=["empty", "text", "zeros"])
def test_what_is_no_sound_has_no_peaks(container: AudioFormat, content: bytes) -> None:
    with pytest.raises((UnreadableError, av.error.FFmpegError)):
        read_peaks(io.BytesIO(content), container)


def test_a_playlist_leads_to_no_other_file() -> None:
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n/etc/passwd\n#EXT-X-ENDLIST\n"
    for container in AudioFormat:
        with pytest.raises((UnreadableError, av.error.FFmpegError)):
            read_peaks(io.BytesIO(playlist), container)


def test_memory_does_not_grow_with_the_length() -> None:
    short = factory.mp3(20.0)
    frames = short[: len(short) // 2]
    read_peaks(io.BytesIO(short), AudioFormat.MP3)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    long = frames * 60
    assert len(read_peaks(io.BytesIO(long), AudioFormat.MP3)) == POINTS
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib * 1024 < len(long) + 8 * 1024 * 1024


def test_tags_before_the_sound_are_not_heard() -> None:
    for make, container in ((factory.mp3, AudioFormat.MP3), (factory.wav, AudioFormat.WAV)):
        tagged = make(2.0, title="Noise", artwork=factory.jpeg())
        assert read_peaks(io.BytesIO(tagged), container) == read_peaks(io.BytesIO(make(2.0)), container)
