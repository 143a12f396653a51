"""Waveforms as a whole service makes and shows them, on each set-up."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from pet.domain.events import TrackUploaded
from pet.domain.files import FileType
from pet.domain.ids import FileId, UserId, new_uuid7
from pet.domain.waveforms import POINTS, Claim
from tests.conftest import Person, Service, StartService
from tests.media_factory import flac, jpeg, mp3
from tests.schema.seeding import Seeds, track_record
from tests.setups import kept_objects

TRACK = """query ($fileId: ID!, $points: Int) {
  track(fileId: $fileId) { processing waveform(points: $points) waveformUrl }
}"""
PENDING = {"processing": "PENDING", "waveform": None, "waveformUrl": None}
DEADLINE = 60.0
"""Far more than any of it takes."""


async def track_of(service: Service, file_id: str, *, by: Person | None = None, points: int = 200) -> dict[str, Any]:
    """Return what GraphQL tells of a track's waveform."""
    answer = await service.graphql(TRACK, {"fileId": file_id, "points": points}, by=by)
    found: dict[str, Any] = answer["data"]["track"]
    return found


async def processed(service: Service, file_id: str, *, by: Person | None = None) -> dict[str, Any]:
    """Return the same once the background is done with the track."""
    async with asyncio.timeout(DEADLINE):
        while True:
            found = await track_of(service, file_id, by=by)
            if found["processing"] != "PENDING":
                return found
            await asyncio.sleep(0.05)


async def upload(service: Service, by: Person, content: bytes) -> str:
    """Upload a track and return its id."""
    response = await service.upload("track", content, by=by, name="song.flac")
    file_id: str = response.json()["file"]["fileId"]
    return file_id


async def set_private(service: Service, person: Person) -> None:
    change = {"preferences": {"privateProfile": True}}
    response = await service.client.put(f"/users/{person.user_id}/profile", json=change, headers=person.headers)
    assert response.status_code == 200


def path_of(url: str) -> str:
    return url.removeprefix("http://localhost:3000")


async def test_an_uploaded_track_gets_its_waveform(start_service: StartService) -> None:
    service = await start_service(makes_waveforms=True)
    ann = await service.register("ann")
    file_id = await upload(service, ann, flac(2.0))
    found = await processed(service, file_id)
    assert found["processing"] == "READY"
    assert len(found["waveform"]) == 200
    assert all(0.3 < peak < 0.45 for peak in found["waveform"])
    assert found["waveformUrl"] == f"http://localhost:3000/media/track/{file_id}/waveform.svg"
    picture = await service.client.get(path_of(found["waveformUrl"]))
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/svg+xml")
    assert picture.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in picture.headers["content-security-policy"]
    assert picture.text.count("M") == 200
    assert not [key for key in kept_objects(service.settings) if key.parts[0] == "staging"]
    spool = service.settings.data_dir / "spool"
    assert not spool.exists() or not [path for path in spool.iterdir() if not path.name.startswith(".")]


