"""The JSON of the legacy routes, as the document's section 5 has it: what handlers render, and what bodies hold.

Type checkers compare what is rendered with these shapes, and the description of the API is made of them. In answers a
`Maybe` is absent when there is none; in bodies an absent field stays as it was and null clears it. Parameters of paths
and queries are shapes as well.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from pet.domain.feed import Action
from pet.domain.follows import FollowState
from pet.openapi.schemas import Maybe, about
from pet.rest_compat.kinds import (
    AnyRole,
    AskedId,
    AvatarBytes,
    Bio,
    ChosenRole,
    Count,
    CoverBytes,
    Cursor,
    DisplayName,
    Email,
    ExportId,
    FileId,
    FileKind,
    FileName,
    FormType,
    Link,
    Location,
    MimeType,
    Moment,
    NewPassword,
    ObjectId,
    PageSize,
    Password,
    PathName,
    Points,
    Tags,
    Token,
    TrackBytes,
    TrackOfCover,
    Url,
    UserId,
    Username,
)


class User(TypedDict):
    """An account, as its owner sees it."""

    id: UserId
    email: Email
    username: Username
    role: AnyRole


class SocialLinks(TypedDict):
    """Where else someone is found."""

    youtube: Maybe[Link]
    vk: Maybe[Link]
    telegram: Maybe[Link]


class Stats(TypedDict):
    """Counters of a profile."""

    tracksCount: Count
    followersCount: Count
    followingCount: Count
    totalPlays: Count


class Preferences(TypedDict):
    """What an owner chose; others see the defaults."""

    emailNotifications: bool
    showOnlineStatus: bool
    privateProfile: bool


class Profile(TypedDict):
    """`IUserProfile`: a person, as far as the viewer may see them."""

    _id: ObjectId
    userId: UserId
    username: Username
    displayName: Maybe[DisplayName]
    bio: Maybe[Bio]
    avatarUrl: Maybe[Url]
    coverImageUrl: Maybe[Url]
    location: Maybe[Location]
    genres: Tags
    instruments: Tags
    socialLinks: SocialLinks
    stats: Stats
    preferences: Preferences
    role: AnyRole
    following: Annotated[list[UserId], about("Everyone whom they follow, newest first.")]
    createdAt: Moment
    updatedAt: Moment


class FileMetadata(TypedDict):
    """What the bytes say of themselves: durations of audio, sizes of images."""

    duration: Maybe[Annotated[int, about("Seconds.", 180, minimum=0)]]
    bitrate: Maybe[Annotated[int, about("Kbit/s on average.", 320, minimum=0)]]
    width: Maybe[Annotated[int, about("Pixels.", 500, minimum=1)]]
    height: Maybe[Annotated[int, about("Pixels.", 500, minimum=1)]]
    format: Annotated[str, about("Of the file.", "mp3")]


class File(TypedDict):
    """`IMediaFileResponse`: a stored file."""

    fileId: FileId
    userId: UserId
    type: FileKind
    originalName: FileName
    fileName: Annotated[str, about("The generated name.", "01890a5d-ac96-774b-bcce-b302099a8057.mp3")]
    mimeType: MimeType
    size: Annotated[int, about("Bytes.", 5242880, minimum=0)]
    url: Url
    metadata: FileMetadata
    createdAt: Moment
    updatedAt: Maybe[Moment]


class PublicProfile(TypedDict):
    """`IPublicProfile`: a profile with its tracks, and how the viewer stands to it."""

    profile: Profile
    tracks: list[File]
    followersCount: Count
    followingCount: Count
    isFollowing: bool
    isOwnProfile: bool


class Follow(TypedDict):
    """One user follows another."""

    _id: ObjectId
    followerId: UserId
    followingId: UserId
    createdAt: Moment
    status: Maybe[Annotated[Literal[FollowState.PENDING], about("A private profile's owner has not accepted yet.")]]


class FollowCheck(TypedDict):
    """Whether one user follows another."""

    isFollowing: bool


class Activity(TypedDict):
    """An entry of a feed; `trackId` and `trackTitle` come with `track_published`."""

    userId: UserId
    username: Username
    avatarUrl: Maybe[Url]
    action: Action
    trackId: Maybe[FileId]
    trackTitle: Maybe[Annotated[str, about("The edited title, else the tag's, else the file's name.", "My New Song")]]
    createdAt: Moment


class Registration(TypedDict):
    """A person who joins."""

    email: Email
    username: Username
    password: NewPassword
    role: NotRequired[ChosenRole | None]


class Credentials(TypedDict):
    """What a person logs in with."""

    email: Annotated[str, about("Without regard to case.", "user@example.com", minLength=1)]
    password: Password


class RefreshToken(TypedDict):
    """The newest refresh token of a session."""

    refreshToken: Token


class PasswordChange(TypedDict):
    """A new password, and the old one as the proof."""

    userId: UserId
    oldPassword: Password
    newPassword: NewPassword


class SocialLinksChange(TypedDict):
    """Merged by key."""

    youtube: NotRequired[Link | None]
    vk: NotRequired[Link | None]
    telegram: NotRequired[Link | None]


class PreferencesChange(TypedDict):
    """Merged by key."""

    emailNotifications: NotRequired[bool | None]
    showOnlineStatus: NotRequired[bool | None]
    privateProfile: NotRequired[bool | None]


class ProfileChange(TypedDict):
    """What to change of a profile."""

    displayName: NotRequired[DisplayName | None]
    bio: NotRequired[Bio | None]
    location: NotRequired[Location | None]
    genres: NotRequired[Tags | None]
    instruments: NotRequired[Tags | None]
    socialLinks: NotRequired[SocialLinksChange | None]
    preferences: NotRequired[PreferencesChange | None]
    coverImageUrl: NotRequired[
        Annotated[str | None, about("The URL of one's own image at this service.", format="uri")]
    ]


class FollowBody(TypedDict):
    """Who follows: the token's user."""

    followerId: UserId


