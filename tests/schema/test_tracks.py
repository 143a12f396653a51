"""Tracks and other media: what the mutations refuse, and that a refusal leaves nothing behind."""

from __future__ import annotations

from typing import Any

from pet.domain.ids import UserId, new_uuid7
from tests.conftest import Person, Service
from tests.media_factory import jpeg, mp3, png
from tests.schema.operations import File, answer_of, run, send_form
from tests.schema.seeding import Seeds
from tests.setups import kept_objects


async def mistake(
    service: Service, name: str, variables: dict[str, Any], *files: File, by: Person | None
) -> dict[str, Any]:
    """Run a mutation that must be refused, and return the one mistake; everything beside it is null."""
    (payload,) = (await answer_of(service, name, variables, *files, by=by))["data"].values()
    (found,) = payload.pop("userErrors")
    assert set(payload.values()) == {None}
    error: dict[str, Any] = found
    return error


async def stored(service: Service, person: Person) -> tuple[int, list[str]]:
    """Return how many tracks someone's card tells of, and which are listed; and that no bytes are left over."""
    page = await run(service, "ProfilePage", {"by": {"userId": person.user_id}})
    titles = [edge["node"]["title"] for edge in page["tracks"]["edges"]]
    assert page["tracks"]["totalCount"] == len(titles)
    return page["stats"]["tracksCount"], titles


async def published(service: Service, seeds: Seeds, by: Person, title: str = "Song") -> dict[str, Any]:
    """Put a track in, and return it."""
    file_id = await seeds.track(UserId(by.user_id), title=title)
    track: dict[str, Any] = await run(service, "TrackPage", {"fileId": file_id})
    return track