async def test_what_cannot_be_decoded_fails_at_last(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pet.domain.waveforms.MAX_ATTEMPTS", 1)
    service = await start_service(makes_waveforms=True)
    ann = await service.register("ann")
    track = track_record(UserId(ann.user_id), at=service.parts.clock())
    async with service.engines.blobs.stage() as staged:
        await staged.write(b"no sound")
        await staged.keep(track.blob_key)
    event = TrackUploaded(user_id=track.user_id, occurred_at=track.created_at, file_id=track.file_id)
    await service.parts.delivery.deliver(await service.engines.documents.files.add(track, event))
    file_id = track.file_id
    assert await processed(service, file_id) == {"processing": "FAILED", "waveform": None, "waveformUrl": None}
    picture = await service.client.get(f"/media/track/{file_id}/waveform.svg")
    assert picture.status_code == 404
    assert picture.json()["error"] == "This track has no waveform: its sound could not be decoded."


@pytest.fixture
async def ready(service: Service) -> tuple[Person, str]:
    """Someone, and a track of theirs whose waveform is there, though nobody has decoded anything."""
    ann = await service.register("ann")
    seeds = Seeds(service.engines, service.parts.clock)
    file_id = await seeds.track(UserId(ann.user_id))
    waveforms, now = service.engines.documents.waveforms, service.parts.clock()
    claim = await waveforms.claim(now, until=now)
    assert isinstance(claim, Claim)
    assert await waveforms.finish(claim, bytes(number * 255 // POINTS for number in range(POINTS)))
    return ann, file_id


async def test_a_waveform_has_as_many_points_as_are_asked_for(service: Service, ready: tuple[Person, str]) -> None:
    _, file_id = ready
    assert (await track_of(service, file_id, points=1))["waveform"] == [0.996]
    assert (await track_of(service, file_id, points=4))["waveform"] == [0.247, 0.498, 0.745, 0.996]
    for points in (3, 7, 999, 1000):
        waveform = (await track_of(service, file_id, points=points))["waveform"]
        assert len(waveform) == points
        assert waveform == sorted(waveform)
    for points in (0, -1, 1001):
        answer = await service.graphql(TRACK, {"fileId": file_id, "points": points})
        assert answer["data"]["track"] is None or answer["data"]["track"]["waveform"] is None
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["INVALID"]


async def test_a_picture_is_revalidated_and_measured(service: Service, ready: tuple[Person, str]) -> None:
    _, file_id = ready
    path = f"/media/track/{file_id}/waveform.svg"
    whole = await service.client.get(path)
    assert whole.headers["cache-control"] == "public, no-cache"
    head = await service.client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert {**head.headers, "x-request-id": ""} == {**whole.headers, "x-request-id": ""}
    again = await service.client.get(path, headers={"If-None-Match": whole.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    fewer = await service.client.get(path, params={"points": "10"})
    assert fewer.headers["etag"] != whole.headers["etag"]
    assert re.findall(r"M(\d+) ", fewer.text) == [str(number) for number in range(10)]
    for points in ("0", "1001", "x", "", "-1", "1e3", "\u0661", "9" * 5000):
        refused = await service.client.get(path, params={"points": points})
        assert (refused.status_code, refused.json()["success"]) == (400, False)


async def test_a_picture_that_is_not_ready_is_not_found(service: Service) -> None:
    ann = await service.register("ann")
    file_id = await upload(service, ann, mp3())
    assert await track_of(service, file_id) == PENDING
    cover = (await service.upload("cover", jpeg(), by=ann, name="c.jpg")).json()["file"]["fileId"]
    expected = {file_id: "The waveform of this track is not ready yet. Please try again in a few seconds."}
    for other in (file_id, cover, new_uuid7(), "x"):
        refused = await service.client.get(f"/media/track/{other}/waveform.svg")
        assert (refused.status_code, refused.headers["content-type"]) == (404, "application/json")
        assert refused.json() == {"success": False, "error": expected.get(other, "Track not found")}


async def test_a_private_waveform_is_seen_by_whom_the_track_is_heard(
    service: Service, ready: tuple[Person, str]
) -> None:
    ann, file_id = ready
    path = f"/media/track/{file_id}/waveform.svg"
    await set_private(service, ann)
    bob = await service.register("bob")
    for person in (None, bob):
        assert (await service.graphql(TRACK, {"fileId": file_id}, by=person))["data"]["track"] is None
        refused = await service.client.get(path, headers=person.headers if person else {})
        assert (refused.status_code, refused.json()["error"]) == (404, "Track not found")
    url = (await track_of(service, file_id, by=ann))["waveformUrl"]
    assert url.startswith(f"http://localhost:3000{path}?")
    signed = await service.client.get(path_of(url))
    assert (signed.status_code, signed.headers["cache-control"]) == (200, "private, no-cache")
    assert (await service.client.get(path_of(url) + "&points=10")).text.count("M") == 10
    other = await Seeds(service.engines, service.parts.clock).track(UserId(ann.user_id))
    assert (await service.client.get(path_of(url).replace(file_id, other))).status_code == 404


async def test_a_deleted_track_has_no_waveform(service: Service, ready: tuple[Person, str]) -> None:
    ann, file_id = ready
    deleted = await service.client.delete(f"/media/track/{file_id}", headers=ann.headers)
    assert deleted.status_code == 200
    refused = await service.client.get(f"/media/track/{file_id}/waveform.svg")
    assert (refused.status_code, refused.json()["error"]) == (404, "Track not found")
    assert await service.engines.documents.waveforms.get_many([FileId(file_id)]) == {}


async def test_other_audio_has_none(start_service: StartService) -> None:
    service = await start_service()
    ann = await service.register("ann")
    other = (await service.upload("track", mp3(), by=ann, type=FileType.OTHER.value)).json()["file"]["fileId"]
    assert await service.engines.documents.waveforms.get_many([FileId(other)]) == {}
    assert (await service.client.get(f"/media/track/{other}/waveform.svg")).status_code == 404
