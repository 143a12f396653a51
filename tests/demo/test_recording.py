"""A recording is a WAV that plays, with tags and cover, the same bytes each time."""

# mypy: disable-error-code="no-untyped-call"
# mutagen's functions carry no annotations.

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np
import pytest
from mutagen.wave import WAVE
from PIL import Image

from pet.demo.avatars import avatar
from pet.demo.covers import PAINTINGS, cover
from pet.demo.instruments import RATE
from pet.demo.people import ANYA, PEOPLE
from pet.demo.recording import record, recorded, studio, takes_of
from tests.demo import network

TAKE = takes_of(ANYA, network.SECONDS)[1]
MOST_BYTES = 2_000_000


def test_a_recording_is_the_same_each_time_in_any_process() -> None:
    with studio() as pool:
        elsewhere = recorded(pool, TAKE)
        assert record(TAKE) == elsewhere.result()


def test_a_recording_plays() -> None:
    with av.open(io.BytesIO(network.recorded(TAKE)), "r") as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.rate, stream.channels) == ("pcm_s16le", RATE, 2)
        samples = np.concatenate([frame.to_ndarray().reshape(-1, 2) for frame in container.decode(stream)])
    assert len(samples) == network.SECONDS * RATE
    assert np.abs(samples).max() > 5_000


def test_a_recording_is_tagged() -> None:
    tags: Any = WAVE(io.BytesIO(network.recorded(TAKE))).tags
    texts = {name: str(tags[name]) for name in ("TIT2", "TPE1", "TALB", "TCON", "TRCK")}
    assert texts == {
        "TIT2": "Неон и снег",
        "TPE1": "Аня Воронцова",
        "TALB": "Ночной трамвай",
        "TCON": "Synthwave",
        "TRCK": "2",
    }
    (picture,) = tags.getall("APIC")
    assert (picture.mime, picture.type, picture.data) == ("image/jpeg", 3, cover("retro"))


def test_whole_recordings_stay_small() -> None:
    for take in [take for person in PEOPLE for take in takes_of(person)]:
        assert take.song.score.seconds * RATE * 4 + len(cover(take.album.painting)) + 1_000 < MOST_BYTES


def test_every_album_has_a_cover_of_its_own() -> None:
    paintings = [album.painting for person in PEOPLE for album in person.albums]
    assert sorted(paintings) == sorted(PAINTINGS)
    assert len({cover(painting) for painting in paintings}) == len(paintings)


@pytest.mark.parametrize("painting", PAINTINGS)
def test_a_cover_is_a_square_picture_that_is_painted_alike_each_time(painting: str) -> None:
    assert PAINTINGS[painting]().tobytes() == PAINTINGS[painting]().tobytes()
    with Image.open(io.BytesIO(cover(painting))) as image:
        assert (image.format, image.size) == ("JPEG", (600, 600))


def test_everyone_has_a_face_of_their_own() -> None:
    faces = [avatar(person.colours, has_long_hair=person.has_long_hair) for person in PEOPLE]
    assert len(set(faces)) == len(PEOPLE)
    for face in faces:
        with Image.open(io.BytesIO(face)) as image:
            assert (image.format, image.size) == ("JPEG", (320, 320))
