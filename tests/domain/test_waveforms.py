"""Making waveforms: what is tried again, what is given up, and what whoever is interrupted leaves behind."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import anyio
import pytest
from tests.contract_suites.scene import NOON, after, track
from tests.domain.conftest import House

from pet.domain.errors import Invalid, Service, Unavailable, UnsupportedMedia
from pet.domain.events import TrackUploaded
from pet.domain.files import MediaFile
from pet.domain.ids import FileId, UserId
from pet.domain.times import utc_now
from pet.domain.waveforms import (
    FIRST_PAUSE,
    LEASE,
    LOUDEST,
    MAX_ATTEMPTS,
    MISSING_PAUSE,
    OUTAGE_PAUSE,
    POINTS,
    SEEK_AGAIN,
    Claim,
    Processing,
    Waveform,
    WaveformService,
    loudest,
    pending,
    require_points,
)

PEAKS = bytes(POINTS)
REFUSAL = UnsupportedMedia("no sound")


@dataclass
class Reader:
    """A peak reader that does as it is told, and remembers what it was given."""

    outcome: bytes | BaseException | None = PEAKS
    """None stands for never."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    heard: list[bytes] = field(default_factory=list)

    async def peaks(self, path: Path, track: MediaFile) -> bytes:
        """See `PeakReader.peaks`."""
        self.heard.append(await anyio.Path(path).read_bytes())
        self.begun.set()
        if self.outcome is None:
            await asyncio.Event().wait()
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        assert self.outcome is not None
        return self.outcome


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def waveforms(house: House, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> WaveformService:
    monkeypatch.setattr("pet.domain.waveforms.SEEK_PAUSE_SECONDS", 0)
    monkeypatch.setattr("pet.domain.waveforms.RENEWAL_SECONDS", 0.01)
    return service_of(house, reader)


def service_of(house: House, reader: Reader) -> WaveformService:
    return WaveformService(house.store.waveforms, house.store.files, house.blobs, reader, house.store.clock)


async def published(house: House) -> MediaFile:
    """Publish a track with bytes."""
    song = track(await house.store.profile("ann"))
    await house.keep_bytes(song.blob_key)
    event = TrackUploaded(user_id=song.user_id, occurred_at=NOON, file_id=song.file_id)
    await house.delivery.deliver(await house.store.files.add(song, event))
    return song


async def make_all(waveforms: WaveformService) -> None:
    """Make what is due now."""
    while await waveforms.make_next():
        pass


async def test_a_waveform_is_made_of_the_tracks_bytes(house: House, waveforms: WaveformService, reader: Reader) -> None:
    song = await published(house)
    assert await waveforms.find(song.file_id) == pending(song.file_id)
    assert await waveforms.make_next()
    assert await waveforms.find(song.file_id) == Waveform(song.file_id, Processing.READY, PEAKS)
    await make_all(waveforms)
    assert reader.heard == [b"bytes"]


async def test_a_file_that_cannot_be_decoded_is_tried_a_few_times(
    house: House, waveforms: WaveformService, reader: Reader
) -> None:
    song, reader.outcome = await published(house), REFUSAL
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert await waveforms.find(song.file_id) == pending(song.file_id)
        await make_all(waveforms)
        assert len(reader.heard) == attempt
        house.store.clock.now += FIRST_PAUSE * 10 ** (attempt - 1) - timedelta(seconds=1)
        await make_all(waveforms)
        assert len(reader.heard) == attempt
        house.store.clock.now += timedelta(seconds=1)
    assert await waveforms.find(song.file_id) == Waveform(song.file_id, Processing.FAILED)
    house.store.clock.now = after(100_000)
    await make_all(waveforms)
    assert len(reader.heard) == MAX_ATTEMPTS


@pytest.mark.parametrize("outcome", [REFUSAL, ValueError("a bug")])
async def test_what_failed_once_may_succeed(
    house: House, waveforms: WaveformService, reader: Reader, outcome: Exception
) -> None:
    song, reader.outcome = await published(house), outcome
    await make_all(waveforms)
    reader.outcome, house.store.clock.now = PEAKS, NOON + FIRST_PAUSE
    await make_all(waveforms)
    assert (await waveforms.find(song.file_id)).processing is Processing.READY


async def test_a_store_that_is_down_is_waited_for(house: House, waveforms: WaveformService, reader: Reader) -> None:
    song, reader.outcome = await published(house), Unavailable(Service.MEDIA)
    for number in range(2 * MAX_ATTEMPTS):
        house.store.clock.now = NOON + number * OUTAGE_PAUSE
        await make_all(waveforms)
    assert len(reader.heard) == 2 * MAX_ATTEMPTS
    assert await waveforms.find(song.file_id) == pending(song.file_id)
    reader.outcome, house.store.clock.now = PEAKS, after(60)
    await make_all(waveforms)
    assert (await waveforms.find(song.file_id)).processing is Processing.READY


async def test_a_track_without_bytes_waits_for_them(house: House, waveforms: WaveformService, reader: Reader) -> None:
    song = await published(house)
    await house.blobs.remove(song.blob_key)
    for number in range(2 * MAX_ATTEMPTS):
        house.store.clock.now = NOON + number * MISSING_PAUSE
        await make_all(waveforms)
    assert (await waveforms.find(song.file_id), reader.heard) == (pending(song.file_id), [])
    await house.keep_bytes(song.blob_key)
    house.store.clock.now += MISSING_PAUSE
    await make_all(waveforms)
    assert (await waveforms.find(song.file_id)).processing is Processing.READY


async def test_whoever_is_stopped_lets_go_at_once(house: House, waveforms: WaveformService, reader: Reader) -> None:
    song, reader.outcome = await published(house), None
    making = asyncio.create_task(waveforms.make_next())
    await reader.begun.wait()
    assert await house.store.waveforms.claim(after(0), until=after(1)) is None
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    claim = await house.store.waveforms.claim(after(0), until=after(1))
    assert claim is not None
    assert (claim.file_id, claim.attempt) == (song.file_id, 1)


async def test_whoever_is_stopped_while_a_waveform_is_kept_stops(
    house: House, waveforms: WaveformService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await published(house)
    begun = asyncio.Event()

    async def finish(claim: Claim, peaks: bytes) -> bool:
        del claim, peaks
        begun.set()
        await asyncio.Event().wait()
        return True

    monkeypatch.setattr(waveforms._waveforms, "finish", finish, raising=False)
    making = asyncio.create_task(waveforms.make_next())
    await begun.wait()
    making.cancel()
    await asyncio.wait((making,), timeout=5)
    assert making.cancelled()


async def test_what_a_killed_process_was_at_is_taken_over(
    house: House, waveforms: WaveformService, reader: Reader
) -> None:
    song = await published(house)
    assert await house.store.waveforms.claim(NOON, until=NOON + LEASE)  # and never heard of again
    await make_all(waveforms)
    assert reader.heard == []
    house.store.clock.now = NOON + LEASE
    await make_all(waveforms)
    assert (await waveforms.find(song.file_id)).processing is Processing.READY


async def test_a_file_that_kills_every_process_is_given_up(
    house: House, waveforms: WaveformService, reader: Reader
) -> None:
    song = await published(house)
    for number in range(MAX_ATTEMPTS):
        assert await house.store.waveforms.claim(NOON + number * LEASE, until=NOON + (number + 1) * LEASE)
    house.store.clock.now = after(60)
    await make_all(waveforms)
    assert (await waveforms.find(song.file_id)).processing is Processing.FAILED
    assert reader.heard == []


async def test_a_long_work_is_held_on_to(
    house: House, waveforms: WaveformService, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    await published(house)
    reader.outcome = None
    held: asyncio.Queue[datetime] = asyncio.Queue()
    hold = house.store.waveforms.hold

    async def told(claim: Claim, *, until: datetime) -> Claim | None:
        found = await hold(claim, until=until)
        held.put_nowait(until)
        return found

    monkeypatch.setattr(house.store.waveforms, "hold", told)
    making = asyncio.create_task(waveforms.make_next())
    await reader.begun.wait()
    for _ in range(4):
        house.store.clock.now += LEASE - timedelta(seconds=1)
        async with asyncio.timeout(30):
            while await held.get() < house.store.clock.now + LEASE:
                pass
        assert await house.store.waveforms.claim(house.store.clock.now, until=after(10_000)) is None
    making.cancel()
    await asyncio.wait((making,))


async def test_work_on_a_track_that_is_deleted_ends(house: House, waveforms: WaveformService, reader: Reader) -> None:
    song, reader.outcome = await published(house), None
    making = asyncio.create_task(waveforms.make_next())
    await reader.begun.wait()
    await house.delivery.deliver(await house.store.files.remove(song.file_id, NOON))
    async with asyncio.timeout(30):
        assert await making
    assert await house.store.waveforms.get_many([song.file_id]) == {}


async def test_a_track_that_is_deleted_before_its_end_leaves_nothing(
    house: House, waveforms: WaveformService, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    song, reads = await published(house), reader.peaks

    async def read_and_delete(path: Path, track: MediaFile) -> bytes:
        await house.delivery.deliver(await house.store.files.remove(song.file_id, NOON))
        return await reads(path, track) if await anyio.Path(path).exists() else PEAKS

    monkeypatch.setattr(reader, "peaks", read_and_delete)
    assert await waveforms.make_next()
    assert await house.store.waveforms.get_many([song.file_id]) == {}


async def test_tracks_from_before_are_found_and_new_ones_come_first(
    house: House, waveforms: WaveformService, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pet.domain.waveforms.SEEK_STEP", 2)
    ann = await house.store.profile("ann")
    old = [await kept(house, ann) for _ in range(5)]
    await make_all(waveforms)
    found = await waveforms.get_many([song.file_id for song in old])
    assert {waveform.processing for waveform in found.values()} == {Processing.READY}
    assert len(reader.heard) == 5
    await make_all(service_of(house, reader))
    assert len(reader.heard) == 5


async def test_what_an_older_process_has_delivered_meanwhile_is_found(
    house: House, waveforms: WaveformService, reader: Reader
) -> None:
    house.store.clock.now = utc_now()
    ann = await house.store.profile("ann")
    await make_all(waveforms)
    await kept(house, ann)
    await make_all(waveforms)
    assert len(reader.heard) == 0
    house.store.clock.now += SEEK_AGAIN
    await make_all(waveforms)
    assert len(reader.heard) == 1


async def kept(house: House, owner: UserId) -> MediaFile:
    """Keep a track as a version without waveforms did."""
    song = await house.store.keep(track(owner))
    await house.keep_bytes(song.blob_key)
    return song


@pytest.mark.parametrize(
    ("peaks", "count", "wanted"),
    [
        (bytes([1, 5, 2, 3]), 1, [5]),
        (bytes([1, 5, 2, 3]), 2, [5, 3]),
        (bytes([1, 5, 2, 3]), 4, [1, 5, 2, 3]),
        (bytes([1, 5, 2, 3, 4]), 2, [5, 4]),
        (bytes([1, 5]), 4, [1, 1, 5, 5]),
        (bytes([7]), 3, [7, 7, 7]),
    ],
)
def test_the_loudest_of_each_part_stays(peaks: bytes, count: int, wanted: list[int]) -> None:
    assert list(loudest(peaks, count)) == wanted


def test_points_are_from_0_to_1_with_three_digits() -> None:
    waveform = Waveform(FileId("song"), Processing.READY, bytes([0, 1, 128, LOUDEST]))
    assert waveform.points(4) == [0.0, 0.004, 0.502, 1.0]
    assert pending(FileId("song")).points(4) is None


@pytest.mark.parametrize("count", [0, -1, POINTS + 1])
def test_a_number_of_points_has_bounds(count: int) -> None:
    with pytest.raises(Invalid):
        require_points(count)
    for allowed in (1, POINTS):
        require_points(allowed)
