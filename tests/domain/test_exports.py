"""Archives of someone's data: what is in them, and that one is made whatever happens, and goes in the end."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from contextlib import suppress
from datetime import datetime, timedelta
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from tests.contract_suites.leaving import Killed, Steps, Watched, stepping
from tests.contract_suites.scene import NOON, account, after, media, session, track
from tests.domain.conftest import House, exporting

from pet.domain.errors import NotFound, Service, Unavailable
from pet.domain.events import TrackUploaded, UserCreated, UserDeleted, UserUpdated
from pet.domain.exports import FIRST_PAUSE, KEPT_FOR, LEASE, MAX_ATTEMPTS, PAUSE, DataExport, ExportState
from pet.domain.files import FileType, MediaFile
from pet.domain.follows import Follow, FollowState
from pet.domain.ids import ExportId, UserId, new_object_id
from pet.domain.viewers import Role, Viewer
from pet.storage.sql.database import Database


async def someone(house: House, name: str = "ann") -> UserId:
    """Register someone who is logged in."""
    person = account(name)
    created = UserCreated(user_id=person.user_id, occurred_at=NOON, username=name, role="musician")
    await house.store.accounts.add(person, created)
    await house.store.deliver(created)
    await house.store.sessions.add(session(f"of {name}", person.user_id))
    return person.user_id


async def with_bytes(house: House, file: MediaFile, content: bytes) -> MediaFile:
    """Publish a file with its bytes."""
    async with house.blobs.stage() as staged:
        await staged.write(content)
        await staged.keep(file.blob_key)
    event = TrackUploaded(user_id=file.user_id, occurred_at=file.created_at, file_id=file.file_id)
    is_track = file.type is FileType.TRACK
    await house.store.deliver(*await house.store.files.add(file, event if is_track else None))
    return file


async def ask(house: House, user_id: UserId) -> DataExport:
    return await house.exports.start(Viewer(user_id, Role.MUSICIAN))


async def made(house: House, user_id: UserId) -> DataExport:
    """Have an archive made, and return it."""
    await ask(house, user_id)
    assert await house.exports.make_next()
    found = await house.exports.find(user_id)
    assert found is not None
    return found


async def members(house: House, export: DataExport) -> dict[str, bytes]:
    """Return what an archive holds, by path; its size is as it is told."""
    content = b"".join([chunk async for chunk in house.exports.read(export, 0, export.size_bytes)])
    assert len(content) == export.size_bytes == await house.blobs.size(export.blob_keys[-1])
    with ZipFile(BytesIO(content)) as file:
        assert file.testzip() is None
        return {name: file.read(name) for name in file.namelist()}


def archives(house: House) -> list[Path]:
    """Return the files of all archives that are kept, temporary ones included."""
    assert house.blobs.folder is not None
    folders = [house.blobs.folder / name for name in ("exports", "staging")]
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


async def test_an_archive_holds_everything_that_is_kept_of_someone(house: House) -> None:
    ann, bob, eve, kim = [await someone(house, name) for name in ("ann", "bob", "eve", "kim")]
    await house.store.follows.block(Follow(new_object_id(), kim, ann, FollowState.BLOCKED, NOON))
    for pair in ((ann, bob), (bob, ann), (eve, ann)):
        await house.store.follow(*pair, minutes=1)
    song = await with_bytes(house, track(ann, minutes=-2), b"song" * 500_000)
    image = await with_bytes(house, media(ann, FileType.COVER, minutes=-1, track_id=song.file_id), b"image")
    others = [
        await with_bytes(house, media(ann, FileType.OTHER, minutes=-number), f"{number}".encode())
        for number in range(3)
    ]
    face = await with_bytes(house, media(ann, FileType.AVATAR), b"face")
    await with_bytes(house, track(bob), b"not hers")
    await house.store.deliver(UserUpdated(user_id=ann, occurred_at=after(90), is_news=True))

    export = await made(house, ann)
    found = await members(house, export)
    originals = {f"originals/{file.type}/{file.file_name}": file for file in (song, image, *others, face)}
    documents = {name: json.loads(body) for name, body in found.items() if name.endswith(".json")}
    assert set(found) == {*originals, *documents}
    assert documents["account.json"] == {
        "userId": ann,
        "email": "ann@example.com",
        "username": "ann",
        "role": "listener",
        "createdAt": "2026-05-01T12:00:00.000Z",
    }
    assert documents["profile.json"]["stats"] == {"tracks": 1, "followers": 2, "following": 1, "plays": 0}
    assert [each["userAgent"] for each in documents["sessions.json"]] == ["Mozilla/5.0 (тест)"]
    assert {each["username"] for each in documents["followers.json"]} == {"bob", "eve"}
    [followed] = documents["following.json"]
    assert followed == {"userId": bob, "username": "bob", "since": "2026-05-01T12:01:00.000Z"}
    assert documents["follow-requests.json"] == documents["sent-follow-requests.json"] == []
    assert [(each["userId"], each["username"]) for each in documents["blocks.json"]] == [(kim, "kim")]
    assert [each["action"] for each in documents["activities.json"]] == ["profile_updated", "track_published"]
    assert {each["path"]: each["size"] for each in documents["files.json"]} == {
        path: file.size_bytes for path, file in originals.items()
    }
    assert found[f"originals/track/{song.file_name}"] == (b"song" * 500_000)[: song.size_bytes]
    manifest = documents["manifest.json"]
    assert (manifest["format"], manifest["missing"]) == ("pet-data-export/1", [])
    assert {each["path"]: each["sha256"] for each in manifest["members"]} == {
        name: hashlib.sha256(body).hexdigest() for name, body in found.items() if name != "manifest.json"
    }
    assert (export.state, export.progress, export.due_at) == (ExportState.READY, 1.0, NOON + KEPT_FOR)


async def test_an_archive_holds_no_secret(house: House) -> None:
    ann = await someone(house)
    everything = b"".join((await members(house, await made(house, ann))).values())
    for secret in (b"old hash", b"first", b"Hash"):  # of the password, and of the refresh token
        assert secret not in everything


async def test_long_lists_are_whole_and_in_order(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pet.domain.personal_data.PAGE", 2)
    ann = await someone(house)
    fans = [await house.store.profile(f"fan{number}", is_private=True) for number in range(5)]
    for minutes, fan in enumerate(fans):
        await house.store.follow(fan, ann, minutes=minutes)
        await house.store.follow(ann, fan, minutes=minutes)
        await with_bytes(house, track(ann, minutes=minutes - 10), b"x" * 70)
    found = await members(house, await made(house, ann))
    newest_first = [f"fan{number}" for number in (4, 3, 2, 1, 0)]
    for name in ("followers", "sent-follow-requests"):
        assert [each["username"] for each in json.loads(found[f"{name}.json"])] == newest_first
    assert len(json.loads(found["files.json"])) == len(json.loads(found["activities.json"])) == 5
    assert sum(name.startswith("originals/") for name in found) == 5


async def test_an_original_that_is_not_there_is_named_and_the_rest_is_handed_out(house: House) -> None:
    ann = await someone(house)
    lost, kept = [await with_bytes(house, track(ann, minutes=-number), b"x" * 70) for number in (1, 2)]
    await house.blobs.remove(lost.blob_key)
    found = await members(house, await made(house, ann))
    assert json.loads(found["manifest.json"])["missing"] == [f"originals/track/{lost.file_name}"]
    assert f"originals/track/{kept.file_name}" in found


async def test_one_archive_is_made_at_a_time_and_one_a_day(house: House) -> None:
    ann = await someone(house)
    first = await ask(house, ann)
    assert await ask(house, ann) == first
    assert await asyncio.gather(*(house.exports.make_next() for _ in range(3))) == [True, False, False]
    house.store.clock.now += PAUSE - timedelta(milliseconds=1)
    assert (await ask(house, ann)).export_id == first.export_id
    house.store.clock.now += timedelta(milliseconds=1)
    second = await ask(house, ann)
    assert (second.export_id != first.export_id, second.state) == (True, ExportState.PREPARING)
    await house.exports.sweep()
    assert archives(house) == []


async def test_an_archive_is_opened_by_its_owner_alone_until_its_time_is_over(house: House) -> None:
    ann, bob = await someone(house), await someone(house, "bob")
    asked = await ask(house, ann)
    with pytest.raises(NotFound):
        await house.exports.opened(asked.export_id, ann)
    export = await made(house, ann)
    assert await house.exports.opened(export.export_id, ann) == export
    for export_id, user_id in ((export.export_id, bob), (ExportId(""), ann)):
        with pytest.raises(NotFound):
            await house.exports.opened(export_id, user_id)
    house.store.clock.now += KEPT_FOR
    with pytest.raises(NotFound):
        await house.exports.opened(export.export_id, ann)
    await house.exports.sweep()
    assert (archives(house), await house.exports.find(ann)) == ([], None)


async def test_an_archive_cannot_be_opened_from_the_end_of_its_account_on(house: House) -> None:
    ann = await someone(house)
    export = await made(house, ann)
    await house.store.accounts.remove(ann, UserDeleted(user_id=ann, occurred_at=NOON))
    with pytest.raises(NotFound):
        await house.exports.opened(export.export_id, ann)


@pytest.mark.parametrize("error", [Unavailable(Service.MEDIA), ValueError("broken")], ids=["outage", "fault"])
async def test_what_fails_is_tried_with_growing_pauses_and_given_up(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    ann = await someone(house)
    await with_bytes(house, track(ann), b"x" * 70)
    await ask(house, ann)

    async def fail(*_: object, **named: object) -> object:
        raise error

    tried: list[datetime] = []
    with monkeypatch.context() as patch:
        patch.setattr(house.store.activities, "of_actor", fail)
        while (await house.exports.find(ann) or await ask(house, ann)).state is ExportState.PREPARING:
            if await house.exports.make_next():
                tried.append(house.store.clock.now)
            house.store.clock.now += FIRST_PAUSE
    pauses = [(later - earlier) / FIRST_PAUSE for earlier, later in pairwise(tried)]
    assert pauses == [2**number for number in range(MAX_ATTEMPTS - 1)]
    level = logging.WARNING if isinstance(error, Unavailable) else logging.ERROR
    assert {record.levelno for record in caplog.records} == {level}
    assert archives(house) == []
    assert (await made(house, ann)).state is ExportState.READY


async def test_a_process_that_stops_leaves_the_archive_to_another_at_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await someone(house)
    await ask(house, ann)
    has_begun = asyncio.Event()

    async def stall(*_: object, **named: object) -> object:
        has_begun.set()
        return await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(house.store.activities, "of_actor", stall)
        making = asyncio.create_task(house.exports.make_next())
        await has_begun.wait()
        making.cancel()
        await asyncio.wait({making})
    assert archives(house) == []
    assert await house.exports.make_next()
    assert (await house.exports.find(ann) or await ask(house, ann)).state is ExportState.READY


async def test_an_archive_in_hand_tells_how_far_it_is_and_stays_in_hand(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pet.domain.exports.BEAT_SECONDS", 0.01)
    ann = await someone(house)
    for number in (1, 2):
        await with_bytes(house, track(ann, minutes=-number), b"x" * 70)
    await ask(house, ann)
    reads: list[str] = []
    goes_on = asyncio.Event()
    really_read = house.blobs.read

    async def slow(key: str, start: int, end: int) -> Any:
        async for chunk in really_read(key, start, end):
            yield chunk
        reads.append(key)
        if len(reads) == 1:
            await goes_on.wait()

    monkeypatch.setattr(house.blobs, "read", slow)
    making = asyncio.create_task(house.exports.make_next())
    async with asyncio.timeout(20):
        while (told := await ask(house, ann)).progress < 0.5:  # noqa: ASYNC110 - the store is what is looked at
            await asyncio.sleep(0.01)
    assert (told.state, told.done_bytes, told.total_bytes) == (ExportState.PREPARING, 70, 140)
    house.store.clock.now += LEASE / 2
    await asyncio.sleep(0.1)
    house.store.clock.now += LEASE / 2
    assert not await house.exports.make_next()
    goes_on.set()
    assert await making


async def test_what_is_made_while_its_account_goes_is_left_nowhere(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pet.domain.exports.BEAT_SECONDS", 0.01)
    ann = await someone(house)
    await ask(house, ann)
    left = UserDeleted(user_id=ann, occurred_at=NOON)
    really_read = house.store.activities.of_actor

    async def leave(*given: Any, **named: Any) -> object:
        await house.store.accounts.remove(ann, left)
        await house.delivery.deliver([left])
        await asyncio.sleep(0.2)
        return await really_read(*given, **named)

    monkeypatch.setattr(house.store.activities, "of_actor", leave)
    assert await house.exports.make_next()
    assert archives(house) == []
    house.store.clock.now += LEASE
    await house.exports.sweep()
    assert await house.store.exports.ended(now=after(999), limit=10) == []


async def test_who_was_overtaken_leaves_the_archive_of_the_other_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await someone(house)
    await ask(house, ann)
    really_finish = house.store.exports.finish
    overtaken = asyncio.Event()

    async def finish_late(export: DataExport, **named: Any) -> bool:
        if export.attempt == 1:
            house.store.clock.now += LEASE
            assert await house.exports.make_next()
            overtaken.set()
        return await really_finish(export, **named)

    monkeypatch.setattr(house.store.exports, "finish", finish_late)
    assert await house.exports.make_next()
    assert overtaken.is_set()
    export = await ask(house, ann)
    assert (export.state, export.attempt) == (ExportState.READY, 2)
    assert "account.json" in await members(house, export)
    assert len(archives(house)) == 1


@pytest.mark.parametrize("is_carried_out", [False, True], ids=["before", "after"])
async def test_an_archive_whose_making_is_killed_at_any_step_is_made_by_another_process(
    house: House, is_carried_out: bool
) -> None:
    number, is_over = 0, False
    while not is_over:
        number += 1
        ann = await someone(house, f"ann{number}")
        song = await with_bytes(house, track(ann, minutes=-1), b"x" * 70)
        steps = Steps(number, Killed, is_carried_out)
        watched: Any = Watched(house.blobs, steps, unwatched=("stage_at", "read"))
        await ask(house, ann)
        with pytest.MonkeyPatch.context() as patch, suppress(Killed):
            for method in ("atomically", "rows"):
                patch.setattr(Database, method, stepping(getattr(Database, method), steps))
            await exporting(house.store, watched).make_next()
        is_over = len(steps.taken) < number
        house.store.clock.now += LEASE
        await exporting(house.store, house.blobs).make_next()
        export = await house.exports.find(ann)
        assert export is not None
        assert export.state is ExportState.READY
        assert f"originals/track/{song.file_name}" in await members(house, export)
        house.store.clock.now += KEPT_FOR
        await house.exports.sweep()
        assert archives(house) == []
    assert number > 10
