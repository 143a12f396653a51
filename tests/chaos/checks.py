"""What must be true when the storm is over, by what the clients remember and by what the service keeps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random

from pet.app import Parts
from pet.domain.events import (
    Event,
    FollowDeleted,
    FollowRequested,
    TrackUploaded,
    UserCreated,
    UserDeleted,
    UserUpdated,
)
from pet.domain.files import MediaFile
from pet.domain.ids import UserId
from pet.domain.paging import Position
from pet.settings import Settings
from tests.chaos.clients import Member, Town, Track
from tests.chaos.network import Answer
from tests.conftest import PASSWORD
from tests.engines.rabbitmq import Listener
from tests.setups import kept_objects

BEGINNING = Position(datetime(2000, 1, 1, tzinfo=UTC), "")
MANY = 1000

ONE_AFTER_THE_OTHER = (UserCreated, UserUpdated, UserDeleted, TrackUploaded, FollowRequested, FollowDeleted)
"""What the user's own client alone does. Others play and accept, and a deletion is carried out, at the same moment as
something else: of such changes either may be the first."""


async def events_of(parts: Parts) -> list[Event]:
    """Return every event of every outbox, by its id."""
    found: list[Event] = []
    for outbox in parts.engines.outboxes:
        after = BEGINNING
        while page := await outbox.delivered(after=after, limit=MANY):
            found += [stored.event for stored in page]
            after = page[-1].position
    return sorted(found, key=lambda event: event.event_id)


class Inspection:
    """Compares the town as it is with what may be."""

    def __init__(self, town: Town, parts: Parts) -> None:
        self._town = town
        self._parts = parts
        self._chance = Random(0)
        self._files: list[MediaFile] = []

    async def everyone(self) -> None:
        """Compare every account and profile, whom they follow, and their tracks with their bytes."""
        there = [member for member in self._town.members if await self._is_there(member)]
        for member in there:
            await self._profile(member)
            await self._follows(member, there)
            await self._tracks(member)
        for username in self._town.perhaps:
            await self._registration(username)

    async def news(self, events: Sequence[Event]) -> None:
        """Compare what feeds tell with the tracks that are there."""
        there = {file.file_id for file in self._files}
        for event in events:
            if isinstance(event, TrackUploaded):
                told = await self._parts.engines.documents.activities.of_events([event])
                assert bool(told) == (event.file_id in there), event

    async def media(self, settings: Settings) -> None:
        """Find the bytes of every record in the store, and nothing else that a sweep leaves."""
        await self._parts.services.uploads.sweep(is_alone=True)
        assert [str(key) for key in kept_objects(settings)] == sorted(file.blob_key for file in self._files)

    async def _is_there(self, member: Member) -> bool:
        """Tell whether an account is there: whole, or not at all."""
        person = member.person
        given = {"email": person.email, "password": PASSWORD}
        login = await self._ask("POST", "/auth/login", json=given)
        is_there = login.is_done and login.data["user"]["id"] == person.user_id
        assert is_there in member.is_there, person
        assert (await self._ask("GET", member.path)).status == (200 if is_there else 404), person
        if not is_there:
            documents, user_id = self._parts.engines.documents, UserId(person.user_id)
            assert await documents.files.of_user(user_id, limit=1) == []
            assert await documents.follows.following_ids([user_id]) == {user_id: []}
        return is_there

    async def _profile(self, member: Member) -> None:
        answer = await self._ask("GET", member.path, headers=member.person.headers)
        profile = answer.data["data"]
        assert profile.get("bio") in member.bio, member.person
        assert profile["preferences"]["privateProfile"] in member.is_private, member.person

    async def _follows(self, member: Member, there: Sequence[Member]) -> None:
        ids = [UserId(other.person.user_id) for other in self._town.members]
        documents, user_id = self._parts.engines.documents, UserId(member.person.user_id)
        states = await documents.follows.states(user_id, ids)
        for other in self._town.members:
            state = states.get(UserId(other.person.user_id))
            possible = member.state(other) if other in there else {None}
            assert state in possible, (member.person, other.person, state, possible)

    async def _tracks(self, member: Member) -> None:
        user_id = UserId(member.person.user_id)
        files = await self._parts.engines.documents.files.of_user(user_id, limit=MANY)
        self._files += files
        kept = {file.original_name: file for file in files}
        assert len(kept) == len(files), member.person
        for track in member.tracks:
            file = kept.pop(track.name, None)
            assert (file is not None) in track.is_there, (member.person, track)
            if file is not None:
                await self._track(member, track, file)
        assert kept == {}, member.person

    async def _track(self, member: Member, track: Track, file: MediaFile) -> None:
        heard = await self._ask("GET", f"/media/track/{file.file_id}", headers=member.person.headers)
        assert heard.is_done, (member.person, track)
        assert heard.content == track.content, (member.person, track)
        assert len(track.played_by) <= file.play_count <= len(track.perhaps_played_by), (member.person, track)

    async def _registration(self, username: str) -> None:
        """Tell that a registration which nobody acknowledged is whole, or not at all; somebody else may have it now."""
        given = {"email": f"{username}@example.com", "password": PASSWORD}
        login = await self._ask("POST", "/auth/login", json=given)
        profile = await self._ask("GET", f"/users/username/{username}")
        assert login.is_done == profile.is_done, username

    async def _ask(self, method: str, path: str, **given: object) -> Answer:
        answer = await self._town.network.ask(self._chance, method, path, **given)
        assert answer is not None, (method, path)
        return answer


def published(listener: Listener, events: Sequence[Event]) -> None:
    """Find every event on the broker, and what each user did one after the other in its order."""
    assert {event.event_id for event in events} == set(listener.ids)
    places = {event_id: place for place, event_id in enumerate(listener.first_ids)}
    own = [event for event in events if isinstance(event, ONE_AFTER_THE_OTHER)]
    happened = {user_id: [event for event in own if event.user_id == user_id] for user_id in {e.user_id for e in own}}
    seen = {user_id: sorted(some, key=lambda event: places[event.event_id]) for user_id, some in happened.items()}
    assert seen == happened
