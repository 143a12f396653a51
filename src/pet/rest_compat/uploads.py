"""Sections 3.1 to 3.3 of the document: putting media in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import strawberry
from starlette.requests import Request
from starlette.responses import Response

from pet.domain.errors import Forbidden, Invalid, NotFound, TooLarge
from pet.domain.limits import UPLOAD_AVATAR, UPLOAD_COVER, UPLOAD_TRACK, Bucket
from pet.domain.media import AVATAR_MAX_BYTES, COVER_MAX_BYTES, TRACK_MAX_BYTES
from pet.forms import Form, read_form
from pet.openapi import operations
from pet.openapi.operations import Described, Link, Token, answers
from pet.rest_compat import shapes
from pet.rest_compat.envelopes import success
from pet.rest_compat.files import file_json
from pet.schema import profiles, uploads
from pet.schema.call import DirectCall
from pet.schema.files import MediaFile, Track
from pet.schema.scalars import Upload

OTHER = "other"

IMAGES = ("image/jpeg", "image/png", "image/webp")
AUDIO = ("audio/mpeg", "audio/wav", "audio/ogg", "audio/mp4", "audio/flac")

NEXT = (
    Link("getFile", "The bytes.", {"fileId": "$response.body#/file/fileId"}),
    Link("deleteFile", "Delete it.", {"fileId": "$response.body#/file/fileId"}),
    Link("getProfile", "Whose it is.", {"id": "$response.body#/file/userId"}),
)

BODIES_WITHOUT_FILES = {"", "application/json", "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class Arrived:
    """A form whose file has arrived, and the call of the user for whom it is kept."""

    call: DirectCall
    file: Upload
    form: Form

    @property
    def is_other(self) -> bool:
        """Whether the form asks for a file that is neither published nor shown; other values of `type` are ignored."""
        return self.form.fields.get("type") == OTHER


@Described(
    "Upload an avatar",
    "It replaces the one before.",
    token=Token.REQUIRED,
    form=operations.Form(shapes.AvatarForm, IMAGES),
    answer=answers(file=shapes.File),
    refused=(NotFound,),
    limit=UPLOAD_AVATAR,
    links=(*NEXT, Link("getAvatar", "The image.", {"userId": "$response.body#/file/userId"})),
)
async def avatar(request: Request, call: DirectCall) -> Response:
    """3.1."""
    async with _arrived(request, call, UPLOAD_AVATAR, AVATAR_MAX_BYTES) as arrived:
        if arrived.is_other:
            return await _answer(arrived, await uploads.upload_other_image(arrived.call, arrived.file, UPLOAD_AVATAR))
        payload = await uploads.upload_avatar(arrived.call, arrived.file)
        return await _answer(arrived, payload.image)


@Described(
    "Upload a track",
    "Artwork in its tags becomes its cover.",
    token=Token.REQUIRED,
    form=operations.Form(shapes.TrackForm, AUDIO),
    answer=answers(file=shapes.File),
    refused=(NotFound,),
    limit=UPLOAD_TRACK,
    links=(
        *NEXT,
        Link("getTrack", "The sound.", {"trackId": "$response.body#/file/fileId"}),
        Link("deleteTrack", "Delete it.", {"trackId": "$response.body#/file/fileId"}),
        Link("getCover", "Its cover.", {"trackId": "$response.body#/file/fileId"}),
    ),
)
async def track(request: Request, call: DirectCall) -> Response:
    """3.2."""
    async with _arrived(request, call, UPLOAD_TRACK, TRACK_MAX_BYTES) as arrived:
        if arrived.is_other:
            return await _answer(arrived, await uploads.upload_other_audio(arrived.call, arrived.file))
        payload = await uploads.upload_track(arrived.call, arrived.file)
        return await _answer(arrived, payload.track)


@Described(
    "Upload a cover",
    "With `trackId` it is that track's own; without, it serves every track of its uploader that has none.",
    token=Token.REQUIRED,
    form=operations.Form(shapes.CoverForm, IMAGES),
    answer=answers(file=shapes.File),
    refused=(NotFound,),
    limit=UPLOAD_COVER,
    links=(*NEXT, Link("getCover", "The image.", {"trackId": "$response.body#/file/fileId"})),
)
async def cover(request: Request, call: DirectCall) -> Response:
    """3.3: the added, optional `trackId` makes it that track's own."""
    async with _arrived(request, call, UPLOAD_COVER, COVER_MAX_BYTES) as arrived:
        if arrived.is_other:
            return await _answer(arrived, await uploads.upload_other_image(arrived.call, arrived.file, UPLOAD_COVER))
        track_id = arrived.form.fields.get("trackId")
        payload = await uploads.upload_cover(arrived.call, arrived.file, strawberry.ID(track_id) if track_id else None)
        return await _answer(arrived, payload.image)


@asynccontextmanager
async def _arrived(request: Request, call: DirectCall, bucket: Bucket, limit: int) -> AsyncIterator[Arrived]:
    """Read the form of someone who may write and has attempts left, and act for the user that it names.

    The fields may come in any order, so it is only known at the end for whom the file is. A form that is refused costs
    an attempt as well: its bytes were read.
    """
    services, address = call.context.services, call.context.client.address
    call.context.require_writer()
    await services.limits.check(bucket, address)
    async with AsyncExitStack() as stack:
        try:
            _require_form(request)
            form = await stack.enter_async_context(read_form(request, services.uploads.stage, file_limit=limit))
            file = _file_in(form)
            acting = DirectCall(await call.context.acting_for(_user_id_in(form)))
        except (Forbidden, Invalid, TooLarge):
            await services.limits.spend(bucket, address)
            raise
        yield Arrived(acting, file, form)


def _require_form(request: Request) -> None:
    """Refuse a body that cannot hold a file, as a form without one is refused."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() in BODIES_WITHOUT_FILES:
        raise Invalid("File is required", field="file")


def _file_in(form: Form) -> Upload:
    if "file" not in form.files:
        raise Invalid("File is required", field="file")
    return Upload(form.files["file"])


def _user_id_in(form: Form) -> str:
    if not form.fields.get("userId"):
        raise Invalid("userId is required", field="userId")
    return form.fields["userId"]


async def _answer(arrived: Arrived, stored: MediaFile | Track | None) -> Response:
    if stored is None:
        raise TypeError("a resolver that does not raise stores a file")
    view = await profiles.existing_view(arrived.call, stored.entity.user_id)
    return success(file=file_json(arrived.call, stored.entity, view))