class UnfollowBody(TypedDict):
    """Who unfollows: the token's user, also when it is left out."""

    followerId: NotRequired[UserId | None]


class AvatarForm(TypedDict):
    """An avatar."""

    file: AvatarBytes
    userId: UserId
    type: NotRequired[FormType]


class TrackForm(TypedDict):
    """A track."""

    file: TrackBytes
    userId: UserId
    type: NotRequired[FormType]


class CoverForm(TypedDict):
    """A cover."""

    file: CoverBytes
    userId: UserId
    type: NotRequired[FormType]
    trackId: NotRequired[TrackOfCover]


class InPaths(TypedDict):
    """Parameters in paths."""

    id: UserId
    userId: UserId
    followerId: AskedId
    followingId: AskedId
    username: PathName
    trackId: FileId
    fileId: FileId
    exportId: ExportId


class OfPages(TypedDict):
    """What every list takes."""

    limit: NotRequired[PageSize]
    cursor: NotRequired[Cursor]


class EveryoneQuery(TypedDict):
    """Of the list of everyone."""

    excludeUserId: NotRequired[Annotated[str, about("Who is left out; what is no id is nobody.")]]


class PublicQuery(TypedDict):
    """Of a public profile."""

    viewerId: NotRequired[Annotated[str, about("Who looks; what is no id is nobody.")]]


class FeedQuery(TypedDict):
    """Of a feed."""

    userId: UserId


class FileQuery(TypedDict):
    """Of bytes."""

    download: NotRequired[Annotated[str, about("`1` makes browsers save the file under its original name.", "1")]]


class SignedQuery(FileQuery):
    """Of bytes that may be private: a signed URL works without a token, for hours, for whom it was handed to."""

    viewer: NotRequired[Annotated[str, about("Of a signed URL: for whom it was made.")]]
    expires: NotRequired[Annotated[str, about("Of a signed URL: until when it works, in seconds since 1970.")]]
    signature: NotRequired[Annotated[str, about("Of a signed URL: what proves the other two.")]]


class WaveformQuery(SignedQuery):
    """Of a picture of a waveform."""

    points: NotRequired[Points]
