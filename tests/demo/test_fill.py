"""Filling makes the whole network through the services; it can be interrupted, repeated, and run on a complete one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pet.app import Parts
from pet.demo.covers import cover
from pet.demo.fill import Filling, steps_of
from pet.demo.people import JONAS, MIRA, PEOPLE, PRIYA, Person
from pet.demo.recording import takes_of
from pet.domain.errors import Conflict
from pet.domain.files import FileList, MediaFile, TrackChange
from pet.domain.follows import FollowList, FollowState
from pet.domain.profiles import Profile, ProfileChange, SocialLinks
from pet.domain.stats import Stats
from pet.domain.viewers import Client, Role, Viewer
from tests.demo.network import PASSWORD, SECONDS, begin, fill, recorded

FEW = (
    replace(PRIYA, follows=("mira.solberg", "jonas.weber")),
    replace(JONAS, follows=("mira.solberg",)),
    replace(MIRA, follows=("jonas.weber",)),
)
MADE_OF_FEW = 3 * 3 + 3 + 4 + 1
"""Accounts, profiles and avatars; tracks; follows; an admission."""

CLIENT = Client("192.0.2.1")


class InterruptedHereError(Exception):
    """Stands for a kill."""


@dataclass(frozen=True)
class Seen:
    """What there is of one person."""

    profile: Profile
    tracks: list[MediaFile]
    follows: dict[str, FollowState]


async def seen(parts: Parts, people: Sequence[Person]) -> dict[str, Seen]:
    """Look at everyone, beside the services' answers to viewers."""
    services = parts.services
    profiles = [await services.profiles.find_by_username(person.username) for person in people]
    found = [profile for profile in profiles if profile]
    ids = {profile.user_id: profile.username for profile in found}
    tracks = await services.files.pages(list(ids), FileList.TRACKS, after=None, limit=100)
    assert not any(page.has_next for page in tracks.values())
    follows = {user_id: await services.follows.states(user_id, list(ids)) for user_id in ids}
    return {
        profile.username: Seen(
            profile,
            list(reversed(tracks[profile.user_id].items)),
            {ids[other]: state for other, state in follows[profile.user_id].items()},
        )
        for profile in found
    }


def rows(path: Path) -> list[str]:
    """Return all that an SQLite file holds, as SQL."""
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


async def test_everyone_joins_with_their_profile_and_avatar(parts: Parts) -> None:
    await fill(parts)
    assert await parts.services.profiles.count() == len(PEOPLE)
    found = await seen(parts, PEOPLE)
    for person in PEOPLE:
        profile = found[person.username].profile
        assert profile == replace(
            profile,
            display_name=person.name,
            role=person.role,
            bio=person.bio,
            location=person.location,
            genres=person.genres,
            instruments=person.instruments,
            social_links=SocialLinks(telegram=person.telegram),
        )
        assert profile.is_private is person.is_private
        assert profile.avatar_file_id is not None
        avatar = await parts.services.files.find(profile.avatar_file_id)
        assert avatar is not None
        assert (avatar.width, avatar.height, avatar.mime_type) == (320, 320, "image/jpeg")


async def test_counters_and_follows_are_those_of_the_cast(parts: Parts) -> None:
    await fill(parts)
    found = await seen(parts, PEOPLE)
    counted = {(person.username, other) for person in PEOPLE for other in person.follows}
    waiting = {pair for pair in counted if pair[1] == JONAS.username and pair[0] not in JONAS.admits}
    assert waiting == {("noor.haddad", "jonas.weber")}
    for person in PEOPLE:
        assert found[person.username].follows == {
            other: FollowState.PENDING if (person.username, other) in waiting else FollowState.FOLLOWING
            for other in person.follows
        }
        assert found[person.username].profile.stats == Stats(
            tracks=len(takes_of(person)),
            followers=sum(1 for _, other in counted - waiting if other == person.username),
            following=sum(1 for follower, _ in counted - waiting if follower == person.username),
        )


async def test_tracks_have_the_tags_and_the_cover_of_their_album_and_their_own_bytes(parts: Parts) -> None:
    await fill(parts)
    found = await seen(parts, PEOPLE)
    for person in PEOPLE:
        takes, tracks = takes_of(person, SECONDS), found[person.username].tracks
        assert [(track.title, track.artist, track.album, track.original_name) for track in tracks] == [
            (take.song.title, person.name, take.album.title, take.file_name) for take in takes
        ]
        for take, track in zip(takes, tracks, strict=True):
            read = parts.services.files.read(track, 0, track.size_bytes)
            assert b"".join([chunk async for chunk in read]) == recorded(take)
            assert (track.format, track.duration_seconds, track.bitrate_kbps) == ("wav", SECONDS, 706)
            image = await parts.services.files.cover_for(track.file_id)
            assert image is not None
            assert (image.file_id, image.track_id) == (track.cover_file_id, track.file_id)
            assert (image.width, image.mime_type) == (600, "image/jpeg")
    assert len({cover(album.painting) for person in PEOPLE for album in person.albums}) == 6


