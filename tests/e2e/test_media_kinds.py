"""Every kind of media goes up as a real file and comes back: sound byte for byte, pictures stripped and upright."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from tests import media_factory
from tests.conftest import Service

# Bit rates are those of the encoders' output for a sine tone, so they have some room; PCM's is exact.
AUDIO = [
    pytest.param(media_factory.mp3, "mp3", "audio/mpeg", range(126, 131), id="mp3"),
    pytest.param(media_factory.wav, "wav", "audio/wav", range(705, 707), id="wav"),
    pytest.param(media_factory.ogg_vorbis, "ogg", "audio/ogg", range(10, 130), id="ogg vorbis"),
    pytest.param(media_factory.ogg_opus, "ogg", "audio/ogg", range(20, 130), id="ogg opus"),
    pytest.param(media_factory.m4a_aac, "m4a", "audio/mp4", range(90, 110), id="m4a aac"),
    pytest.param(media_factory.m4a_alac, "m4a", "audio/mp4", range(500, 600), id="m4a alac"),
    pytest.param(media_factory.flac, "flac", "audio/flac", range(80, 140), id="flac"),
]
IMAGES = [
    pytest.param(media_factory.jpeg, "jpeg", "jpg", id="jpeg"),
    pytest.param(media_factory.png, "png", "png", id="png"),
    pytest.param(media_factory.webp, "webp", "webp", id="webp"),
]
JUST_ENCODED_AGAIN = 12
"""How far the mean of the pixels may be off, of 255, after lossy encoding."""


@pytest.mark.parametrize(("make", "kind", "mime_type", "bitrates"), AUDIO)
async def test_sound_comes_back_byte_for_byte(
    service: Service, make: Callable[..., bytes], kind: str, mime_type: str, bitrates: range
) -> None:
    musician = await service.register("muse")
    content = make(2.0, title="Night Train", artist="Muse")
    uploaded = (await service.upload("track", content, by=musician, name=f"song.{kind}")).json()["file"]
    metadata = uploaded.pop("metadata")
    file_id = uploaded["fileId"]
    del uploaded["createdAt"]
    assert uploaded == {
        "fileId": file_id,
        "userId": musician.user_id,
        "type": "track",
        "originalName": f"song.{kind}",
        "fileName": f"{file_id}.{kind}",
        "mimeType": mime_type,
        "size": len(content),
        "url": f"http://localhost:3000/media/track/{file_id}",
    }
    assert (metadata["duration"], metadata["format"]) == (2, kind)
    assert metadata["bitrate"] in bitrates
    track = (
        await service.graphql(
            "query($id: ID!) { track(fileId: $id) { title artist duration bitrate } }", {"id": file_id}
        )
    )["data"]["track"]
    assert (track["title"], track["artist"], track["bitrate"]) == ("Night Train", "Muse", metadata["bitrate"])
    assert track["duration"] == pytest.approx(2.0, abs=0.1)
    played = await service.client.get(uploaded["url"])
    assert (played.status_code, played.headers["content-type"]) == (200, mime_type)
    assert played.content == content


@pytest.mark.parametrize("where", ["avatar", "cover"])
@pytest.mark.parametrize(("make", "kind", "extension"), IMAGES)
async def test_a_picture_comes_back_the_same_without_its_metadata(
    service: Service, make: Callable[..., bytes], kind: str, extension: str, where: str
) -> None:
    musician = await service.register("muse")
    content = make(96, 64, 6, gps=True)  # stored turned, as a phone does, with the place where it was taken
    assert len(Image.open(io.BytesIO(content)).getexif()) == 2
    uploaded = (await service.upload(where, content, by=musician, name=f"me.{extension}")).json()["file"]
    assert uploaded["metadata"] == {"width": 96, "height": 64, "format": kind}
    assert (uploaded["mimeType"], uploaded["fileName"]) == (f"image/{kind}", f"{uploaded['fileId']}.{extension}")
    shown = await service.client.get(uploaded["url"])
    assert (shown.status_code, shown.headers["content-type"]) == (200, f"image/{kind}")
    assert len(shown.content) == uploaded["size"]
    picture = Image.open(io.BytesIO(shown.content))
    assert (picture.format, picture.size) == (kind.upper(), (96, 64))
    assert (dict(picture.getexif()), picture.info.get("exif")) == ({}, None)
    wanted = np.asarray(media_factory.picture(96, 64), dtype=np.int16)
    assert np.abs(np.asarray(picture.convert("RGB"), dtype=np.int16) - wanted).mean() < JUST_ENCODED_AGAIN
