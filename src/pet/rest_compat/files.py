"""Sections 3.4 to 3.9 of the document: media as bytes, and deleting them."""

from __future__ import annotations

from functools import lru_cache, partial

import strawberry
from starlette.requests import Request
from starlette.responses import Response

from pet.domain.errors import NotFound
from pet.domain.files import FileType, MediaFile, OwnedFile
from pet.domain.ids import FileId, UserId, parse_uuid
from pet.domain.viewers import Viewer
from pet.domain.visibility import ProfileView
from pet.openapi.operations import Bytes, Described, Token
from pet.rest_compat import shapes
from pet.rest_compat.couriers import Courier, Parcel
from pet.rest_compat.envelopes import present, success
from pet.rest_compat.plans import Representation
from pet.schema import uploads
from pet.schema.call import DirectCall
from pet.schema.scalars import write_time

IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "public, no-cache"
PRIVATE = "private, no-cache"

IMAGE = Bytes(("image/*",))
AUDIO = Bytes(("audio/*",))
ANY = Bytes(("audio/*", "image/*"))

REMEMBERED = 256
"""Objects whose header fields are kept, of some hundred bytes each, and of three thousand for the longest names."""

_representation = lru_cache(REMEMBERED)(Representation)


@Described("Get an avatar", "Avatars are for everyone.", query=shapes.FileQuery, answer=IMAGE, refused=(NotFound,))
async def avatar(request: Request, call: DirectCall) -> Response:
    """3.4: avatars are for everyone; the URL stays while the image changes, so it is revalidated."""
    user_id = parse_uuid(request.path_params["userId"])
    view = await call.context.loaders.profile.load(UserId(user_id)) if user_id else None
    file_id = view.profile.avatar_file_id if view else None
    file = await call.context.services.files.find(file_id) if file_id else None
    if file is None:
        raise NotFound("Avatar not found")
    return _bytes(request, call, file, cache_control=REVALIDATE, is_replaceable=True)


@Described(
    "Get a track",
    "The answer that carries the first byte counts a play: one per listener in 30 minutes, none of one's own tracks.",
    query=shapes.SignedQuery,
    answer=AUDIO,
    refused=(NotFound,),
)
async def track(request: Request, call: DirectCall) -> Response:
    """3.5: Range requests; the answer that carries the first byte counts a play."""
    track, viewer = await _permitted_track(request, call)
    return _bytes(
        request,
        call,
        track.file,
        cache_control=PRIVATE if track.is_private else REVALIDATE,
        listener=viewer,
        is_play=True,
    )


@Described(
    "Get a cover",
    "The track's own, else its uploader's newest; a cover's own id works too.",
    query=shapes.SignedQuery,
    answer=IMAGE,
    refused=(NotFound,),
)
async def cover(request: Request, call: DirectCall) -> Response:
    """3.6: the track's own cover, else the uploader's newest; a cover's own id works too."""
    asked = _file_id(request, "trackId", "Cover not found")
    files = call.context.services.files
    file = await files.cover_for(asked)
    found = await files.find_owned(file.file_id) if file else None
    if found is None:
        raise NotFound("Cover not found")
    await _permitted(request, call, found, asked, "Cover not found")
    cache_control = PRIVATE if found.is_private else REVALIDATE
    return _bytes(request, call, found.file, cache_control=cache_control, is_replaceable=True)


@Described("Get a file", "The bytes of an id never change.", query=shapes.SignedQuery, answer=ANY, refused=(NotFound,))
async def file(request: Request, call: DirectCall) -> Response:
    """3.7: any file by its id; its bytes never change."""
    file_id = _file_id(request, "fileId", "File not found")
    found = await call.context.services.files.find_owned(file_id)
    if found is None:
        raise NotFound("File not found")
    viewer = await _permitted(request, call, found, file_id, "File not found")
    return _bytes(
        request,
        call,
        found.file,
        cache_control=PRIVATE if found.is_private else IMMUTABLE,
        listener=viewer,
        is_play=found.file.type is FileType.TRACK,
    )