async def test_anyone_of_the_demo_can_log_in(parts: Parts) -> None:
    await fill(parts, FEW)
    account, _ = await parts.services.accounts.log_in(CLIENT, email=MIRA.email, password=PASSWORD)
    assert (account.username, account.role) == (MIRA.username, Role.MUSICIAN)


async def test_a_second_run_makes_and_changes_nothing(parts: Parts, tmp_path: Path) -> None:
    assert await fill(parts, FEW) == MADE_OF_FEW
    before = rows(tmp_path / "data" / "pet.sqlite3")
    assert await fill(parts, FEW) == 0
    assert rows(tmp_path / "data" / "pet.sqlite3") == before


async def test_what_people_have_changed_since_stays(parts: Parts) -> None:
    await fill(parts, FEW)
    mira = (await seen(parts, FEW))["mira.solberg"]
    viewer = Viewer(mira.profile.user_id, Role.MUSICIAN)
    await parts.services.profiles.update(viewer, viewer.user_id, ProfileChange(bio="On tour."))
    await parts.services.files.update_track(viewer, mira.tracks[0].file_id, TrackChange(title="Last Ferry"))
    assert await fill(parts, FEW) == 0
    after = (await seen(parts, FEW))["mira.solberg"]
    assert (after.profile.bio, after.tracks[0].title) == ("On tour.", "Last Ferry")


async def interrupted_run(parts: Parts) -> tuple[int, bool]:
    """Run until the first step after something was made; return how much was, and whether the run got to its end."""

    def stop_once_something_is_made() -> None:
        if filling.made:
            raise InterruptedHereError

    filling = Filling(parts.services, PASSWORD, begin, stop_once_something_is_made)
    try:
        await filling.fill(FEW, seconds=SECONDS)
    except InterruptedHereError:
        return filling.made, False
    return filling.made, True


async def test_a_run_that_is_interrupted_again_and_again_gets_to_the_end(parts: Parts) -> None:
    runs = [await interrupted_run(parts)]
    while not runs[-1][1] and len(runs) < 2 * MADE_OF_FEW:
        runs.append(await interrupted_run(parts))
    # Each of three people joins, three tracks are published and three people follow; the admission ends the last run.
    assert [made for made, _ in runs] == [3, 3, 3, 1, 1, 1, 2, 1, 1, 1]
    assert sum(made for made, _ in runs) == MADE_OF_FEW
    found = await seen(parts, FEW)
    assert {name: one.profile.stats for name, one in found.items()} == {
        "priya.raman": Stats(following=2),
        "jonas.weber": Stats(followers=1, following=1),
        "mira.solberg": Stats(tracks=3, followers=2),
    }
    assert found["mira.solberg"].follows == {"jonas.weber": FollowState.PENDING}
    assert [track.title for track in found["mira.solberg"].tracks] == ["First Ferry", "Lanterns", "Slow Snow"]


async def test_an_account_that_a_kill_left_bare_is_completed(parts: Parts) -> None:
    await parts.services.accounts.create(
        email=MIRA.email, username=MIRA.username, password=PASSWORD, role=Role.MUSICIAN
    )
    assert await fill(parts, FEW) == MADE_OF_FEW - 1
    assert (await seen(parts, FEW))["mira.solberg"].profile.display_name == "Mira Solberg"


async def test_a_username_that_belongs_to_someone_else_is_left_alone(parts: Parts) -> None:
    account = await parts.services.accounts.create(
        email="another@example.com", username="Mira.Solberg", password=PASSWORD, role=Role.LISTENER
    )
    before = await parts.services.profiles.find(account.user_id)
    with pytest.raises(Conflict, match=r"The username mira\.solberg, which the demo needs, belongs to someone else\."):
        await fill(parts, FEW)
    assert await parts.services.profiles.find(account.user_id) == before
    requests = await parts.services.follows.pages([account.user_id], FollowList.FOLLOWERS, after=None, limit=10)
    assert requests[account.user_id].items == []


async def test_every_step_is_reported_whether_or_not_there_was_something_to_do(parts: Parts) -> None:
    steps: list[str] = []
    filling = Filling(parts.services, PASSWORD, begin, lambda: steps.append("done"))
    await filling.fill(FEW, seconds=SECONDS)
    assert len(steps) == steps_of(FEW) == 3 + 3 + 3
    await filling.fill(FEW, seconds=SECONDS)
    assert len(steps) == 2 * steps_of(FEW)
