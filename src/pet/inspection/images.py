"""Pictures: decoded within a pixel limit, turned upright, stripped of metadata, written again in their own format.

Runs in a worker. The colour profile stays: it is no statement about anyone but part of what the pixel values mean, and
converting them to sRGB would narrow the colours and cost a JPEG a lossy step. CMYK alone is converted, since few
programs show it.
"""

from __future__ import annotations

import io
import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, ImageCms
from PIL.ExifTags import Base
from PIL.Image import Transpose
from PIL.JpegImagePlugin import JpegImageFile, get_sampling
from PIL.WebPImagePlugin import WebPImageFile

from pet.domain.media import MAX_PIXELS, CleanImage, ImageFormat
from pet.inspection.worker import UnreadableError, write

_FORMATS = {
    "JPEG": ImageFormat.JPEG,
    "MPO": ImageFormat.JPEG,  # several JPEGs in one file, as stereo cameras write them: the first is the picture
    "PNG": ImageFormat.PNG,
    "WEBP": ImageFormat.WEBP,
}
"""The formats by Pillow's names for them."""

_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""How to turn a picture with an EXIF orientation (CIPA DC-008, tag 0x0112) upright; 1 stands upright already."""

_JPEG_QUALITY = 95
_WEBP_QUALITY = 90
"""Qualities at which a second encoding is not seen."""

_LOSSLESS_WEBP_METHOD = 0
"""The quickest: the usual one takes twice the memory, for a file a third smaller."""

_EncoderOptions = dict[str, Any]


def clean_image(file: BinaryIO, clean: Path) -> CleanImage:
    """Write the first frame of a picture, upright and clean, into an empty file.

    Raises:
        UnreadableError: the picture is too large.
        UnwrittenError: the disk refuses.
        Exception: the file is damaged or no picture; Pillow raises errors of many kinds.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata, which is dropped, and of sizes, which are checked here
        kind, picture, options = _decode(file)
    content = io.BytesIO()
    picture.save(content, kind, **options)
    write(clean, content.getbuffer())
    return CleanImage(kind, f"image/{kind}", picture.width, picture.height)


def _decode(file: BinaryIO) -> tuple[ImageFormat, Image.Image, _EncoderOptions]:
    """Return the picture as it is meant to be seen, and how to encode it."""
    with Image.open(file, formats=("JPEG", "PNG", "WEBP")) as image:
        kind = _FORMATS[str(image.format)]
        if image.width * image.height > MAX_PIXELS[kind]:
            raise UnreadableError(f"{image.width} x {image.height} pixels")
        image.load()  # a PNG may tell its orientation after its pixels
        turn = _UPRIGHT.get(_orientation(image))
        options: _EncoderOptions = {}
        if isinstance(image, JpegImageFile):
            options = _jpeg_options(image, is_same=turn is None and image.mode != "CMYK")
        picture = _upright(image, turn)
        if picture.mode == "CMYK":
            picture = _to_srgb(picture)
        # Encoders also write what they find here, a JPEG's comment for one.
        picture.info = {key: picture.info[key] for key in ("icc_profile", "transparency") if key in picture.info}
        options["icc_profile"] = picture.info.get("icc_profile")
        if kind is ImageFormat.WEBP:
            options |= _webp_options(file)
        return kind, picture, options


def _upright(image: Image.Image, turn: Transpose | None) -> Image.Image:
    """Return the picture as it is meant to be seen. WebP's is a copy, because its decoder holds much memory."""
    if turn is not None:
        return image.transpose(turn)
    return image.copy() if isinstance(image, WebPImageFile) else image


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation; a picture whose EXIF block is broken counts as upright."""
    try:
        return int(image.getexif().get(Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - Pillow's EXIF parser raises all kinds of errors, and none concerns the pixels
        return 1


def _to_srgb(picture: Image.Image) -> Image.Image:
    """Convert CMYK by its profile, where it has one that works, else by plain arithmetic. The result needs none."""
    profile = io.BytesIO(picture.info.pop("icc_profile", b""))
    converted: Image.Image | None = None
    with suppress(ImageCms.PyCMSError):
        converted = ImageCms.profileToProfile(picture, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    if converted is None:
        return picture.convert("RGB")
    converted.info.pop("icc_profile", None)
    return converted


def _jpeg_options(image: JpegImageFile, *, is_same: bool) -> _EncoderOptions:
    """Quantize as before where the pixels are the same, which loses next to nothing, else finely."""
    sampling = max(get_sampling(image), 0)  # where Pillow cannot write a rare sampling of colours, full resolution
    if is_same:
        return {"qtables": image.quantization, "subsampling": sampling}
    return {"quality": _JPEG_QUALITY, "subsampling": sampling}


def _webp_options(file: BinaryIO) -> _EncoderOptions:
    if _is_lossless_webp(file):
        return {"lossless": True, "exact": True, "method": _LOSSLESS_WEBP_METHOD}
    return {"quality": _WEBP_QUALITY}


def _is_lossless_webp(file: BinaryIO) -> bool:
    """Tell by the first chunk of pixels (RFC 9649, section 2.5 on); in an animation it lies within the first frame."""
    file.seek(12)
    while len(header := file.read(8)) == 8:
        name, size = header[:4], int.from_bytes(header[4:], "little")
        if name in {b"VP8 ", b"VP8L"}:
            return name == b"VP8L"
        file.seek(16 if name == b"ANMF" else size + size % 2, os.SEEK_CUR)
    return False
