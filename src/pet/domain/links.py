"""Links: the URLs under which media are found, signed where only some may follow them."""

from __future__ import annotations

from urllib.parse import quote, urlencode, urlsplit

from pet.domain.exports import DataExport
from pet.domain.files import FileType, MediaFile
from pet.domain.ids import ExportId, FileId, UserId, parse_uuid
from pet.domain.times import Clock
from pet.domain.tokens import MediaLinkSigner
from pet.domain.viewers import Viewer
from pet.domain.visibility import ProfileView


class Links:
    """Builds URLs from the public address of the service, never from what a request says of it."""

    def __init__(self, public_url: str, signer: MediaLinkSigner, clock: Clock) -> None:
        self._public_url = public_url.rstrip("/")
        self._signer = signer
        self._clock = clock

    def avatar(self, view: ProfileView) -> str | None:
        """Return the URL of someone's avatar, None before the first; avatars are for everyone."""
        return self.avatar_of(view.user_id) if view.profile.avatar_file_id else None

    def avatar_of(self, user_id: UserId) -> str:
        """Return the URL of the avatar of someone who has one."""
        return f"{self._public_url}/media/avatar/{user_id}"

    def profile_cover(self, view: ProfileView, viewer: Viewer | None) -> str | None:
        """Return the URL of a profile's cover image, None where there is none."""
        file_id = view.profile.cover_file_id
        return self.cover_image(file_id, viewer, is_private=view.is_private) if file_id else None

    def cover_image(self, file_id: FileId, viewer: Viewer | None, *, is_private: bool) -> str:
        """Return the URL of an image behind a profile's head; `is_private` tells whether the profile is."""
        return self._media("file", file_id, viewer, is_private=is_private)

    def file(self, file: MediaFile, viewer: Viewer | None, *, is_private: bool) -> str:
        """Return the URL of a file's bytes; `is_private` tells whether the owner's profile is."""
        if file.type is FileType.AVATAR:
            return self.avatar_of(file.user_id)
        if file.type is FileType.TRACK:
            return self._media("track", file.file_id, viewer, is_private=is_private)
        if file.track_id:
            return self._media("cover", file.track_id, viewer, is_private=is_private)
        return self._media("file", file.file_id, viewer, is_private=is_private)

    def track_cover(self, track: MediaFile, viewer: Viewer | None, *, is_private: bool) -> str:
        """Return the URL of a track's cover."""
        return self._media("cover", track.file_id, viewer, is_private=is_private)

    def waveform(self, track: MediaFile, viewer: Viewer | None, *, is_private: bool) -> str:
        """Return the URL of the picture of a track's waveform."""
        return self._media("track", track.file_id, viewer, is_private=is_private, part="/waveform.svg")

    def signed_for(self, file_id: FileId, parameters: dict[str, str]) -> UserId | None:
        """Return the user for whom a request's parameters were signed, None when they are not valid now."""
        return self._signer.verify(file_id, parameters, self._clock())

    def export(self, export: DataExport) -> str:
        """Return the URL by which the owner of an archive fetches it for some hours, without a token."""
        parameters = self._signer.sign(_signed_id(export.export_id), export.user_id, self._clock())
        return f"{self._public_url}/exports/{export.export_id}?{urlencode(parameters)}"

    def export_signed_for(self, export_id: ExportId, parameters: dict[str, str]) -> UserId | None:
        """Return the owner for whom the URL of an archive was signed, None when it is not valid now."""
        return self._signer.verify(_signed_id(export_id), parameters, self._clock())

    def own_image(self, url: str) -> FileId | None:
        """Return the file id of a media URL of this service, with or without its address; None for any other URL."""
        path = url.removeprefix(self._public_url)
        try:
            parts = urlsplit(path)
        except ValueError:  # such as http://[
            return None
        prefix, _, file_id = parts.path.rpartition("/")
        found = parse_uuid(file_id)
        if parts.scheme or parts.netloc or prefix not in ("/media/file", "/media/cover") or found is None:
            return None
        return FileId(found)

    def _media(self, kind: str, file_id: FileId, viewer: Viewer | None, *, is_private: bool, part: str = "") -> str:
        url = f"{self._public_url}/media/{kind}/{quote(file_id)}{part}"
        if not is_private or viewer is None:
            return url
        return f"{url}?{urlencode(self._signer.sign(file_id, viewer.user_id, self._clock()))}"


def _signed_id(export_id: ExportId) -> FileId:
    """Return what is signed of an archive: a link of a file must not open one, nor the other way round."""
    return FileId(f"export {export_id}")
