"""Uploads: from bytes of unknown worth to a file that the network knows.

The order makes crashes harmless: the bytes are staged, looked into, noted as about to be kept, kept, and only then is
there a record.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pet.domain.delivery import Delivery
from pet.domain.errors import Invalid, NotFound, TooLarge, Unavailable, UnsupportedMedia
from pet.domain.events import AvatarUploaded, CoverUploaded, Event, TrackUploaded
from pet.domain.files import Files, FileType, MediaFile
from pet.domain.ids import FileId, new_object_id, new_uuid7
from pet.domain.limits import UPLOAD_AVATAR, UPLOAD_COVER, UPLOAD_TRACK, Bucket, RateLimits, charged
from pet.domain.media import (
    AVATAR_MAX_BYTES,
    COVER_MAX_BYTES,
    MIB,
    STAGED_AT_MOST,
    TRACK_MAX_BYTES,
    AudioFacts,
    Blobs,
    CleanImage,
    ImageFormat,
    MediaInspector,
    StagedBlob,
)
from pet.domain.permissions import require_acting_for
from pet.domain.texts import MAX_FILE_NAME, MAX_TITLE, checked_text
from pet.domain.times import Clock
from pet.domain.viewers import Client, Viewer

ABANDONED_AFTER = timedelta(hours=1)
"""No upload takes this long from its first kept byte to its record."""

NO_AGE = timedelta(seconds=-1)
"""Older than this is everything, what was made in this very millisecond included."""

_SWEEP_BATCH = 100


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that has arrived: its name as the client sent it, and its bytes in a temporary object."""

    original_name: str
    blob: StagedBlob


@dataclass(frozen=True, slots=True)
class PublishedImage:
    """A stored image, and the track that it became the cover of."""

    image: MediaFile
    track: MediaFile | None = None


@dataclass(frozen=True, slots=True)
class _Picture:
    """A clean image, and its bytes in a temporary object."""

    image: CleanImage
    blob: StagedBlob


def require_size(size_bytes: int, limit_bytes: int) -> None:
    """Refuse what is larger than a limit.

    Raises:
        TooLarge: with the limit and the size in the sentence.
    """
    if size_bytes > limit_bytes:
        limit = limit_bytes // MIB
        size = max(round(size_bytes / MIB, 1), limit + 0.1)  # so that it never reads like the limit itself
        raise TooLarge(f"The file is too large: {size:g} MB, at most {limit} MB are allowed.", field="file")


