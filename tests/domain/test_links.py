"""The URLs of media: when they are signed, and which are one's own."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.contract_suites.scene import ANN, Clock, media, track
from tests.domain.test_visibility import PUBLIC

from pet.domain.files import FileType
from pet.domain.ids import FileId
from pet.domain.links import Links
from pet.domain.viewers import Role, Viewer
from pet.domain.visibility import view_of
from pet.security.links import LinkSigner

ID = "01968c2f-4b6a-7c31-8a52-3f0d9e1b7c44"
VIEWER = Viewer(ANN, Role.LISTENER)


@pytest.fixture
def links() -> Links:
    """Links of a service at a public address."""
    return Links("https://pet.example/", LinkSigner(b"0" * 32), Clock())


def test_a_public_file_has_a_plain_url(links: Links) -> None:
    song = track(ANN)
    files = [
        song,
        media(ANN, FileType.AVATAR),
        cover := media(ANN, FileType.COVER),
        bound := media(ANN, FileType.COVER, track_id=song.file_id),
        other := media(ANN, FileType.OTHER),
    ]
    assert [links.file(file, VIEWER, is_private=False) for file in files] == [
        f"https://pet.example/media/track/{song.file_id}",
        "https://pet.example/media/avatar/ann",
        f"https://pet.example/media/file/{cover.file_id}",
        f"https://pet.example/media/cover/{bound.track_id}",
        f"https://pet.example/media/file/{other.file_id}",
    ]
    assert links.track_cover(song, VIEWER, is_private=False) == f"https://pet.example/media/cover/{song.file_id}"


def test_a_private_file_is_signed_for_its_viewer_under_the_id_of_its_url(links: Links) -> None:
    song = track(ANN)
    cover = media(ANN, FileType.COVER, track_id=song.file_id)
    for url in (
        links.file(song, VIEWER, is_private=True),
        links.file(cover, VIEWER, is_private=True),
        links.track_cover(song, VIEWER, is_private=True),
    ):
        parts = urlsplit(url)
        parameters = dict(parse_qsl(parts.query))
        assert links.signed_for(FileId(parts.path.rpartition("/")[2]), parameters) == ANN
        assert links.signed_for(FileId(ID), parameters) is None


def test_nobody_and_nothing_public_is_signed_for(links: Links) -> None:
    song, avatar = track(ANN), media(ANN, FileType.AVATAR)
    assert "?" not in links.file(song, None, is_private=True)
    assert "?" not in links.file(avatar, VIEWER, is_private=True)


def test_a_profile_has_an_avatar_and_a_cover_or_none(links: Links) -> None:
    bare = view_of(None, PUBLIC._replace(avatar_file_id=None, cover_file_id=None), None)
    assert (links.avatar(bare), links.profile_cover(bare, None)) == (None, None)
    full = view_of(None, PUBLIC._replace(avatar_file_id=FileId(ID), cover_file_id=FileId(ID)), None)
    assert links.avatar(full) == "https://pet.example/media/avatar/ann"
    assert links.profile_cover(full, None) == f"https://pet.example/media/file/{ID}"


@pytest.mark.parametrize(
    "url",
    [
        f"https://pet.example/media/file/{ID}",
        f"https://pet.example/media/cover/{ID.upper()}",
        f"https://pet.example/media/file/{ID}?viewer=ann&signature=x",
        f"/media/file/{ID}",
    ],
)
def test_ones_own_image_is_known_by_its_url(links: Links, url: str) -> None:
    assert links.own_image(url) == ID


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/",
        "/media/file/",
        "/media/file/me",
        f"/media/track/{ID}",
        f"/media/avatar/{ID}",
        f"media/file/{ID}",
        f"//evil.example/media/file/{ID}",
        f"///media/file/{ID}/",
        f"https://evil.example/media/file/{ID}",
        f"https://pet.example.evil.example/media/file/{ID}",
        f"https://pet.example@evil.example/media/file/{ID}",
        f"https://pet.example:444/media/file/{ID}",
        f"http://pet.example/media/file/{ID}",
        f"javascript:/media/file/{ID}",
        f"https://pet.example/media/file/../file/{ID}",
        f"https://pet.example/x/../media/file/{ID}",
        f"https://pet.example/media%2Ffile/{ID}",
        f"https://pet.example\\media\\file\\{ID}",
        f"https://evil.example?https://pet.example/media/file/{ID}",
        f"https://evil.example#/media/file/{ID}",
        "http://[",
        "http://[::1/media/file/x",
        f"/media/file/{ID}\0",
        f"/media/file/{ID}/../x",
        "\ud800",
    ],
    ids=ascii,
)
def test_any_other_url_is_nobodys(links: Links, url: str) -> None:
    assert links.own_image(url) is None
