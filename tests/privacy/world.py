"""A small network whose people have everything that can be hidden, and what each of them gets of it, by any front."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pet.domain.accounts import Account
from pet.domain.errors import Forbidden, Invalid, NotFound
from pet.domain.events import TrackUploaded, UserCreated
from pet.domain.files import FileType, MediaFile
from pet.domain.ids import FileId, ObjectId, UserId, new_uuid7
from pet.domain.live_feed import News
from pet.domain.profiles import ProfileChange
from pet.domain.viewers import Client, Role, Viewer
from pet.schema.scalars import global_id
from tests.clock import HandClock
from tests.conftest import Person, Service
from tests.contract_suites.scene import media, track
from tests.properties.model import Model

ADMIN = "root"
HERE = Client("192.0.2.1")


class Policy(Model):
    """Who may see what, told once more and on its own: the model of histories, with an admin."""

    def sees(self, viewer: str | None, whom: str, *, of: str = "") -> bool:
        """Tell whether a viewer sees more than the card."""
        return viewer == ADMIN or super().sees(viewer, whom, of=of)

    def state(self, viewer: str | None, whom: str) -> str:
        """Return how a viewer stands to someone, as GraphQL tells it."""
        pair = (viewer or "", whom)
        return "FOLLOWING" if pair in self.following else "PENDING" if pair in self.asking else "NONE"

    def opens(self, link: Link) -> bool:
        """Tell whether a link opens to whoever has no token: for whom it was signed, now."""
        return self.sees(link.viewer if link.is_signed else None, link.owner)


@dataclass(frozen=True)
class Link:
    """A URL of someone's media, handed out to a viewer."""

    url: str
    owner: str
    viewer: str | None

    @property
    def is_signed(self) -> bool:
        """Whether it names its viewer."""
        return "viewer" in parse_qs(urlsplit(self.url).query)


@dataclass
class Home:
    """Someone's own: the account's tokens, and what can be hidden."""

    person: Person
    track: MediaFile
    other: MediaFile
    cover: MediaFile
    avatar: MediaFile
    published: TrackUploaded
    activity_id: ObjectId

    def media(self) -> Mapping[str, str]:
        """Return the plain path of everything that the policy hides."""
        return {
            "track": f"/media/track/{self.track.file_id}",
            "track as file": f"/media/file/{self.track.file_id}",
            "cover of the track": f"/media/cover/{self.track.file_id}",
            "other": f"/media/file/{self.other.file_id}",
            "cover": f"/media/file/{self.cover.file_id}",
        }


