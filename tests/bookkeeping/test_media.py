"""`pet media check`: what it prints, how it ends, and that it mends on every set-up."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pet.app import Parts
from pet.bookkeeping import media as bookkeeping
from pet.domain.errors import NotFound
from pet.domain.files import FileType
from pet.domain.ids import FileId, new_uuid7
from pet.domain.media_check import MediaCheckService
from pet.domain.times import utc_now
from pet.domain.uploads import Upload
from pet.domain.viewers import Client, Viewer
from tests.bookkeeping.conftest import two_people, within
from tests.conftest import Service
from tests.media_factory import jpeg, mp3
from tests.setups import kept_objects
from tests.test_cli import pet


async def song_of(parts: Parts, viewer: Viewer) -> FileId:
    """Publish a track with artwork."""
    async with parts.services.uploads.stage() as blob:
        await blob.write(mp3(artwork=jpeg()))
        uploads = parts.services.uploads
        return (await uploads.track(viewer, Client(address="here"), Upload("song.mp3", blob))).file_id


async def one_track(parts: Parts) -> FileId:
    """Register two people, and publish a track of the first."""
    ann, _ = await two_people(parts)
    return await song_of(parts, ann)


def bytes_of(data_dir: Path, file_id: str) -> Path:
    (path,) = (data_dir / "media" / "files" / file_id[-2:]).glob(f"{file_id}.*")
    return path


def orphan_in(data_dir: Path) -> str:
    """Put bytes of nobody into the folder, from yesterday."""
    file_id = new_uuid7()
    path = data_dir / "media" / "files" / file_id[-2:] / f"{file_id}.mp3"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"nobody's")
    yesterday = (utc_now() - timedelta(days=1)).timestamp()
    os.utime(path, (yesterday, yesterday))
    return path.relative_to(data_dir / "media").as_posix()


def test_media_that_are_whole_pass(data_dir: Path) -> None:
    within(data_dir, one_track)
    result = pet("media", "check", data_dir=data_dir)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == (
        "2 records, 0 of them without their bytes; 2 objects, 0 of them without a record. 0 were removed."
    )


def test_what_lacks_its_other_half_fails_until_it_is_removed(data_dir: Path) -> None:
    song = within(data_dir, one_track)
    bytes_of(data_dir, song).unlink()
    key = orphan_in(data_dir)
    (data_dir / "media" / "files" / "readme.txt").write_text("Hands off!")
    summary = "2 records, 1 of them without their bytes; 3 objects, 1 of them without a record."
    strange = "1 objects have names that PET never gives; they are left alone."
    found = pet("media", "check", data_dir=data_dir)
    assert (found.exit_code, found.stdout.splitlines()[-2:]) == (1, [f"{summary} 0 were removed.", strange])
    assert f"{song} of user " in found.stdout
    assert "no bytes where " in found.stdout
    assert f"{key}: 8 bytes that no record knows" in found.stdout
    assert (data_dir / "media" / key).exists()
    repaired = pet("media", "check", "--repair", data_dir=data_dir)
    assert (repaired.exit_code, repaired.stdout.splitlines()[-2:]) == (0, [f"{summary} 2 were removed.", strange])
    again = pet("media", "check", data_dir=data_dir)
    assert (again.exit_code, again.stdout.splitlines()[-2]) == (
        0,
        "0 records, 0 of them without their bytes; 1 objects, 0 of them without a record. 0 were removed.",
    )
    assert pet("audit", data_dir=data_dir).exit_code == 0


def test_much_that_is_missing_is_taken_for_a_wrong_setting(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pet.bookkeeping.media.FEW", 1)
    within(data_dir, one_track)
    (data_dir / "media").rename(data_dir / "elsewhere")
    refused = pet("media", "check", "--repair", data_dir=data_dir)
    assert refused.exit_code == 1
    assert "Nothing was removed; --even-much does it." in refused.stderr
    (data_dir / "media" / ".serving").unlink()
    (data_dir / "media").rmdir()
    (data_dir / "elsewhere").rename(data_dir / "media")
    assert pet("media", "check", data_dir=data_dir).exit_code == 0
    (data_dir / "media").rename(data_dir / "elsewhere")
    assert pet("media", "check", "--repair", "--even-much", data_dir=data_dir).exit_code == 0
    assert pet("media", "check", data_dir=data_dir).stdout.splitlines()[-1].startswith("0 records")


def test_a_run_remembers_so_much_and_the_next_one_goes_on(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pet.bookkeeping.media.MOST_FINDINGS", 2)
    within(data_dir, one_track)
    for _ in range(3):
        orphan_in(data_dir)
    first = pet("media", "check", "--repair", data_dir=data_dir)
    assert (first.exit_code, first.stdout.splitlines()[-1]) == (1, "There is more: please run this again.")
    assert pet("media", "check", "--repair", data_dir=data_dir).exit_code == 0
    assert pet("media", "check", data_dir=data_dir).exit_code == 0


async def test_it_mends_every_set_up_while_the_service_runs(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    ann, bob = await two_people(service.parts)
    lost, kept = await song_of(service.parts, ann), await song_of(service.parts, bob)
    files, blobs = service.engines.documents.files, service.engines.blobs
    records = await files.get_many([lost, kept])
    await blobs.remove(records[lost].blob_key)
    file_id = new_uuid7()
    async with blobs.stage() as staged:
        await staged.write(b"nobody's")
        await staged.keep(orphan := f"files/{file_id[-2:]}/{file_id}.mp3")

    def in_two_hours() -> datetime:
        return utc_now() + timedelta(hours=2)

    check = MediaCheckService(files, blobs, service.parts.delivery, in_two_hours)
    found = await bookkeeping.check(check, is_repairing=False)
    assert [(each.file_id, each.found_bytes) for each in found.lost] == [(lost, None)]
    assert [(each.key, each.size_bytes) for each in found.orphans] == [(orphan, 8)]
    assert (found.records, found.objects, found.is_clean) == (4, 4, False)
    repaired = await bookkeeping.check(check, is_repairing=True)
    assert (repaired.removed, repaired.is_clean) == (2, True)
    again = await bookkeeping.check(check, is_repairing=False)
    assert (again.records, again.objects, again.is_clean) == (2, 2, True)
    assert "2 records, 0 of them without their bytes" in capsys.readouterr().out
    with pytest.raises(NotFound):
        await blobs.size(orphan)
    stats = [view.stats for view in (await service.services.profiles.get_many([ann.user_id, bob.user_id])).values()]
    assert sorted(each.tracks for each in stats) == [0, 1]
    left = await files.walk(after=None, limit=10)
    assert {record.type for record in left} == {FileType.TRACK, FileType.COVER}
    assert sorted(record.blob_key for record in left) == sorted(map(str, kept_objects(service.settings)))
