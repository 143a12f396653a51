"""A small network with everything that an answer can show: each time with the same ids, times and texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count, cycle
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from pet.app import Overrides, Parts, open_parts
from pet.domain.errors import Unauthenticated
from pet.domain.files import FileType, TrackChange
from pet.domain.ids import FileId, ObjectId, UserId
from pet.domain.profiles import ProfileChange
from pet.domain.viewers import Client, Role, Viewer
from pet.domain.waveforms import POINTS
from pet.hashing_costs import HashingCosts
from pet.security.passwords import Argon2Hasher
from pet.settings import Settings
from tests.clock import HandClock
from tests.conftest import PASSWORD
from tests.schema.seeding import Seeds, track_record

PEOPLE = 36
BEGIN = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATER = BEGIN + timedelta(hours=1)
BEYOND_INT = 3_000_000_000
"""Bytes of a file whose size no `Int` of GraphQL can tell."""

SECRET = SecretStr("of tests, and long enough for all keys")

Identity = Viewer | Unauthenticated | None

FULL = ProfileChange(
    display_name="Zoë Ωmega 🎵",
    bio='Two lines,\n"quotes" and \\ more.',
    location="Łódź",
    genres=["jazz", "фолк"],
    instruments=["violin"],
    social_links={"youtube": "https://example.com/zoë", "telegram": "@zoe"},
)
PRIVATE = ProfileChange(bio="Hidden.", genres=["noise"], preferences={"private_profile": True})
SPARSE = ProfileChange(display_name="Ann", preferences={"email_notifications": False})


@dataclass(frozen=True, slots=True)
class Network:
    """Who and what is there, by which an operation can name it, and who may ask."""

    people: Sequence[UserId]
    usernames: Sequence[str]
    tracks: Sequence[FileId]
    other_files: Sequence[FileId]
    activities: Sequence[ObjectId]
    identities: Sequence[Identity]


def opened(folder: Path, overrides: Overrides | None = None) -> AbstractAsyncContextManager[Parts]:
    """Open the services over the data in a folder; by default time stands still an hour after the network was made."""
    settings = Settings(data_dir=folder, rate_limits=False, secret_key=SECRET)
    return open_parts(settings, overrides or Overrides(clock=lambda: LATER))


async def make_network(folder: Path) -> Network:
    """Fill the empty database in a folder."""
    clock = HandClock(BEGIN)
    cheap = Argon2Hasher(HashingCosts(memory=1, passes=1))
    with _the_same_ids():
        async with opened(folder, Overrides(clock=clock, hasher=cheap)) as parts:
            return await _Maker(parts, clock).make()


@contextmanager
def _the_same_ids() -> Iterator[None]:
    random, ticks = Random("ids"), count(int(BEGIN.timestamp()) * 1_000_000_000, 1_000_000)
    secrets = SimpleNamespace(randbits=random.getrandbits, token_hex=lambda size: random.randbytes(size).hex())
    time = SimpleNamespace(time_ns=lambda: next(ticks), time=lambda: next(ticks) / 1e9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pet.domain.ids.secrets", secrets)
        patch.setattr("pet.domain.ids.time", time)
        yield


class _Maker:
    """Makes people with and without accounts, what they published, and how they stand to each other."""

    def __init__(self, parts: Parts, clock: HandClock) -> None:
        self._services = parts.services
        self._documents = parts.engines.documents
        self._clock = clock
        self._seeds = Seeds(parts.engines, clock)

    async def make(self) -> Network:
        viewers = [await self._account(name) for name in ("ann", "bob", "cleo")]
        admin = await self._account("root", Role.ADMIN)
        people = [viewer.user_id for viewer in viewers]
        usernames = ["ann", "bob", "cleo"]
        for number in range(PEOPLE):
            usernames.append(f"person{number:02}")
            people.append(await self._seeds.person(usernames[-1]))
        tracks = await self._publish(people)
        others = [await self._seeds.cover(person) for person in people[::4]]
        others += [await self._image(person, FileType.AVATAR) for person in people[::5]]
        await self._stand_to_each_other(people)
        await self._write_profiles(people)  # last: nobody follows a private profile without having asked
        identities = [None, None, *viewers, *viewers, admin, Unauthenticated("The access token has expired.")]
        return Network(people, usernames, tracks, others, await self._activities(people), identities)

    async def _account(self, name: str, role: Role = Role.MUSICIAN) -> Viewer:
        accounts = self._services.accounts
        account = await accounts.create(email=f"{name}@example.com", username=name, password=PASSWORD, role=role)
        for agent in ("browser", "téléphone"):
            await accounts.sessions.open(account.user_id, Client("192.0.2.1", agent))
        session = (await accounts.sessions.listed(account.user_id))[0]
        return Viewer(account.user_id, role, session.session_id)

    async def _publish(self, people: Sequence[UserId]) -> list[FileId]:
        """Publish up to four tracks each; some have a waveform, texts of their own, or a size that cannot be told."""
        tracks = []
        titles = cycle(["Song", "", "Пісня"])
        for person, number in zip(people, cycle(range(5)), strict=False):
            tracks += [await self._seeds.track(person, title=next(titles)) for _ in range(number)]
        for track in tracks[::3]:
            await self._edit(track)
        for _ in range(len(tracks) // 3):
            claim = await self._documents.waveforms.claim(LATER, until=LATER)
            assert claim is not None
            await self._documents.waveforms.finish(claim, bytes(number % 256 for number in range(POINTS)))
        huge = replace(track_record(people[7], at=self._clock()), size_bytes=BEYOND_INT, title="Huge")
        await self._documents.files.add(huge, None)
        return [*tracks, huge.file_id]

    async def _edit(self, track: FileId) -> None:
        file = await self._services.files.find(track)
        assert file is not None
        change = TrackChange(title="Edited", artist="Ann & Bob", album=None)
        await self._services.files.update_track(Viewer(file.user_id, Role.MUSICIAN), track, change)

    async def _image(self, owner: UserId, kind: FileType) -> FileId:
        image = replace(
            track_record(owner, at=self._clock()),
            type=kind,
            mime_type="image/png",
            format="png",
            duration_seconds=None,
            width=64,
            height=48,
        )
        await self._documents.files.add(image, None)
        return image.file_id

    async def _activities(self, people: Sequence[UserId]) -> list[ObjectId]:
        pages = [await self._documents.activities.of_actor(person, after=None, limit=2) for person in people]
        return [activity.object_id for page in pages for activity in page.items]

    async def _stand_to_each_other(self, people: Sequence[UserId]) -> None:
        random = Random("follows")
        for person in people:
            for other in random.sample(people, 4):
                if other != person:
                    await self._seeds.follow(person, other)
        ann, bob, *others = people
        for number, person in enumerate(others[1:]):
            if number % 6 == 1:
                await self._services.blocks.block(Viewer(person, Role.MUSICIAN), ann)
            elif number % 6 == 2:
                await self._services.blocks.block(Viewer(bob, Role.MUSICIAN), person)

    async def _write_profiles(self, people: Sequence[UserId]) -> None:
        for person, change in zip(people, cycle([FULL, PRIVATE, SPARSE, None]), strict=False):
            if change:
                await self._services.profiles.update(Viewer(person, Role.MUSICIAN), person, change)
        _, bob, cleo, *others = people
        for number, person in enumerate(others):
            if number % 4 == 2:  # a private one, as the order of the changes has it
                await self._services.follows.follow(Viewer(cleo, Role.MUSICIAN), person)
            elif number % 4 == 1:
                await self._services.follows.follow(Viewer(person, Role.MUSICIAN), bob)