class UploadService:
    """Takes tracks, avatars and covers in."""

    def __init__(
        self,
        files: Files,
        blobs: Blobs,
        inspector: MediaInspector,
        limits: RateLimits,
        delivery: Delivery,
        clock: Clock,
    ) -> None:
        self._files = files
        self._blobs = blobs
        self._inspector = inspector
        self._limits = limits
        self._delivery = delivery
        self._clock = clock

    def stage(self) -> AbstractAsyncContextManager[StagedBlob]:
        """Open a temporary object for a file that is arriving."""
        return self._blobs.stage()

    async def track(
        self,
        viewer: Viewer,
        client: Client,
        upload: Upload | None,
        *,
        title: str | None = None,
        cover: Upload | None = None,
        as_other: bool = False,
    ) -> MediaFile:
        """Publish a track; the cover given, else the embedded artwork, becomes its own cover.

        Args:
            as_other: keep it as other audio: no track, no cover, no event.

        Raises:
            RateLimited, Invalid, TooLarge, UnsupportedMedia: and nothing is kept.
        """
        async with charged(self._limits, UPLOAD_TRACK, client.address), AsyncExitStack() as stack:
            given = _required(upload, TRACK_MAX_BYTES)
            shown = checked_text(title, field="title", limit=MAX_TITLE) if title else None
            async with self._blobs.scratch() as artwork:
                facts = await self._audio(given, artwork.path)
                embedded = artwork.path if facts.has_artwork else None
                picture = None if as_other else await self._cover(stack, cover, embedded)
            track = self._track_record(viewer, given, facts, shown, as_other=as_other)
            if picture is None:
                await self._keep(given.blob, track, None if as_other else _published(track))
                return track
            record = self._image_record(viewer, FileType.COVER, "cover", picture, track_id=track.file_id)
            await self._keep(given.blob, track, _published(track), cover=(picture.blob, record))
            return (await self._files.get_many([track.file_id])).get(track.file_id, track)

    async def avatar(self, viewer: Viewer, client: Client, upload: Upload | None) -> PublishedImage:
        """Make an image the viewer's avatar; the old one goes with its bytes.

        Raises:
            RateLimited, Invalid, TooLarge, UnsupportedMedia: and nothing is kept.
        """
        async with charged(self._limits, UPLOAD_AVATAR, client.address):
            given = _required(upload, AVATAR_MAX_BYTES)
            async with self._cleaned(given) as picture:
                file = self._image_record(viewer, FileType.AVATAR, given.original_name, picture)
                event = AvatarUploaded(user_id=file.user_id, occurred_at=file.created_at, file_id=file.file_id)
                await self._keep(picture.blob, file, event)
            return PublishedImage(file)

    async def other_image(self, viewer: Viewer, client: Client, upload: Upload | None, bucket: Bucket) -> MediaFile:
        """Keep an image that is neither avatar nor cover: no event.

        Args:
            bucket: that of the route by which it comes, whose front may set a lower limit than a cover's.

        Raises:
            RateLimited, Invalid, TooLarge, UnsupportedMedia: and nothing is kept.
        """
        async with charged(self._limits, bucket, client.address):
            given = _required(upload, COVER_MAX_BYTES)
            async with self._cleaned(given) as picture:
                file = self._image_record(viewer, FileType.OTHER, given.original_name, picture)
                await self._keep(picture.blob, file, None)
            return file

    async def cover(
        self,
        viewer: Viewer,
        client: Client,
        upload: Upload | None,
        *,
        track_id: FileId | None = None,
    ) -> PublishedImage:
        """Make an image a track's cover, or the viewer's newest cover, which serves the tracks that have none.

        Raises:
            NotFound: there is no such track.
            Forbidden: it is someone else's.
            RateLimited, Invalid, TooLarge, UnsupportedMedia: and nothing is kept.
        """
        async with charged(self._limits, UPLOAD_COVER, client.address):
            given = _required(upload, COVER_MAX_BYTES)
            if track_id:
                await self._require_own_track(viewer, track_id)
            async with self._cleaned(given) as picture:
                file = self._image_record(viewer, FileType.COVER, given.original_name, picture, track_id=track_id)
                event = CoverUploaded(
                    user_id=file.user_id, occurred_at=file.created_at, file_id=file.file_id, track_id=track_id
                )
                await self._keep(picture.blob, file, event)
            track = (await self._files.get_many([track_id])).get(track_id) if track_id else None
            return PublishedImage(file, track)

    async def sweep(self, *, is_alone: bool = False) -> int:
        """Remove what crashes left behind; return how many objects went.

        Args:
            is_alone: nobody else takes uploads in, so none can be in flight: what there is goes, whatever its age.
        """
        staged_at_most, abandoned_after = (NO_AGE, NO_AGE) if is_alone else (STAGED_AT_MOST, ABANDONED_AFTER)
        count = await self._blobs.sweep(older_than=staged_at_most)
        return count + await self.remove_abandoned(abandoned_after)

    async def remove_abandoned(self, abandoned_after: timedelta = ABANDONED_AFTER) -> int:
        """Remove bytes that never got a record, and bytes whose record is gone; return how many objects went.

        Raises:
            Unavailable: a store cannot be reached; what is left is removed the next time.
        """
        before, count = self._clock() - abandoned_after, 0
        while keys := await self._files.abandoned(before=before, limit=_SWEEP_BATCH):
            for key in keys:
                await self._blobs.remove(key)
            await self._files.release(keys)
            count += len(keys)
        return count

    async def _audio(self, upload: Upload, artwork: Path) -> AudioFacts:
        async with upload.blob.local_path() as path:
            return await self._inspector.audio(path, artwork=artwork)

    async def _cover(self, stack: AsyncExitStack, cover: Upload | None, embedded: Path | None) -> _Picture | None:
        """Return, until the stack ends, the cover that was sent, else the embedded artwork if it is a sound image."""
        if cover is not None:
            return await stack.enter_async_context(self._cleaned(_required(cover, COVER_MAX_BYTES)))
        if embedded is not None:
            with suppress(UnsupportedMedia):
                return await stack.enter_async_context(self._cleaned_file(embedded))
        return None

    @asynccontextmanager
    async def _cleaned(self, upload: Upload) -> AsyncIterator[_Picture]:
        async with upload.blob.local_path() as path, self._cleaned_file(path) as picture:
            yield picture

    @asynccontextmanager
    async def _cleaned_file(self, path: Path) -> AsyncIterator[_Picture]:
        """Give what a worker makes of an image, moved from its file into a temporary object piece by piece."""
        async with self._blobs.stage() as staged:
            async with self._blobs.scratch() as clean:
                image = await self._inspector.image(path, clean=clean.path)
                async for piece in clean.pieces():
                    await staged.write(piece)
            yield _Picture(image, staged)

    async def _keep(
        self,
        blob: StagedBlob,
        file: MediaFile,
        event: Event | None,
        *,
        cover: tuple[StagedBlob, MediaFile] | None = None,
    ) -> None:
        """Make the bytes durable, then the record; whatever is refused in between leaves neither.

        When an engine breaks off, the record may have been stored nevertheless: then its note is gone and its bytes
        must stay. Else the note leads the next sweep to them.
        """
        pairs = [(blob, file), *([cover] if cover else [])]
        keys = [record.blob_key for _, record in pairs]
        await self._files.reserve(keys, self._clock())
        try:
            for staged, record in pairs:
                await staged.keep(record.blob_key, content_type=record.mime_type)
            events = await self._files.add(file, event, cover=cover[1] if cover else None)
        except Unavailable:
            raise
        except Exception:
            for key in keys:
                await self._blobs.remove(key)
            await self._files.release(keys)
            raise
        await self._delivery.deliver(events)

    async def _require_own_track(self, viewer: Viewer, track_id: FileId) -> None:
        track = (await self._files.get_many([track_id])).get(track_id)
        if track is None or track.type is not FileType.TRACK:
            raise NotFound("Track not found", field="trackId")
        require_acting_for(viewer, track.user_id, "This track belongs to someone else.", field="trackId")

    def _track_record(
        self, viewer: Viewer, upload: Upload, facts: AudioFacts, title: str | None, *, as_other: bool
    ) -> MediaFile:
        now, file_id = self._clock(), FileId(new_uuid7())
        return MediaFile(
            object_id=new_object_id(),
            file_id=file_id,
            user_id=viewer.user_id,
            type=FileType.OTHER if as_other else FileType.TRACK,
            original_name=_kept_name(upload.original_name),
            file_name=f"{file_id}.{facts.format}",
            mime_type=facts.mime_type,
            size_bytes=upload.blob.size_bytes,
            format=facts.format.value,
            created_at=now,
            updated_at=now,
            duration_seconds=facts.duration_seconds,
            bitrate_kbps=facts.bitrate_kbps,
            title=title or facts.title,
            artist=facts.artist,
            album=facts.album,
        )

    def _image_record(
        self, viewer: Viewer, kind: FileType, name: str, picture: _Picture, *, track_id: FileId | None = None
    ) -> MediaFile:
        now, file_id, image = self._clock(), FileId(new_uuid7()), picture.image
        extension = "jpg" if image.format is ImageFormat.JPEG else image.format.value
        return MediaFile(
            object_id=new_object_id(),
            file_id=file_id,
            user_id=viewer.user_id,
            type=kind,
            original_name=_kept_name(name),
            file_name=f"{file_id}.{extension}",
            mime_type=image.mime_type,
            size_bytes=picture.blob.size_bytes,
            format=image.format.value,
            created_at=now,
            updated_at=now,
            width=image.width,
            height=image.height,
            track_id=track_id,
        )


def _published(track: MediaFile) -> TrackUploaded:
    return TrackUploaded(user_id=track.user_id, occurred_at=track.created_at, file_id=track.file_id)


def _required(upload: Upload | None, limit_bytes: int) -> Upload:
    if upload is None or upload.blob.size_bytes == 0:
        raise Invalid("File is required", field="file")
    require_size(upload.blob.size_bytes, limit_bytes)
    return upload


def _kept_name(name: str) -> str:
    """Keep a name as it was sent, of any language; only its length is bounded, and what no text may hold is dropped."""
    return name.encode("utf-8", "replace").decode().replace("\x00", "")[:MAX_FILE_NAME] or "file"
