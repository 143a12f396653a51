"""Files and tracks: what was uploaded, and lists of it."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import strawberry

from pet.domain.files import FileList, FileType
from pet.domain.files import MediaFile as FileEntity
from pet.domain.ids import FileId, parse_uuid
from pet.domain.paging import Page, Position
from pet.domain.visibility import ProfileView
from pet.domain.waveforms import POINTS, Waveform, pending, require_points
from pet.schema.call import Info
from pet.schema.connections import Cursor, PageInfo, asked, cursors, page_info
from pet.schema.interfaces import Node
from pet.schema.scalars import global_id

if TYPE_CHECKING:
    from pet.schema.profiles import Profile

_EMPTY: Page[FileEntity] = Page(items=[], has_next=False)


@strawberry.enum(name="MediaType", description="What a file is for.")
class MediaTypeName(Enum):
    """Types of files, spelt as the legacy routes spell them."""

    avatar = strawberry.enum_value("avatar", description="The image of a person.")
    track = strawberry.enum_value("track", description="Published audio.")
    cover = strawberry.enum_value("cover", description="The image of a track, or of all tracks that have none.")
    other = strawberry.enum_value("other", description="Other audio or another image: neither published nor counted.")


@strawberry.enum(description="How far what is made of a track after its upload has come.")
class TrackProcessing(Enum):
    """States of the background's work on a track."""

    PENDING = strawberry.enum_value("pending", description="It waits, or is being worked on.")
    READY = strawberry.enum_value("ready", description="All is there.")
    FAILED = strawberry.enum_value("failed", description="The sound could not be decoded: there will be no waveform.")


@strawberry.type(description="What a file says of itself; images and audio have different parts of it.")
class MediaMetadata:
    """Facts that were read from the bytes."""

    duration: float | None = strawberry.field(description="Audio: seconds, with fractions.")
    bitrate: int | None = strawberry.field(description="Audio: the average in kbit/s.")
    format: str | None = strawberry.field(description="mp3, wav, ogg, m4a, flac, jpeg, png or webp.")
    width: int | None = strawberry.field(description="Images: pixels, after turning upright.")
    height: int | None = strawberry.field(description="Images: pixels, after turning upright.")


@strawberry.type
class StoredFile:
    """What a file of any type shows, with the view of its owner; not a type of the schema by itself."""

    entity: strawberry.Private[FileEntity]
    view: strawberry.Private[ProfileView]

    @strawberry.field(description="The id that the REST routes use.")
    def file_id(self) -> strawberry.ID:
        return strawberry.ID(self.entity.file_id)

    @strawberry.field(description="The name that the file was sent with, in any language.")
    def original_name(self) -> str:
        return self.entity.original_name

    @strawberry.field(description="What the bytes are, whatever the client said.")
    def mime_type(self) -> str:
        return self.entity.mime_type

    @strawberry.field(description="Bytes.")
    def size(self) -> int:
        return self.entity.size_bytes

    @strawberry.field(description="Where the bytes are; signed, and good for hours, where the owner is private.")
    def url(self, info: Info) -> str:
        return info.context.services.links.file(self.entity, info.context.viewer, is_private=self.view.is_private)

    @strawberry.field(description="When it was uploaded.")
    def created_at(self) -> datetime:
        return self.entity.created_at


@strawberry.type(description="A stored file of any type.")
class MediaFile(StoredFile):
    """A file of any type."""

    @strawberry.field(description="What the file is for.")
    def type(self) -> MediaTypeName:
        return MediaTypeName(self.entity.type.value)

    @strawberry.field(description="The name that the file was given here.")
    def file_name(self) -> str:
        return self.entity.file_name

    @strawberry.field(description="What was read from the bytes.")
    def metadata(self) -> MediaMetadata:
        file = self.entity
        return MediaMetadata(
            duration=file.duration_seconds,
            bitrate=file.bitrate_kbps,
            format=file.format,
            width=file.width,
            height=file.height,
        )

    @strawberry.field(description="When the record last changed.")
    def updated_at(self) -> datetime:
        return self.entity.updated_at


