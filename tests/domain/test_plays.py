"""Which plays count."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.contract_suites.scene import media, track
from tests.domain.conftest import House

from pet.domain.files import FileType, MediaFile
from pet.domain.ids import UserId
from pet.domain.plays import PlayService
from pet.domain.stats import Stats
from pet.domain.viewers import Client, Role, Viewer

HERE, THERE = Client("192.0.2.1"), Client("192.0.2.2")


@pytest.fixture
async def ann(house: House) -> UserId:
    """A musician."""
    return await house.store.profile("ann")


@pytest.fixture
async def song(house: House, ann: UserId) -> MediaFile:
    """A track of ann's."""
    return await house.store.keep(track(ann))


@pytest.fixture
def plays(house: House) -> PlayService:
    """What counts plays."""
    return PlayService(house.store.plays, house.delivery, house.store.clock)


async def count(house: House, song: MediaFile) -> int:
    """Return a track's plays, which its owner has as well."""
    found = await house.files.find(song.file_id)
    assert found is not None
    assert (await house.store.shown(song.user_id)).stats == Stats(plays=found.play_count)
    return found.play_count


async def test_a_listener_counts_once_in_half_an_hour(house: House, plays: PlayService, song: MediaFile) -> None:
    bob = Viewer(UserId("bob"), Role.LISTENER)
    counts = []
    for minutes in (0, 29, 1, 29, 1):
        house.store.clock.now += timedelta(minutes=minutes)
        await plays.count(song, bob, HERE)
        counts.append(await count(house, song))
    assert counts == [1, 1, 2, 2, 3]


async def test_users_count_by_who_they_are_and_others_by_their_address(
    house: House, plays: PlayService, song: MediaFile
) -> None:
    listeners: list[tuple[Viewer | None, Client]] = [
        (Viewer(UserId("bob"), Role.LISTENER), HERE),
        (Viewer(UserId("bob"), Role.LISTENER), THERE),
        (Viewer(UserId("eve"), Role.LISTENER), HERE),
        (None, HERE),
        (None, Client(HERE.address, "another browser")),
        (None, THERE),
    ]
    for viewer, client in listeners:
        await plays.count(song, viewer, client)
    assert await count(house, song) == 4


async def test_ones_own_tracks_and_what_is_no_track_count_none(
    house: House, plays: PlayService, song: MediaFile, ann: UserId
) -> None:
    await plays.count(song, Viewer(ann, Role.MUSICIAN), HERE)
    for kind in (FileType.COVER, FileType.OTHER):
        await plays.count(await house.store.keep(media(ann, kind)), None, HERE)
    assert await count(house, song) == 0
    assert await house.store.pending() == []