@Described("Delete a file", "With a track goes its own cover.", token=Token.REQUIRED, refused=(NotFound,))
async def delete(request: Request, call: DirectCall) -> Response:
    """3.8 and 3.9: the two routes are one."""
    text = request.path_params.get("fileId") or request.path_params.get("trackId") or ""
    await uploads.delete_media(call, strawberry.ID(text))
    return success()


def file_json(call: DirectCall, file: MediaFile, view: ProfileView, *, with_updated_at: bool = False) -> shapes.File:
    """Return a file as IMediaFileResponse."""
    duration = file.duration_seconds
    metadata: shapes.FileMetadata = {
        "duration": None if duration is None else round(duration),
        "bitrate": file.bitrate_kbps,
        "width": file.width,
        "height": file.height,
        "format": file.format,
    }
    shape: shapes.File = {
        "fileId": file.file_id,
        "userId": file.user_id,
        "type": file.type,
        "originalName": file.original_name,
        "fileName": file.file_name,
        "mimeType": file.mime_type,
        "size": file.size_bytes,
        "url": call.context.services.links.file(file, call.context.viewer, is_private=view.is_private),
        "metadata": present(metadata),
        "createdAt": write_time(file.created_at),
        "updatedAt": write_time(file.updated_at) if with_updated_at else None,
    }
    return present(shape)


async def permitted_track(request: Request, call: DirectCall) -> OwnedFile:
    """Return the track that a request names.

    Raises:
        NotFound: there is no such track, or the viewer may not hear it.
    """
    track, _ = await _permitted_track(request, call)
    return track


async def _permitted_track(request: Request, call: DirectCall) -> tuple[OwnedFile, Viewer | None]:
    file_id = _file_id(request, "trackId", "Track not found")
    track = await call.context.services.files.find_owned(file_id)
    if track is None or track.file.type is not FileType.TRACK:
        raise NotFound("Track not found")
    return track, await _permitted(request, call, track, file_id, "Track not found")


async def _permitted(
    request: Request, call: DirectCall, owned: OwnedFile, signed_id: FileId, message: str
) -> Viewer | None:
    """Return who asks, by token or by a signed URL.

    Raises:
        NotFound: they may not have the file.
    """
    services = call.context.services
    viewer = call.context.viewer
    if viewer is None and (parameters := _parameters(request)):
        user_id = services.links.signed_for(signed_id, parameters)
        profile = await services.profiles.find(user_id) if user_id else None
        viewer = Viewer(profile.user_id, profile.role) if profile else None
    if not await services.visibility.may_have(viewer, owned):
        raise NotFound(message)
    return viewer


def _bytes(
    request: Request,
    call: DirectCall,
    file: MediaFile,
    *,
    cache_control: str,
    listener: Viewer | None = None,
    is_play: bool = False,
    is_replaceable: bool = False,
) -> Response:
    services = call.context.services
    representation = _representation(
        size_bytes=file.size_bytes,
        content_type=file.mime_type,
        etag=f'"{file.file_id}"',
        last_modified=file.created_at,
        file_name=file.original_name,
        cache_control=cache_control,
        attachment=_parameters(request).get("download") == "1",
        is_replaceable=is_replaceable,
    )
    count = partial(services.plays.count, file, listener, call.context.client) if is_play else None
    courier: Courier = request.scope["state"]["courier"]
    return courier.response(
        request, Parcel(file.blob_key, representation, partial(services.files.read, file), on_first_byte=count)
    )


def _parameters(request: Request) -> dict[str, str]:
    """Return the query's parameters; a player sends none, and nothing is parsed for it."""
    return dict(request.query_params) if request.scope["query_string"] else {}


def _file_id(request: Request, name: str, message: str) -> FileId:
    found = parse_uuid(request.path_params[name])
    if found is None:
        raise NotFound(message)
    return FileId(found)
