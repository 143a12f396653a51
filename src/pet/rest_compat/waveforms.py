"""The picture of a track's waveform: a route of our own, which the document does not have.

Bars of the colour of the text around it where a page takes it in, black where it is an image by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response

from pet.domain.errors import Invalid, NotFound
from pet.domain.waveforms import POINTS, Processing, require_points
from pet.openapi.operations import Bytes, Described
from pet.rest_compat.bytes import BlobResponse
from pet.rest_compat.files import PRIVATE, REVALIDATE, permitted_track
from pet.rest_compat.plans import Representation
from pet.rest_compat.shapes import WaveformQuery
from pet.schema.call import DirectCall

DEFAULT_POINTS = 200
_HEIGHT = 100
_WIDTH = 800
"""Of the image where a page says nothing of its size; the bars stretch to any other."""

_LEAST = 1.0
"""The height of silence: a line, so that one sees that there is something."""

_SENTENCES = {
    Processing.PENDING: "The waveform of this track is not ready yet. Please try again in a few seconds.",
    Processing.FAILED: "This track has no waveform: its sound could not be decoded.",
}


@Described(
    "Get the picture of a track's waveform",
    "An SVG, there some seconds after the upload; whoever may hear the track may see it.",
    query=WaveformQuery,
    answer=Bytes(("image/svg+xml",)),
    refused=(NotFound, Invalid),
)
async def picture(request: Request, call: DirectCall) -> Response:
    """Return the SVG of a track that the viewer may hear.

    Raises:
        NotFound: there is no such track for this viewer, or its waveform is not ready.
        Invalid: the number of points is none.
    """
    track = await permitted_track(request, call)
    points = _points(request.query_params.get("points"))
    waveform = await call.context.services.waveforms.find(track.file.file_id)
    levels = waveform.points(points)
    if levels is None:
        raise NotFound(_SENTENCES[waveform.processing])
    content = drawn(levels).encode()
    representation = Representation(
        size_bytes=len(content),
        content_type="image/svg+xml",
        etag=f'"{hashlib.sha256(content).hexdigest()[:32]}"',
        last_modified=track.file.created_at,
        file_name="waveform.svg",
        cache_control=PRIVATE if track.is_private else REVALIDATE,
        attachment=request.query_params.get("download") == "1",
    )

    async def read(start: int, end: int) -> AsyncIterator[bytes]:
        yield content[start:end]

    return BlobResponse(representation, read)


def drawn(levels: list[float]) -> str:
    """Return the SVG of levels from 0 to 1: a bar for each, around the middle."""
    bars = "".join(_bar(number, level) for number, level in enumerate(levels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}"'
        f' viewBox="0 0 {len(levels)} {_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="Waveform">'
        f'<path fill="currentColor" d="{bars}"/></svg>\n'
    )


def _bar(number: int, level: float) -> str:
    height = max(_LEAST, level * _HEIGHT)
    return f"M{number} {(_HEIGHT - height) / 2:.4g}h.7v{height:.4g}h-.7z"


def _points(text: str | None) -> int:
    if text is None:
        return DEFAULT_POINTS
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(POINTS))):
        raise Invalid(f"points must be a whole number from 1 to {POINTS}.", field="points")
    require_points(int(text))
    return int(text)
