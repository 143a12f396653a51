"""Pictures come back as the same picture: upright, clean, in their own format."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from pet.domain.media import MAX_PIXELS, CleanImage, ImageFormat
from pet.inspection.images import clean_image
from pet.inspection.worker import UnreadableError
from tests import media_factory

MAKERS = [
    pytest.param(media_factory.jpeg, ImageFormat.JPEG, "image/jpeg", id="jpeg"),
    pytest.param(media_factory.png, ImageFormat.PNG, "image/png", id="png"),
    pytest.param(media_factory.webp, ImageFormat.WEBP, "image/webp", id="webp"),
]
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@dataclass(frozen=True)
class Cleaned(CleanImage):
    """An image with its new bytes."""

    content: bytes


def clean(content: bytes) -> Cleaned:
    with tempfile.NamedTemporaryFile() as file:
        image = clean_image(io.BytesIO(content), Path(file.name))
        return Cleaned(image.format, image.mime_type, image.width, image.height, file.read())


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def difference(left: Image.Image, right: Image.Image) -> float:
    """Return by how many of 255 steps the pixels differ in the mean."""
    assert (left.size, left.mode) == (right.size, right.mode)
    return float(np.abs(np.asarray(left, dtype=np.int16) - np.asarray(right, dtype=np.int16)).mean())


@pytest.mark.parametrize("orientation", [None, 1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize(("make", "kind", "mime_type"), MAKERS)
def test_a_picture_comes_back_upright(
    make: Callable[..., bytes], kind: ImageFormat, mime_type: str, orientation: int | None
) -> None:
    result = clean(make(96, 64, orientation))

    assert (result.format, result.mime_type, result.width, result.height) == (kind, mime_type, 96, 64)
    assert difference(opened(result.content), media_factory.picture(96, 64)) < 3


@pytest.mark.parametrize(("make", "kind", "mime_type"), MAKERS)
def test_exif_with_its_place_is_gone(make: Callable[..., bytes], kind: ImageFormat, mime_type: str) -> None:
    original = make(64, 48, 6, gps=True)
    assert dict(opened(original).getexif())

    result = opened(clean(original).content)

    assert dict(result.getexif()) == {}
    assert "exif" not in result.info


def test_comments_texts_and_xmp_are_gone() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "secret")
    texts.add_itxt("XML:com.adobe.xmp", "secret")
    picture = media_factory.picture()
    originals = [
        media_factory.saved_image(picture, "JPEG", comment=b"secret", xmp=b"secret"),
        media_factory.saved_image(picture, "PNG", pnginfo=texts),
        media_factory.saved_image(picture, "WEBP", xmp=b"secret"),
        media_factory.jpeg() + b"secret",
    ]

    assert [b"secret" in original for original in originals] == [True] * 4
    assert [b"secret" in clean(original).content for original in originals] == [False] * 4


@pytest.mark.parametrize(("make", "kind", "mime_type"), MAKERS)
def test_the_colour_profile_stays(make: Callable[..., bytes], kind: ImageFormat, mime_type: str) -> None:
    original = media_factory.saved_image(media_factory.picture(), kind, icc_profile=SRGB)

    assert opened(clean(original).content).info["icc_profile"] == SRGB


def test_a_jpeg_that_stands_upright_keeps_its_quantization_and_sampling() -> None:
    original = media_factory.saved_image(media_factory.picture(), "JPEG", quality=60, subsampling="4:2:2")

    result = clean(original).content

    assert len(result) == pytest.approx(len(original), rel=0.02)
    assert difference(opened(result), opened(original)) < 1


def test_png_is_exact_in_every_mode() -> None:
    picture = media_factory.picture()
    see_through = picture.convert("RGBA")
    see_through.putalpha(picture.getchannel("R"))
    originals = {
        "RGB": picture,
        "RGBA": see_through,
        "L": picture.convert("L"),
        "LA": see_through.convert("LA"),
        "P": picture.quantize(32),
        "1": picture.convert("1"),
        "I;16": picture.convert("L").convert("I;16"),
    }

    for mode, original in originals.items():
        result = opened(clean(media_factory.saved_image(original, "PNG")).content)
        assert (mode, result.mode) == (mode, original.mode)
        assert np.array_equal(np.asarray(result), np.asarray(original))
        assert result.getpalette() == original.getpalette()


def test_a_palette_keeps_its_transparent_colour() -> None:
    original = media_factory.saved_image(media_factory.picture().quantize(32), "PNG", transparency=5)

    assert opened(clean(original).content).info["transparency"] == opened(original).info["transparency"]


def test_lossless_webp_stays_exact_with_its_transparency() -> None:
    picture = media_factory.picture().convert("RGBA")
    picture.putalpha(media_factory.picture().getchannel("R"))
    original = media_factory.saved_image(picture, "WEBP", lossless=True, exact=True, icc_profile=SRGB)

    assert difference(opened(clean(original).content), picture) == 0


def test_lossy_webp_keeps_its_transparency() -> None:
    picture = media_factory.picture().convert("RGBA")
    picture.putalpha(media_factory.picture().getchannel("R"))

    result = opened(clean(media_factory.saved_image(picture, "WEBP", quality=90)).content)

    assert difference(result.getchannel("A"), picture.getchannel("A")) == 0


@pytest.mark.parametrize("encoder", ["PNG", "WEBP"])
def test_the_first_frame_of_an_animation_is_the_picture(encoder: str) -> None:
    first, second = media_factory.picture(), Image.new("RGB", (64, 48), "red")
    options = {"lossless": True} if encoder == "WEBP" else {}
    animated = media_factory.saved_image(first, encoder, save_all=True, append_images=[second], **options)

    result = opened(clean(animated).content)

    assert getattr(result, "n_frames", 1) == 1
    assert difference(result.convert("RGB"), first) == 0


def test_the_first_of_several_pictures_in_a_jpeg_is_the_picture() -> None:
    several = media_factory.saved_image(
        media_factory.picture(), "MPO", save_all=True, append_images=[Image.new("RGB", (9, 9))]
    )

    result = clean(several)

    assert (result.format, opened(result.content).format) == (ImageFormat.JPEG, "JPEG")
    assert difference(opened(result.content), media_factory.picture()) < 3


@pytest.mark.parametrize("profile", [None, b"no profile"], ids=["without_profile", "with_a_broken_one"])
def test_a_cmyk_jpeg_becomes_rgb(profile: bytes | None) -> None:
    original = media_factory.saved_image(
        media_factory.picture().convert("CMYK"), "JPEG", quality=95, icc_profile=profile
    )

    result = opened(clean(original).content)

    assert difference(result, media_factory.picture()) < 6
    assert "icc_profile" not in result.info


def test_a_broken_exif_block_does_not_spoil_the_picture() -> None:
    original = media_factory.saved_image(media_factory.picture(), "JPEG", exif=b"Exif\0\0broken beyond repair")

    assert difference(opened(clean(original).content), media_factory.picture()) < 3


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="no_bytes"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="svg"),
        pytest.param(media_factory.saved_image(media_factory.picture(), "GIF"), id="gif"),
        pytest.param(media_factory.jpeg(200, 200)[:-400], id="cut_jpeg"),
        pytest.param(media_factory.png(200, 200)[:-400], id="cut_png"),
        pytest.param(media_factory.webp(200, 200)[:-400], id="cut_webp"),
        pytest.param(media_factory.mp3(), id="sound"),
    ],
)
def test_what_is_no_whole_picture_is_unreadable(content: bytes) -> None:
    with pytest.raises((OSError, SyntaxError)):
        clean(content)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    too_wide = media_factory.png_bomb(8_000, MAX_PIXELS[ImageFormat.PNG] // 8_000 + 1)
    beyond_the_header = too_wide[:100]

    with pytest.raises(UnreadableError, match="pixels"):
        clean(beyond_the_header)


def test_a_pixel_bomb_is_refused() -> None:
    with pytest.raises(Image.DecompressionBombError):
        clean(media_factory.png_bomb())
