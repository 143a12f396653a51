"""Putting media in, editing and deleting them."""

from __future__ import annotations

from typing import Annotated

import strawberry

from pet.domain.errors import NotFound
from pet.domain.files import MediaFile as FileEntity
from pet.domain.files import TrackChange
from pet.domain.ids import FileId, parse_uuid
from pet.domain.limits import Bucket
from pet.domain.profiles import UNSET
from pet.schema.call import Info
from pet.schema.errors import Payload
from pet.schema.files import MediaFile, Track
from pet.schema.profiles import Profile, changed_profile, existing_view
from pet.schema.scalars import Upload

FileIdArgument = Annotated[strawberry.ID, strawberry.argument(description="The file's `fileId`.")]
ImageArgument = Annotated[Upload, strawberry.argument(description="JPEG, PNG or WebP; metadata are removed.")]


@strawberry.input(description="Texts of a track to change: an absent one stays, null clears.")
class UpdateTrackInput:
    """Texts of a track to change."""

    title: str | None = strawberry.field(default=strawberry.UNSET, description="At most 200 characters.")
    artist: str | None = strawberry.field(default=strawberry.UNSET, description="At most 200 characters.")
    album: str | None = strawberry.field(default=strawberry.UNSET, description="At most 200 characters.")


@strawberry.type(description="The track, or the mistakes.")
class TrackPayload(Payload):
    """The result of `uploadTrack` and `updateTrack`."""

    track: Track | None = strawberry.field(default=None, description="The track as it is now.")


@strawberry.type(description="The avatar, or the mistakes.")
class UploadAvatarPayload(Payload):
    """The result of `uploadAvatar`."""

    image: MediaFile | None = strawberry.field(default=None, description="The stored image.")
    profile: Profile | None = strawberry.field(default=None, description="The viewer's profile with the new avatar.")


@strawberry.type(description="The cover, or the mistakes.")
class UploadCoverPayload(Payload):
    """The result of `uploadCover`."""

    image: MediaFile | None = strawberry.field(default=None, description="The stored image.")
    track: Track | None = strawberry.field(default=None, description="The track that it belongs to, if any.")


@strawberry.type(description="What was deleted, or the mistakes.")
class DeleteMediaPayload(Payload):
    """The result of `deleteMedia`."""

    deleted_file_id: strawberry.ID | None = strawberry.field(default=None, description="The file that is gone.")


async def upload_track(
    info: Info,
    file: Annotated[Upload, strawberry.argument(description="MP3, WAV, OGG, M4A or FLAC, at most 100 MB.")],
    title: Annotated[str | None, strawberry.argument(description="Without it: the tag's.")] = None,
    cover: Annotated[Upload | None, strawberry.argument(description="At most 10 MB.")] = None,
) -> TrackPayload:
    """Publish a track."""
    viewer = info.context.required_viewer
    uploads = info.context.services.uploads
    entity = await uploads.track(viewer, info.context.client, file, title=title, cover=cover)
    return TrackPayload(track=Track(entity=entity, view=await existing_view(info, entity.user_id)))


async def upload_other_audio(info: Info, file: Upload | None) -> MediaFile:
    """Keep audio that is not published: the legacy upload with the type `other`."""
    viewer = info.context.required_viewer
    entity = await info.context.services.uploads.track(viewer, info.context.client, file, as_other=True)
    return await media_file(info, entity)


async def upload_other_image(info: Info, file: Upload | None, bucket: Bucket) -> MediaFile:
    """Keep an image that is not shown by itself: the legacy uploads with the type `other`."""
    viewer = info.context.required_viewer
    entity = await info.context.services.uploads.other_image(viewer, info.context.client, file, bucket)
    return await media_file(info, entity)


async def upload_avatar(info: Info, file: ImageArgument) -> UploadAvatarPayload:
    """Replace the viewer's avatar."""
    viewer = info.context.required_viewer
    published = await info.context.services.uploads.avatar(viewer, info.context.client, file)
    profile = await changed_profile(info, viewer.user_id)
    return UploadAvatarPayload(image=await media_file(info, published.image), profile=profile)


async def upload_cover(
    info: Info,
    file: ImageArgument,
    track_id: Annotated[
        strawberry.ID | None,
        strawberry.argument(description="The `fileId` of a track; without it the cover serves all that have none."),
    ] = None,
) -> UploadCoverPayload:
    """Add a cover."""
    viewer = info.context.required_viewer
    bound = FileId(_known(track_id, "Track not found", "trackId")) if track_id else None
    if bound:
        await _require_visible(info, bound, "Track not found", "trackId")
    published = await info.context.services.uploads.cover(viewer, info.context.client, file, track_id=bound)
    image = await media_file(info, published.image)
    track = Track(entity=published.track, view=image.view) if published.track else None
    return UploadCoverPayload(image=image, track=track)


async def update_track(
    info: Info,
    file_id: FileIdArgument,
    input: Annotated[UpdateTrackInput, strawberry.argument(description="The texts to change.")],
) -> TrackPayload:
    """Change the texts of a track of the viewer's own."""
    viewer = info.context.required_viewer
    given = {
        name: UNSET if value is strawberry.UNSET else value
        for name, value in (("title", input.title), ("artist", input.artist), ("album", input.album))
    }
    found = FileId(_known(file_id, "Track not found", "fileId"))
    await _require_visible(info, found, "Track not found", "fileId")
    entity = await info.context.services.files.update_track(viewer, found, TrackChange(**given))
    return TrackPayload(track=Track(entity=entity, view=await existing_view(info, entity.user_id)))


async def delete_media(info: Info, file_id: FileIdArgument) -> DeleteMediaPayload:
    """Delete a file of the viewer's own."""
    viewer = info.context.required_viewer
    found = FileId(_known(file_id, "File not found", "fileId"))
    await _require_visible(info, found, "File not found", "fileId")
    await info.context.services.files.delete(viewer, found)
    return DeleteMediaPayload(deleted_file_id=strawberry.ID(found))


async def media_file(info: Info, entity: FileEntity) -> MediaFile:
    """Return a file of someone's as GraphQL shows it."""
    return MediaFile(entity=entity, view=await existing_view(info, entity.user_id))


async def _require_visible(info: Info, file_id: FileId, message: str, field: str) -> None:
    """Refuse a private person's file as if it were not there.

    Raises:
        NotFound: the viewer may not see that the file exists.
    """
    services = info.context.services
    file = await services.files.find(file_id)
    if file and not await services.visibility.may_see(info.context.viewer, file.user_id):
        raise NotFound(message, field=field)


def _known(text: str, message: str, field: str) -> str:
    found = parse_uuid(text)
    if found is None:
        raise NotFound(message, field=field)
    return found