@dataclass
class World:
    """A service, its people by name, and the policy beside it. The names in the service begin with `prefix`."""

    service: Service
    clock: HandClock
    prefix: str
    policy: Policy = field(default_factory=Policy)
    homes: dict[str, Home] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)

    async def settle(self, names: Iterable[str]) -> None:
        """Let people in, each with an avatar, a track with a cover, other audio and a cover of the profile."""
        for name in names:
            await self._furnish(name, await self._register(name))

    async def _register(self, name: str) -> Person:
        """Let someone in, without the time that a password costs."""
        engines, services = self.service.engines, self.service.services
        user_id, at, role = UserId(new_uuid7()), self.clock(), Role.ADMIN if name == ADMIN else Role.MUSICIAN
        username = f"{self.prefix}{name}"
        account = Account(user_id, f"{username}@example.com", username, role, "no password", at)
        event = UserCreated(user_id=user_id, occurred_at=at, username=username, role=role.value)
        await engines.accounts.add(account, event)
        await self.service.parts.delivery.deliver([event])
        tokens = await services.accounts.sessions.open(user_id, HERE)
        return Person(user_id, username, account.email, tokens.access_token, tokens.refresh_token)

    async def _furnish(self, name: str, person: Person) -> None:
        files, services = self.service.engines.documents.files, self.service.services
        owner, at = UserId(person.user_id), self.clock()
        texts: dict[str, Any] = {"title": f"{name}'s song", "original_name": f"{name}'s file.mp3", "size_bytes": 1}
        song = track(owner, created_at=at, **texts)
        other = track(owner, kind=FileType.OTHER, created_at=self.clock(), **texts)
        cover, avatar = media(owner, FileType.COVER, size_bytes=1), media(owner, FileType.AVATAR, size_bytes=1)
        bound = media(owner, FileType.COVER, size_bytes=1, track_id=song.file_id)
        async with self.service.engines.blobs.stage() as staged:
            await staged.write(b"x")
            for file in (song, other, cover, bound, avatar):
                await staged.keep(file.blob_key)
        published = TrackUploaded(user_id=owner, occurred_at=at, file_id=song.file_id)
        await self.service.parts.delivery.deliver(await files.add(song, published, cover=bound))
        for file in (other, cover, avatar):
            await self.service.parts.delivery.deliver(await files.add(file, None))
        secrets = ProfileChange(bio=f"{name}'s bio", location="Here", genres=["folk"], cover_file_id=cover.file_id)
        await services.profiles.update(Viewer(owner, Role.MUSICIAN), owner, secrets)
        updated = await services.profiles.find(owner)
        assert updated is not None
        activities = await self.service.engines.documents.activities.of_events([published])
        activity_id = activities[published.event_id].object_id
        self.homes[name] = Home(person, song, other, cover, avatar, published, activity_id)
        self.policy.people[name] = False
        self.policy.publish(name, song.file_id, at)
        self.policy.update(name, updated.updated_at)

    def viewer(self, name: str) -> Viewer:
        """Return someone as a request sees them."""
        return Viewer(UserId(self.homes[name].person.user_id), Role.ADMIN if name == ADMIN else Role.MUSICIAN)

    def user_id(self, name: str) -> UserId:
        """Return someone's id."""
        return UserId(self.homes[name].person.user_id)

    def name(self, user_id: str) -> str:
        """Return whose id it is."""
        return next(name for name, home in self.homes.items() if home.person.user_id == user_id)

    async def do(self, deed: str, who: str, whom: str) -> None:
        """Let one do something about the other, or about themselves, in the service and in the model."""
        deeds: dict[str, Callable[[str, str], Awaitable[None]]] = {
            "follow": self._follow,
            "unfollow": self._unfollow,
            "accept": self._accept,
            "block": self._block,
            "unblock": self._unblock,
            "go private": partial(self._set_private, is_private=True),
            "go public": partial(self._set_private, is_private=False),
        }
        await deeds[deed](who, whom)

    async def _follow(self, who: str, whom: str) -> None:
        following = self.service.services.follows.follow(self.viewer(who), self.user_id(whom))
        if who == whom or self.policy.blocks & {(who, whom), (whom, who)}:
            with pytest.raises((Forbidden, Invalid)):
                await following
        else:
            self.policy.follow(who, whom, (await following).created_at)

    async def _unfollow(self, who: str, whom: str) -> None:
        await self.service.services.follows.unfollow(self.viewer(who), self.user_id(whom))
        self.policy.end(who, whom)

    async def _accept(self, who: str, whom: str) -> None:
        accepting = self.service.services.follows.accept(self.viewer(who), self.user_id(whom))
        if {(whom, who)} & {*self.policy.asking, *self.policy.following}:
            await accepting
            self.policy.accept(whom, who)
        else:
            with pytest.raises(NotFound):
                await accepting

    async def _block(self, who: str, whom: str) -> None:
        blocking = self.service.services.blocks.block(self.viewer(who), self.user_id(whom))
        if who == whom:
            with pytest.raises(Invalid):
                await blocking
        else:
            await blocking
            self.policy.block(whom, who)

    async def _unblock(self, who: str, whom: str) -> None:
        await self.service.services.blocks.unblock(self.viewer(who), self.user_id(whom))
        self.policy.blocks.discard((whom, who))

    async def _set_private(self, who: str, _: str, *, is_private: bool) -> None:
        me, change = self.viewer(who), ProfileChange(preferences={"private_profile": is_private})
        await self.service.services.profiles.update(me, me.user_id, change)
        self.policy.set_private(who, is_private=is_private)

    def headers(self, viewer: str | None) -> dict[str, str]:
        """Return the headers that prove who somebody is."""
        return self.homes[viewer].person.headers if viewer else {}

    async def graphql(self, query: str, variables: dict[str, Any], *, by: str | None) -> dict[str, Any]:
        """Ask as somebody; no errors allowed."""
        answer = await self.service.graphql(query, variables, by=self.homes[by].person if by else None)
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    async def rest(self, path: str, *, by: str | None, **params: str) -> dict[str, Any]:
        """Read as somebody; the answer must be a success."""
        response = await self.service.client.get(path, params=params, headers=self.headers(by))
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def opens(self, path: str, *, by: str | None) -> bool:
        """Tell whether bytes are served."""
        return await self.version(path, by=by) is not None

    async def version(self, path: str, *, by: str | None) -> str | None:
        """Return the entity tag of bytes, None where they are not served; by HEAD, where a GET would count a play."""
        method = "HEAD" if "/track/" in path or path.endswith(tuple(self._tracks())) else "GET"
        response = await self.service.client.request(method, path, headers=self.headers(by))
        assert response.status_code in (200, 404), response.text
        return response.headers["etag"] if response.status_code == 200 else None

    async def heard(self, viewer: str) -> set[str]:
        """Return of whom a subscription of somebody's tells that they have published something."""
        activities = self.service.engines.documents.activities
        events = [home.published for home in self.homes.values()]
        found = await activities.of_events(events)
        batch = [News(found[event.event_id], event) for event in events]
        ear = self.service.services.live_feed.listen(self.viewer(viewer), None)
        return {self.name(news.event.user_id) for news in await ear.still_to_tell(batch)}

    def node_ids(self, name: str) -> dict[str, str]:
        """Return the global ids of what belongs to someone."""
        home = self.homes[name]
        return {
            "profile": global_id("Profile", home.person.user_id),
            "track": global_id("Track", home.track.file_id),
            "activity": global_id("Activity", home.activity_id),
        }

    def names(self, user_ids: Sequence[str]) -> list[str]:
        """Return whose ids they are."""
        return [self.name(user_id) for user_id in user_ids]

    def _tracks(self) -> list[FileId]:
        return [home.track.file_id for home in self.homes.values()]
