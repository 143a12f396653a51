"""The kinds of values that cross the legacy routes, each with what its type cannot say: the letters of every shape."""

from __future__ import annotations

from typing import Annotated, Literal

from pet.domain.accounts import MAX_EMAIL
from pet.domain.files import FileType
from pet.domain.media import AVATAR_MAX_BYTES, COVER_MAX_BYTES, TRACK_MAX_BYTES
from pet.domain.paging import MAX_CURSOR, MAX_PAGE
from pet.domain.passwords import MAX_PASSWORD, MIN_PASSWORD
from pet.domain.texts import MAX_BIO, MAX_FILE_NAME, MAX_LINK, MAX_LOCATION, MAX_NAME, MAX_TAG, MAX_TAGS
from pet.domain.viewers import Role
from pet.domain.waveforms import POINTS
from pet.openapi.schemas import About, about

_UUID = "01890a5d-ac96-774b-bcce-b302099a8057"
_MIB = 1024 * 1024

ObjectId = Annotated[str, about("The record's own id.", "65a1b2c3d4e5f60718293a4b", pattern="^[0-9a-f]{24}$")]
UserId = Annotated[str, about("A user's id.", _UUID, format="uuid")]
AskedId = Annotated[str, about("A user's id; what is none follows nobody, and nobody follows it.", _UUID, minLength=1)]
FileId = Annotated[str, about("A file's id.", _UUID, format="uuid")]
ExportId = Annotated[str, about("The id of an archive of someone's data.", _UUID, format="uuid")]
Moment = Annotated[str, about("A moment in UTC, with milliseconds.", "2026-01-31T12:00:00.000Z", format="date-time")]
Url = Annotated[str, about("An address of this service.", f"http://localhost:3000/media/file/{_UUID}", format="uri")]

Email = Annotated[str, about("Unique without regard to case.", "user@example.com", format="email", maxLength=MAX_EMAIL)]
Username = Annotated[
    str,
    about("Unique without regard to case; a few words are reserved.", "johndoe", pattern=r"^[A-Za-z0-9_.\-]{3,30}$"),
]
NewPassword = Annotated[
    str, about("Without control characters.", "securePassword123", minLength=MIN_PASSWORD, maxLength=MAX_PASSWORD)
]
Password = Annotated[str, about("The one that was chosen.", "securePassword123", minLength=1)]
Token = Annotated[
    str, about("A JSON Web Token, opaque to clients.", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", minLength=1)
]

AnyRole = Annotated[Role, about("Operators alone make admins.", Role.MUSICIAN)]
ChosenRole = Annotated[Literal["musician", "listener"], about("Without it, a listener.", "musician")]

DisplayName = Annotated[str, about("The name that is shown.", "John Doe", maxLength=MAX_NAME)]
Bio = Annotated[str, about("Of any number of lines.", "Musician from Moscow", maxLength=MAX_BIO)]
Location = Annotated[str, about("A place, in words.", "Moscow, Russia", maxLength=MAX_LOCATION)]
Tag = Annotated[str, about("A word or a few.", "rock", maxLength=MAX_TAG)]
Tags = Annotated[list[Tag], about("In the given order, without doubles.", ["rock", "jazz"], maxItems=MAX_TAGS)]
Link = Annotated[str, about("An http(s) URL, or @name.", "@johndoe", maxLength=MAX_LINK)]

Count = Annotated[int, about("A counter, exact at any moment.", 15, minimum=0)]
FileKind = Annotated[FileType, about("`other` is neither published nor shown by itself.", FileType.TRACK)]
FileName = Annotated[str, about("As its uploader sent it, in any language.", "my-song.mp3", maxLength=MAX_FILE_NAME)]
MimeType = Annotated[str, about("What the bytes are, whatever the client called them.", "audio/mpeg")]
FormType = Annotated[str, about("`other` keeps the file without publishing it; any other value is ignored.")]


def _file(kinds: str, max_bytes: int) -> About:
    return about(f"{kinds}; at most {max_bytes // _MIB} MB.", format="binary")


AvatarBytes = Annotated[str, _file("JPEG, PNG or WebP", AVATAR_MAX_BYTES)]
CoverBytes = Annotated[str, _file("JPEG, PNG or WebP", COVER_MAX_BYTES)]
TrackBytes = Annotated[str, _file("MP3, WAV, OGG (Vorbis, Opus), M4A (AAC, ALAC) or FLAC", TRACK_MAX_BYTES)]
TrackOfCover = Annotated[
    str,
    about(
        "The track whose own cover it becomes; empty is like absent.",
        pattern=r"^([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})?$",
    ),
]

PageSize = Annotated[
    int, about("Items of a page; without it and `cursor` the list is whole.", 20, minimum=1, maximum=MAX_PAGE)
]
Points = Annotated[int, about("Bars of the picture; 200 without it.", 200, minimum=1, maximum=POINTS)]
Cursor = Annotated[str, about("Where a page begins: from the `Link` of the page before.", maxLength=MAX_CURSOR)]
PathName = Annotated[str, about("A username, in any case.", "johndoe", minLength=1)]