@strawberry.type(description="A published track.")
class Track(StoredFile, Node):
    """A track."""

    def global_id(self) -> strawberry.ID:
        """Return the global id."""
        return global_id("Track", self.entity.file_id)

    @strawberry.field(description="The edited title, else the tag's, else the file's name without its extension.")
    def title(self) -> str:
        return self.entity.shown_title

    @strawberry.field(description="The edited artist, else the tag's.")
    def artist(self) -> str | None:
        return self.entity.artist

    @strawberry.field(description="The edited album, else the tag's.")
    def album(self) -> str | None:
        return self.entity.album

    @strawberry.field(description="Seconds, with fractions.")
    def duration(self) -> float:
        return self.entity.duration_seconds or 0.0

    @strawberry.field(description="The average in kbit/s.")
    def bitrate(self) -> int:
        return self.entity.bitrate_kbps or 0

    @strawberry.field(description="mp3, wav, ogg, m4a or flac.")
    def format(self) -> str:
        return self.entity.format

    @strawberry.field(description="The track's own cover, else the uploader's newest; null where there is neither.")
    async def cover_url(self, info: Info) -> str | None:
        if not self.entity.cover_file_id and not await info.context.loaders.newest_cover.load(self.entity.user_id):
            return None
        links = info.context.services.links
        return links.track_cover(self.entity, info.context.viewer, is_private=self.view.is_private)

    @strawberry.field(description="Plays: one per listener in 30 minutes, the owner's own not counted.")
    def play_count(self) -> int:
        return self.entity.play_count

    @strawberry.field(description="How far the waveform, which is made in the background, has come.")
    async def processing(self, info: Info) -> TrackProcessing:
        return TrackProcessing((await self._waveform(info)).processing.value)

    @strawberry.field(
        description="Peaks of the sound from 0 to 1, from start to end, each the loudest of its part; null until they"
        " are computed (`processing` tells)."
    )
    async def waveform(
        self,
        info: Info,
        points: Annotated[int, strawberry.argument(description=f"How many peaks to return, 1 to {POINTS}.")] = 200,
    ) -> list[float] | None:
        require_points(points)
        return (await self._waveform(info)).points(points)

    @strawberry.field(
        description="A picture of the waveform (SVG, in the colour of the text around it; `points` in the query is from"
        f" 1 to {POINTS}); signed where the owner is private; null until it is ready."
    )
    async def waveform_url(self, info: Info) -> str | None:
        if (await self._waveform(info)).peaks is None:
            return None
        return info.context.services.links.waveform(self.entity, info.context.viewer, is_private=self.view.is_private)

    async def _waveform(self, info: Info) -> Waveform:
        return await info.context.loaders.waveform.load(self.entity.file_id) or pending(self.entity.file_id)

    @strawberry.field(description="Who published the track.")
    def owner(self) -> Annotated[Profile, strawberry.lazy("pet.schema.profiles")]:
        from pet.schema.profiles import Profile  # noqa: PLC0415 - tracks and people refer to each other

        return Profile(view=self.view)


@strawberry.type(description="A track in a list.")
class TrackEdge:
    """A track in a list."""

    cursor: Cursor = strawberry.field(graphql_type=str, description="The place in the list.")
    node: Track = strawberry.field(description="The track.")


@strawberry.type(description="A page of tracks.")
class TrackConnection:
    """A page of tracks."""

    edges: list[TrackEdge] = strawberry.field(description="The tracks of this page.")
    page_info: PageInfo = strawberry.field(description="Where the page lies.")
    total_count: int = strawberry.field(description="How many tracks the list has on all pages.")


@strawberry.type(description="A file in a list.")
class MediaFileEdge:
    """A file in a list."""

    cursor: Cursor = strawberry.field(graphql_type=str, description="The place in the list.")
    node: MediaFile = strawberry.field(description="The file.")


@strawberry.type(description="A page of files.")
class MediaFileConnection:
    """A page of files."""

    view: strawberry.Private[ProfileView]
    edges: list[MediaFileEdge] = strawberry.field(description="The files of this page.")
    page_info: PageInfo = strawberry.field(description="Where the page lies.")

    @strawberry.field(description="How many files the list has on all pages; counted only when asked for.")
    async def total_count(self, info: Info) -> int:
        if not self.view.is_full:
            return 0
        return await info.context.loaders.audio_count.load(self.view.user_id) or 0


async def track(
    info: Info, file_id: Annotated[strawberry.ID, strawberry.argument(description="The track's `fileId`.")]
) -> Track | None:
    """Return a track that the viewer may see, or None."""
    found = parse_uuid(file_id)
    file = await info.context.loaders.file.load(FileId(found)) if found else None
    if file is None or file.type is not FileType.TRACK:
        return None
    owner = await info.context.loaders.profile.load(file.user_id)
    return Track(entity=file, view=owner) if owner and owner.is_full else None


async def files_page(
    info: Info, view: ProfileView, which: FileList, *, after: Position | None, limit: int
) -> Page[FileEntity]:
    """Return a page of a person's files, newest first; empty where the viewer may not see them."""
    if not view.is_full:
        return _EMPTY
    return await info.context.loaders.files.load(view.user_id, which, after=after, limit=limit)


async def track_connection(info: Info, view: ProfileView, first: int | None, after: str | None) -> TrackConnection:
    """Return a page of a person's tracks."""
    kind = FileList.TRACKS.value
    limit, position = asked(kind, first, after)
    page = await files_page(info, view, FileList.TRACKS, after=position, limit=limit)
    edges = [
        TrackEdge(cursor=cursor, node=Track(entity=file, view=view))
        for cursor, file in zip(cursors(kind, page, position_of_file), page.items, strict=True)
    ]
    return TrackConnection(
        edges=edges,
        page_info=page_info([edge.cursor for edge in edges], page, after=position),
        total_count=view.list_sizes.tracks,
    )


async def media_file_connection(
    info: Info, view: ProfileView, first: int | None, after: str | None
) -> MediaFileConnection:
    """Return a page of a person's audio files."""
    kind = FileList.AUDIO.value
    limit, position = asked(kind, first, after)
    page = await files_page(info, view, FileList.AUDIO, after=position, limit=limit)
    edges = [
        MediaFileEdge(cursor=cursor, node=MediaFile(entity=file, view=view))
        for cursor, file in zip(cursors(kind, page, position_of_file), page.items, strict=True)
    ]
    return MediaFileConnection(
        view=view, edges=edges, page_info=page_info([edge.cursor for edge in edges], page, after=position)
    )


def position_of_file(file: FileEntity) -> Position:
    """Return where a file stands in its lists."""
    return Position(at=file.created_at, id=file.file_id)