async def test_a_file_of_another_kind_is_refused_and_nothing_is_kept(service: Service, ann: Person) -> None:
    for name, content, code in (
        ("UploadTrack", b"no sound", "UNSUPPORTED_MEDIA"),
        ("UploadTrack", png(), "UNSUPPORTED_MEDIA"),
        ("UploadTrack", b"", "INVALID"),
        ("UploadAvatar", mp3(), "UNSUPPORTED_MEDIA"),
        ("UploadAvatar", b"\x89PNG" * (5 * 1024**2 // 4 + 1), "TOO_LARGE"),
        ("UploadCover", b"GIF89a", "UNSUPPORTED_MEDIA"),
    ):
        assert (await mistake(service, name, {}, ("file", "song.mp3", content), by=ann))["code"] == code
    assert await stored(service, ann) == (0, [])
    assert (await run(service, "ProfilePage", {"by": {"username": "ann"}}))["avatarUrl"] is None
    assert kept_objects(service.settings) == []


async def test_a_broken_cover_refuses_the_track_too(service: Service, ann: Person) -> None:
    files = (("file", "song.mp3", mp3()), ("cover", "cover.jpg", b"no picture"))
    assert (await mistake(service, "UploadTrack", {}, *files, by=ann))["code"] == "UNSUPPORTED_MEDIA"
    assert await stored(service, ann) == (0, [])


async def test_one_file_may_serve_two_variables(service: Service, ann: Person) -> None:
    query = """mutation ($avatar: Upload!, $cover: Upload!) {
      uploadAvatar(file: $avatar) { image { metadata { width } } userErrors { code } }
      uploadCover(file: $cover) { image { metadata { width } } userErrors { code } }
    }"""
    operations = {"query": query, "variables": {"avatar": None, "cover": None}}
    places = {"0": ["variables.avatar", "variables.cover"]}
    response = await send_form(service, operations, places, {"0": ("both.jpg", jpeg(30, 20))}, by=ann)
    kept = {"image": {"metadata": {"width": 30}}, "userErrors": []}
    assert response.json() == {"data": {"uploadAvatar": kept, "uploadCover": kept}}


async def test_a_new_avatar_replaces_the_old_one_under_the_same_url(service: Service, ann: Person) -> None:
    first = await run(service, "UploadAvatar", {}, ("file", "a.png", png(10, 10)), by=ann)
    second = await run(service, "UploadAvatar", {}, ("file", "b.jpg", jpeg(20, 20)), by=ann)
    assert second["image"]["url"] == first["image"]["url"]
    assert (await service.client.get(second["image"]["url"])).headers["content-type"] == "image/jpeg"
    error = await mistake(service, "DeleteMedia", {"fileId": first["image"]["fileId"]}, by=ann)
    assert error["code"] == "NOT_FOUND"


async def test_the_newest_cover_serves_tracks_without_their_own(service: Service, seeds: Seeds, ann: Person) -> None:
    track = await published(service, seeds, ann)
    assert track["coverUrl"] is None
    image = (await run(service, "UploadCover", {}, ("file", "c.jpg", jpeg()), by=ann))["image"]
    page = await run(service, "TrackPage", {"fileId": track["fileId"]})
    assert page["coverUrl"] == f"{service.settings.public_url}/media/cover/{track['fileId']}"
    await run(service, "DeleteMedia", {"fileId": image["fileId"]}, by=ann)
    assert (await run(service, "TrackPage", {"fileId": track["fileId"]}))["coverUrl"] is None


async def test_several_changes_of_one_request_see_each_others_effects(
    service: Service, seeds: Seeds, ann: Person
) -> None:
    await published(service, seeds, ann)
    file_ids = [(await published(service, seeds, ann, title))["fileId"] for title in ("Two", "Three")]
    answer = await service.graphql(
        """mutation ($a: ID!, $b: ID!) {
          one: updateTrack(fileId: $a, input: {title: "2"}) { track { owner { stats { tracksCount } } } }
          two: deleteMedia(fileId: $a) { deletedFileId }
          three: updateTrack(fileId: $b, input: {title: "3"}) { track { owner { stats { tracksCount } } } }
        }""",
        {"a": file_ids[0], "b": file_ids[1]},
        by=ann,
    )
    assert answer["data"]["one"]["track"]["owner"]["stats"]["tracksCount"] == 3
    assert answer["data"]["three"]["track"]["owner"]["stats"]["tracksCount"] == 2


async def test_texts_that_are_absent_stay_and_null_goes_back(service: Service, seeds: Seeds, ann: Person) -> None:
    track = await published(service, seeds, ann, "Title")
    for given, title, artist in (
        ({"artist": "Ann"}, "Title", "Ann"),
        ({"title": "New"}, "New", "Ann"),
        ({"title": None, "artist": None}, "file", None),
        ({}, "file", None),
    ):
        variables = {"fileId": track["fileId"], "input": given}
        updated = (await run(service, "UpdateTrack", variables, by=ann))["track"]
        assert (updated["title"], updated["artist"]) == (title, artist)


async def test_what_may_not_be_changed_is_not(service: Service, seeds: Seeds, ann: Person, bob: Person) -> None:
    avatar = (await run(service, "UploadAvatar", {}, ("file", "a.png", png()), by=ann))["image"]["fileId"]
    track = await published(service, seeds, ann)
    mine = track["fileId"]
    for file_id, given, by, code, field in (
        (mine, {"title": "x" * 201}, ann, "INVALID", "title"),
        (mine, {"album": "\x07"}, ann, "INVALID", "album"),
        (mine, {"title": "Stolen"}, bob, "FORBIDDEN", None),
        (mine, {"title": "Stolen"}, None, "UNAUTHENTICATED", None),
        (new_uuid7(), {"title": "x"}, ann, "NOT_FOUND", "fileId"),
        (avatar, {"title": "x"}, ann, "NOT_FOUND", "fileId"),
        ("x", {"title": "x"}, ann, "NOT_FOUND", "fileId"),
    ):
        error = await mistake(service, "UpdateTrack", {"fileId": file_id, "input": given}, by=by)
        assert (error["code"], error["field"]) == (code, field)
    assert await run(service, "TrackPage", {"fileId": mine}) == track


async def test_what_may_not_be_deleted_is_not(service: Service, seeds: Seeds, ann: Person, bob: Person) -> None:
    file_id = (await published(service, seeds, ann))["fileId"]
    for given, by, code in (
        (file_id, bob, "FORBIDDEN"),
        (file_id, None, "UNAUTHENTICATED"),
        (new_uuid7(), ann, "NOT_FOUND"),
        ("x", ann, "NOT_FOUND"),
    ):
        assert (await mistake(service, "DeleteMedia", {"fileId": given}, by=by))["code"] == code
    assert await stored(service, ann) == (1, ["Song"])
    await run(service, "DeleteMedia", {"fileId": file_id}, by=ann)
    assert await stored(service, ann) == (0, [])
    assert (await mistake(service, "DeleteMedia", {"fileId": file_id}, by=ann))["code"] == "NOT_FOUND"


async def test_a_cover_for_a_track_that_is_not_ones_own_is_refused(
    service: Service, seeds: Seeds, ann: Person, bob: Person
) -> None:
    file_id = (await published(service, seeds, ann))["fileId"]
    for given, code in ((file_id, "FORBIDDEN"), (new_uuid7(), "NOT_FOUND"), ("x", "NOT_FOUND")):
        error = await mistake(service, "UploadCover", {"trackId": given}, ("file", "c.jpg", jpeg()), by=bob)
        assert (error["code"], error["field"]) == (code, "trackId")
    assert (await run(service, "TrackPage", {"fileId": file_id}))["coverUrl"] is None


async def test_an_unknown_track_is_null(service: Service, ann: Person) -> None:
    avatar = (await run(service, "UploadAvatar", {}, ("file", "a.png", png()), by=ann))["image"]["fileId"]
    for file_id in (avatar, new_uuid7(), "x", "", "x" * 36):
        assert await run(service, "TrackPage", {"fileId": file_id}) is None
