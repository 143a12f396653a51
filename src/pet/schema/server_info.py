"""What clients may know of the server: its version, and the limits that its operator has set."""

from __future__ import annotations

from importlib.metadata import version
from typing import cast

import strawberry

from pet.domain.media import AUDIO_TYPES, AVATAR_MAX_BYTES, COVER_MAX_BYTES, MAX_PIXELS, TRACK_MAX_BYTES
from pet.domain.paging import MAX_PAGE
from pet.schema.call import Info
from pet.schema.executing import Schema

PACKAGE = "pet-music"


@strawberry.type(description="The most that one operation may have. What fragments bring counts each time.")
class ServerLimits:
    """The limits of operations; beyond them an operation is denied with the code INVALID before it runs."""

    max_tokens: int = strawberry.field(description="Of the document that holds the operation.")
    max_depth: int = strawberry.field(description="Objects within objects; introspection is not counted.")
    max_fields: int = strawberry.field(description="Fields of all levels together.")
    max_aliases: int = strawberry.field(description="Aliased fields, and fields repeated beside each other.")
    max_root_fields: int = strawberry.field(description="Fields at the top.")
    max_directives: int = strawberry.field(description="Uses of `@include`, `@skip` and the like.")
    max_page_size: int = strawberry.field(description="The largest `first` of a connection.")
    max_cost: int = strawberry.field(
        description="Of one operation: an object costs 1, an item of a page as much as all that is asked about it, so"
        " pages within pages multiply; a change costs 10 more and a read of the schema 500."
    )
    cost_per_minute: int = strawberry.field(
        description="Of all operations of one viewer, or of one address without a token. A document that is new to the"
        " server costs 1 for each 20 characters besides. Beyond it: RATE_LIMITED. What an operation did cost, and what"
        " is left, is in `extensions.cost` of its answer."
    )
    max_seconds: int = strawberry.field(
        description="How long a query may run before it is ended with the code TIMEOUT; a mutation begins no further"
        " change then."
    )


@strawberry.type(description="A format in which files of a kind are taken. It is told by the bytes, never by a name.")
class UploadFormat:
    """A format that is accepted."""

    mime_type: str = strawberry.field(description="The media type under which the file is served later.")
    max_pixels: int | None = strawberry.field(description="Of a picture, width times height; null for sound.")


@strawberry.type(
    description="What a file of a kind may be; beyond it an upload is refused: TOO_LARGE or UNSUPPORTED_MEDIA."
)
class UploadLimit:
    """What one kind of file may be."""

    max_bytes: int = strawberry.field(description="The largest file.")
    formats: list[UploadFormat] = strawberry.field(description="The formats that are taken.")


@strawberry.type(description="What files may be uploaded.")
class UploadLimits:
    """The limits of uploads, by kind."""

    track: UploadLimit = strawberry.field(description="Of `uploadTrack`.")
    avatar: UploadLimit = strawberry.field(description="Of `uploadAvatar`.")
    cover: UploadLimit = strawberry.field(description="Of `uploadCover`, and of a track's own cover.")


@strawberry.type(description="What this server is and what an operation may ask of it.")
class ServerInfo:
    """What clients may know of the server."""

    version: str = strawberry.field(description="Of PET, after Semantic Versioning.")
    is_charged: bool = strawberry.field(description="Whether `costPerMinute` is enforced; off for load tests.")
    limits: ServerLimits = strawberry.field(description="The most that one operation may have.")
    upload_limits: UploadLimits = strawberry.field(description="What files may be uploaded.")


async def server_info(info: Info) -> ServerInfo:
    """Return what clients may know of the server."""
    rules = cast("Schema", info.schema).rules
    limits = rules.limits
    return ServerInfo(
        version=version(PACKAGE),
        is_charged=rules.is_charged,
        limits=ServerLimits(
            max_tokens=limits.tokens,
            max_depth=limits.depth,
            max_fields=limits.fields,
            max_aliases=limits.aliases,
            max_root_fields=limits.roots,
            max_directives=limits.directives,
            max_page_size=MAX_PAGE,
            max_cost=limits.cost,
            cost_per_minute=limits.budget,
            max_seconds=limits.seconds,
        ),
        upload_limits=UploadLimits(
            track=UploadLimit(
                max_bytes=TRACK_MAX_BYTES,
                formats=[UploadFormat(mime_type=mime_type, max_pixels=None) for mime_type in AUDIO_TYPES.values()],
            ),
            avatar=_of_images(AVATAR_MAX_BYTES),
            cover=_of_images(COVER_MAX_BYTES),
        ),
    )


def _of_images(max_bytes: int) -> UploadLimit:
    formats = [UploadFormat(mime_type=f"image/{kind}", max_pixels=pixels) for kind, pixels in MAX_PIXELS.items()]
    return UploadLimit(max_bytes=max_bytes, formats=formats)
