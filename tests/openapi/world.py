"""A small network for generated requests: people, follows and files, and whoever sends a request for them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from tests.conftest import Person, Service
from tests.media_factory import jpeg, mp3, png, wav

FILES = (jpeg(8, 8), png(8, 8), mp3(0.2), wav(0.1))


@dataclass
class World:
    """What exists at the start, the tokens of everyone who registers later, and the owners of later files."""

    people: list[Person]
    files: list[dict[str, Any]]
    tokens: dict[str, str] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    turns: Iterator[int] = field(default_factory=itertools.count)

    @property
    def user_ids(self) -> list[str]:
        """Everyone's id."""
        return [person.user_id for person in self.people]

    @property
    def usernames(self) -> list[str]:
        """Everyone's name."""
        return [person.username for person in self.people]

    @property
    def file_ids(self) -> list[str]:
        """Every file's id."""
        return [file["fileId"] for file in self.files]

    def learn(self, status: int, content: bytes) -> None:
        """Remember the token of whoever has just registered or logged in, and whose an uploaded file is."""
        if status == HTTPStatus.OK and b'"accessToken"' in content:
            session = json.loads(content)
            self.tokens[session["user"]["id"]] = session["accessToken"]
        elif status == HTTPStatus.OK and content.startswith(b'{"success":true,"file":'):
            file = json.loads(content)["file"]
            self.owners[file["fileId"]] = file["userId"]

    def authorization(self, named: str | None) -> dict[str, str]:
        """Return the header of whoever sends a request that names someone, or a file of someone's.

        Mostly the named, or else the last, who has no files to lose; in two of eight turns nobody, or a bad token.
        """
        match next(self.turns) % 8:
            case 0:
                return {}
            case 1:
                return {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."}
            case _:
                token = self.tokens.get(self.owners.get(named or "", named or ""), self.people[-1].access_token)
                return {"Authorization": f"Bearer {token}"}


async def settle(service: Service) -> World:
    """Let people in who follow each other and have files; one of them has a private profile."""
    people = [await service.register(name) for name in ("ann", "bob", "cara", "dave")]
    ann, bob, cara, _ = people
    files = []
    for kind, content, owner in (
        ("avatar", FILES[0], ann),
        ("track", FILES[2], ann),
        ("cover", FILES[1], ann),
        ("track", FILES[3], cara),
        ("cover", FILES[0], cara),
    ):
        response = await service.upload(kind, content, by=owner, name=f"{kind}.bin")
        assert response.status_code == HTTPStatus.OK, response.text
        files.append(response.json()["file"])
    for follower, followed in ((ann, bob), (bob, ann), (ann, cara), (cara, ann)):
        given = {"followerId": follower.user_id}
        await service.client.post(f"/social/follow/{followed.user_id}", json=given, headers=follower.headers)
    await private(service, cara, is_private=True)
    return World(people, files, {person.user_id: person.access_token for person in people})


async def open_profiles(service: Service, world: World) -> None:
    """Undo what generated changes of profiles close: most files are to be heard and seen."""
    for person in world.people[:2]:
        await private(service, person, is_private=False)


async def private(service: Service, person: Person, *, is_private: bool) -> None:
    """Close or open a profile."""
    change = {"preferences": {"privateProfile": is_private}}
    response = await service.client.put(f"/users/{person.user_id}/profile", json=change, headers=person.headers)
    assert response.status_code == HTTPStatus.OK, response.text
