"""Fills the network, through the services that real use goes through.

Every step looks first whether its result is there: an interrupted run can be repeated, and a complete one changes
nothing. What a person of the demo has changed since is left as it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from pet.demo.avatars import avatar
from pet.demo.people import Person
from pet.demo.recording import Take, takes_of
from pet.domain.errors import Conflict
from pet.domain.files import FileList, MediaFile
from pet.domain.follows import FollowState
from pet.domain.ids import UserId
from pet.domain.paging import MAX_PAGE, Page, Position, every_page
from pet.domain.profiles import Profile, ProfileChange
from pet.domain.uploads import Upload
from pet.domain.viewers import Client, Viewer
from pet.services import Services

_CLIENT = Client(address="demo")

Begin = Callable[[Take], Awaitable[bytes]]
"""Begins a recording, and returns what becomes its file."""


@dataclass(slots=True)
class Filling:
    """One run: what it may call, and what it has made so far.

    Args:
        password: with which everyone of the demo logs in.
        begin: called for all missing recordings before the first is awaited, so that they can run side by side.
        step: called after each of the `steps_of` steps, whether or not there was something to do.
    """

    services: Services
    password: str
    begin: Begin
    step: Callable[[], object]
    made: int = 0
    _viewers: dict[str, Viewer] = field(default_factory=dict)

    async def fill(self, people: Sequence[Person], *, seconds: float | None = None) -> None:
        """Make what is missing; `seconds` cuts the tracks off.

        Raises:
            Conflict: a username is taken by someone who is not of the demo.
        """
        for person in people:
            await self._join(person)
            self.step()
        await self._publish([take for person in people for take in takes_of(person, seconds)])
        for person in people:
            await self._follow(person)
            self.step()
        for person in people:
            await self._admit(person)

    async def _join(self, person: Person) -> None:
        """Make the account, then the profile, then the avatar."""
        profile = await self.services.profiles.find_by_username(person.username) or await self._create(person)
        account = await self.services.accounts.get(profile.user_id)
        if account.email != person.email:
            raise Conflict(f"The username {person.username}, which the demo needs, belongs to someone else.")
        viewer = self._viewers[person.username] = Viewer(account.user_id, account.role)
        if profile.display_name is None:
            await self.services.profiles.update(viewer, viewer.user_id, _change(person))
            self.made += 1
        if profile.avatar_file_id is None:
            content = avatar(person.colours, has_long_hair=person.has_long_hair)
            async with self.services.uploads.stage() as blob:
                await blob.write(content)
                await self.services.uploads.avatar(viewer, _CLIENT, Upload("portrait.jpg", blob))
            self.made += 1

    async def _create(self, person: Person) -> Profile:
        account = await self.services.accounts.create(
            email=person.email, username=person.username, password=self.password, role=person.role
        )
        self.made += 1
        return (await self.services.profiles.get_many([account.user_id]))[account.user_id]

    async def _publish(self, takes: Sequence[Take]) -> None:
        """Upload the tracks that are missing, by the names of their files: a title may have been edited."""
        known = {name: await self._file_names(viewer.user_id) for name, viewer in self._viewers.items()}
        missing = [take for take in takes if take.file_name not in known[take.person.username]]
        recordings = [self.begin(take) for take in missing]
        for _ in range(len(takes) - len(missing)):
            self.step()
        for take, recording in zip(missing, recordings, strict=True):
            content = await recording
            async with self.services.uploads.stage() as blob:
                await blob.write(content)
                await self.services.uploads.track(
                    self._viewers[take.person.username], _CLIENT, Upload(take.file_name, blob)
                )
            self.made += 1
            self.step()

    async def _file_names(self, user_id: UserId) -> set[str]:
        async def read(after: Position | None) -> Page[MediaFile]:
            pages = await self.services.files.pages([user_id], FileList.TRACKS, after=after, limit=MAX_PAGE)
            return pages[user_id]

        pages = every_page(read, lambda file: Position(at=file.created_at, id=file.file_id))
        return {file.original_name async for page in pages for file in page}

    async def _follow(self, person: Person) -> None:
        viewer, others = self._viewers[person.username], [self._viewers[name].user_id for name in person.follows]
        known = await self.services.follows.states(viewer.user_id, others)
        for other in others:
            if other not in known:
                await self.services.follows.follow(viewer, other)
                self.made += 1

    async def _admit(self, person: Person) -> None:
        viewer = self._viewers[person.username]
        for name in person.admits:
            follower = self._viewers[name].user_id
            states = await self.services.follows.states(follower, [viewer.user_id])
            if states.get(viewer.user_id) is FollowState.PENDING:
                await self.services.follows.accept(viewer, follower)
                self.made += 1


def steps_of(people: Sequence[Person]) -> int:
    """Return how many steps a run has: each person joins, uploads tracks, and follows others."""
    return 2 * len(people) + sum(len(takes_of(person)) for person in people)


def _change(person: Person) -> ProfileChange:
    return ProfileChange(
        display_name=person.name,
        bio=person.bio,
        location=person.location,
        genres=person.genres,
        instruments=person.instruments,
        social_links={"telegram": person.telegram},
        preferences={"private_profile": person.is_private},
    )
