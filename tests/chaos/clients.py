"""What a client does in the storm, and what it remembers: all that may be true by what it was told.

Everyone is acted for by one client alone, one thing after the other, so what is certain can be known: a set of one. A
request that broke leaves more than one possibility. The client tries again, as honest clients do, or gives up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Literal

from tests.chaos.network import PAUSE_SECONDS, Answer, Network
from tests.conftest import PASSWORD, Person
from tests.media_factory import mp3

FOLLOWING: Literal["following"] = "following"
PENDING: Literal["pending"] = "pending"
State = Literal["following", "pending"] | None

MEMBERS = 3
REST_SECONDS = 0.2
GIVES_UP = 0.1
"""How often a client does not try again."""

SETTLED_SECONDS = 3.0
"""Longer than any engine may take: what has broken off before is done by then, or will never be."""

PROFILE_SECONDS = 60.0
"""How long a profile may be late whose event could not be delivered at once: far more than it takes."""

FREED_SECONDS = 120.0
"""How long the names of a deleted account may stay taken: far more than it takes."""

SONGS = [mp3(0.3 + number / 10) for number in range(4)]

ACCEPT = "mutation M($who: ID!) { acceptFollow(followerId: $who) { userErrors { code } } }"
DECLINE = "mutation M($who: ID!) { declineFollow(followerId: $who) { userErrors { code } } }"
DELETE_ACCOUNT = "mutation M($password: String!) { deleteAccount(password: $password) { userErrors { code } } }"


@dataclass(eq=False)
class Track:
    """A track that somebody tried to publish; `file_id` is known of those that were acknowledged."""

    name: str
    content: bytes = field(repr=False)
    file_id: str | None = None
    is_there: set[bool] = field(default_factory=lambda: {True, False})
    played_by: set[str] = field(default_factory=set)
    perhaps_played_by: set[str] = field(default_factory=set)


@dataclass(eq=False)
class Member:
    """Someone registered, with every state in which they may be."""

    person: Person
    is_there: set[bool] = field(default_factory=lambda: {True})
    is_private: set[bool] = field(default_factory=lambda: {False})
    bio: set[str | None] = field(default_factory=lambda: {None})
    tracks: list[Track] = field(default_factory=list, repr=False)
    follows: dict[Member, set[State]] = field(default_factory=dict, repr=False)
    """Not shown: everyone stands to everyone, so one would be shown by as many ways as lead to them."""

    @property
    def path(self) -> str:
        """The path of their profile."""
        return f"/users/{self.person.user_id}/profile"

    def state(self, other: Member) -> set[State]:
        """Return how they may stand to somebody."""
        return self.follows.get(other, {None})


@dataclass
class Town:
    """Everyone who was ever registered; `stars` are public, and anyone may follow them."""

    network: Network
    members: list[Member] = field(default_factory=list)
    stars: list[Member] = field(default_factory=list)
    perhaps: list[str] = field(default_factory=list)
    """Usernames of registrations that nobody acknowledged."""

    def tracks(self) -> list[Track]:
        """Return the tracks that may be there."""
        return [track for member in self.members for track in member.tracks if track.file_id and True in track.is_there]


Send = Callable[[], Awaitable[Answer | None]]


class Client:
    """Acts for a star and some others, whom only these few follow."""

    def __init__(self, number: int, town: Town, chance: Random) -> None:
        self._number = number
        self._town = town
        self._chance = chance
        self._numbers = count()
        self._mine: list[Member] = []
        self._all: list[Member] = []
        """Those as well whose account may be gone."""

    async def live(self, seconds: float) -> None:
        """Do one thing after the other for a time."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            while len(self._mine) < MEMBERS:
                await self._register(f"c{self._number}-{next(self._numbers)}")
            act = self._chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
            await act(self, self._chance.choice(self._mine))
            await asyncio.sleep(self._chance.uniform(0, REST_SECONDS))

    async def _insist(self, send: Send) -> Answer | None:
        """Send until it is answered; None when the client gave up."""
        while True:
            answer = await send()
            if answer is not None:
                return answer
            if self._chance.random() < GIVES_UP:
                await asyncio.sleep(SETTLED_SECONDS)
                return None
            await asyncio.sleep(self._chance.uniform(0.1, 0.5))

    def _surprise(self, what: str, answer: Answer) -> None:
        self._town.network.surprises.append(f"{what}: {answer.status} {answer.code} {answer.content[:300]!r}")

    async def _ask(self, method: str, path: str, by: Member, **given: object) -> Answer | None:
        return await self._insist(
            lambda: self._town.network.ask(self._chance, method, path, headers=by.person.headers, **given)
        )

    async def _mutate(self, document: str, by: Member, **variables: str) -> Answer | None:
        return await self._insist(
            lambda: self._town.network.mutate(self._chance, document, by.person.headers, **variables)
        )

    async def _register(self, username: str) -> None:
        """Register someone; where that broke and the name is taken then, log in."""
        await self._registered(username, await self._try_to_register(username))

    async def _register_freed(self, username: str) -> None:
        """Register someone under the name of a deleted account, which is free when all the rest of it is gone."""
        async with asyncio.timeout(FREED_SECONDS):
            while True:
                answer = await self._try_to_register(username)
                if answer is None or answer.status != 401:
                    break
                await asyncio.sleep(PAUSE_SECONDS)
        await self._registered(username, answer)

    async def _try_to_register(self, username: str) -> Answer | None:
        network = self._town.network
        given = {"email": f"{username}@example.com", "username": username, "password": PASSWORD, "role": "musician"}
        answer = await self._insist(lambda: network.ask(self._chance, "POST", "/auth/register", json=given))
        if answer is not None and answer.status == 409:
            return await self._insist(lambda: network.ask(self._chance, "POST", "/auth/login", json=given))
        return answer

    async def _registered(self, username: str, answer: Answer | None) -> None:
        """Remember what came of a registration."""
        if answer is None:
            self._town.perhaps.append(username)
            return
        if not answer.is_done:
            self._surprise(f"registering {username}", answer)
            return
        said = answer.data
        person = Person(said["user"]["id"], username, said["user"]["email"], said["accessToken"], said["refreshToken"])
        member = Member(person)
        self._town.members.append(member)
        self._all.append(member)
        await self._until_there_is_a_profile(member)
        if not self._mine:
            self._town.stars.append(member)
        self._mine.append(member)

    async def _until_there_is_a_profile(self, member: Member) -> None:
        async with asyncio.timeout(PROFILE_SECONDS):
            while True:
                answer = await self._ask("GET", member.path, member)
                if answer and answer.is_done:
                    return
                await asyncio.sleep(PAUSE_SECONDS)

    async def _follow(self, who: Member) -> None:
        whom = self._someone(who)
        before = who.state(whom)
        after: set[State] = {PENDING if is_private else FOLLOWING for is_private in whom.is_private}
        who.follows[whom] = before | after
        given = {"followerId": who.person.user_id}
        answer = await self._ask("POST", f"/social/follow/{whom.person.user_id}", who, json=given)
        if answer is None or (answer.status == 404 and False in whom.is_there):
            return
        if not answer.is_done:
            self._surprise("following", answer)
        elif "status" not in answer.data["data"]:
            if before == {PENDING}:
                self._surprise("a request that nobody has accepted", answer)
            who.follows[whom] = {FOLLOWING}
        else:
            # Of one that was there before, the answer may be a little older than what its owner decided.
            who.follows[whom] = (before - {None}) | ({PENDING} if None in before else set())

    async def _unfollow(self, who: Member) -> None:
        whom = self._chance.choice(list(who.follows) or self._mine)
        if whom is who:
            return
        who.follows[whom] = who.state(whom) | {None}
        given = {"followerId": who.person.user_id}
        answer = await self._ask("POST", f"/social/unfollow/{whom.person.user_id}", who, json=given)
        if answer is None or (answer.status == 404 and False in whom.is_there):
            return
        if not answer.is_done:
            self._surprise("unfollowing", answer)
        who.follows[whom] = {None}

    async def _accept(self, whom: Member) -> None:
        if asking := [who for who in self._mine if PENDING in who.state(whom) and None not in who.state(whom)]:
            who = self._chance.choice(asking)
            who.follows[whom] = who.state(whom) | {FOLLOWING}
            if answer := await self._mutate(ACCEPT, whom, who=who.person.user_id):
                if not answer.is_done:
                    self._surprise("accepting", answer)
                who.follows[whom] = {FOLLOWING}

    async def _decline(self, whom: Member) -> None:
        if asking := [who for who in self._mine if PENDING in who.state(whom) and FOLLOWING not in who.state(whom)]:
            who = self._chance.choice(asking)
            who.follows[whom] = who.state(whom) | {None}
            if answer := await self._mutate(DECLINE, whom, who=who.person.user_id):
                if not answer.is_done:
                    self._surprise("declining", answer)
                who.follows[whom] = {None}

    async def _go_private_or_public(self, who: Member) -> None:
        if who in self._town.stars:
            return
        is_private = self._chance.random() < 0.5
        asking = [] if is_private else [other for other in self._all if PENDING in other.state(who)]
        who.is_private |= {is_private}
        for other in asking:
            other.follows[who] = other.state(who) | {FOLLOWING}
        given = {"preferences": {"privateProfile": is_private}}
        if answer := await self._ask("PUT", who.path, who, json=given):
            if not answer.is_done:
                self._surprise("going private or public", answer)
            who.is_private = {is_private}
            for other in asking:
                other.follows[who] = other.state(who) - {PENDING}

    async def _tell_news(self, who: Member) -> None:
        bio = f"news {next(self._numbers)}"
        who.bio |= {bio}
        if answer := await self._ask("PUT", who.path, who, json={"bio": bio}):
            if not answer.is_done:
                self._surprise("telling news", answer)
            who.bio = {bio}

    async def _upload(self, who: Member) -> None:
        """Publish a track once: what broke is perhaps there, and trying again publishes another one."""
        number = next(self._numbers)
        track = Track(f"c{self._number}-{number}.mp3", SONGS[number % len(SONGS)])
        who.tracks.append(track)
        form = {"files": {"file": (track.name, track.content)}, "data": {"userId": who.person.user_id}}
        answer = await self._town.network.ask(
            self._chance, "POST", "/media/upload/track", headers=who.person.headers, **form
        )
        if answer is None:
            await asyncio.sleep(SETTLED_SECONDS)
        elif answer.is_done:
            track.file_id, track.is_there = answer.data["file"]["fileId"], {True}
        else:
            self._surprise("uploading", answer)

    async def _delete_track(self, who: Member) -> None:
        if known := [track for track in who.tracks if track.file_id and True in track.is_there]:
            track = self._chance.choice(known)
            was_surely_there = track.is_there == {True}
            track.is_there |= {False}
            attempts = count()

            async def send() -> Answer | None:
                next(attempts)
                path = f"/media/track/{track.file_id}"
                return await self._town.network.ask(self._chance, "DELETE", path, headers=who.person.headers)

            if answer := await self._insist(send):
                is_repeated = next(attempts) > 1 or not was_surely_there
                if not answer.is_done and not (answer.status == 404 and is_repeated):
                    self._surprise("deleting a track", answer)
                track.is_there = {False}

    async def _play(self, who: Member) -> None:
        """Hear a track to its end; one is counted that was heard, and one may be that broke off."""
        if tracks := self._town.tracks():
            track = self._chance.choice(tracks)
            if track in who.tracks:
                return
            track.perhaps_played_by.add(who.person.user_id)
            answer = await self._ask("GET", f"/media/track/{track.file_id}", who)
            if answer and answer.is_done:
                if answer.content != track.content:
                    self._surprise("hearing a track", answer)
                track.played_by.add(who.person.user_id)

    async def _delete_account(self, who: Member) -> None:
        was_surely_there = who.is_there == {True}
        who.is_there |= {False}
        self._mine.remove(who)
        if who in self._town.stars:
            self._town.stars.remove(who)
        attempts = count()

        async def send() -> Answer | None:
            next(attempts)
            return await self._town.network.mutate(self._chance, DELETE_ACCOUNT, who.person.headers, password=PASSWORD)

        if answer := await self._insist(send):
            is_repeated = next(attempts) > 1 or not was_surely_there
            if not answer.is_done and not (answer.code == "UNAUTHENTICATED" and is_repeated):
                self._surprise("deleting an account", answer)
            who.is_there = {False}
            if self._chance.random() < 0.5:
                await self._register_freed(who.person.username)

    async def _try_what_is_refused(self, who: Member) -> None:
        star = self._chance.choice(self._town.stars or [who])
        if star in self._mine:
            return
        text, given = {"bio": "not mine"}, {"followerId": who.person.user_id}
        tracks = [track for track in star.tracks if track.file_id]
        attempts: list[tuple[str, str, dict[str, object], set[int]]] = [
            ("PUT", star.path, {"json": text}, {403, 404}),
            ("POST", f"/social/follow/{who.person.user_id}", {"json": given}, {400}),
            (
                "POST",
                "/media/upload/track",
                {"files": {"file": ("a.mp3", b"no song")}, "data": {"userId": who.person.user_id}},
                {400, 415},
            ),
            *[("DELETE", f"/media/track/{track.file_id}", {}, {403, 404}) for track in tracks[:1]],
        ]
        method, path, sent, refusals = self._chance.choice(attempts)
        answer = await self._ask(method, path, who, **sent)
        if answer and answer.status not in refusals:
            self._surprise(f"what must be refused, {method} {path}", answer)

    def _someone(self, who: Member) -> Member:
        """Return one of this client's own, or a star, but not the one who asks."""
        return self._chance.choice([other for other in (*self._mine, *self._town.stars) if other is not who])


_WEIGHTS: dict[Callable[[Client, Member], Awaitable[None]], int] = {
    Client._follow: 20,
    Client._unfollow: 12,
    Client._accept: 8,
    Client._decline: 4,
    Client._go_private_or_public: 8,
    Client._tell_news: 8,
    Client._upload: 8,
    Client._delete_track: 4,
    Client._play: 16,
    Client._delete_account: 1,
    Client._try_what_is_refused: 8,
}
