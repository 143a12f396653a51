"""What the tests of threats share: a service on the defaults, somebody to harm, and somebody who would."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Person, Service, StartService, starting
from tests.media_factory import mp3
from tests.setups import EMBEDDED, Prepare, kept_objects, prepare_on

PRIVATE_STATE = """query {
  me {
    userId email role
    profile {
      displayName bio location genres instruments avatarUrl coverImageUrl preferences { privateProfile }
      tracks { edges { node { fileId title artist album coverUrl } } }
    }
    followRequests { edges { node { username } } }
    sentFollowRequests { edges { node { username } } }
    sessions { id }
  }
}"""


@pytest.fixture
def prepare(request: pytest.FixtureRequest) -> Prepare:
    """The defaults alone: what is tried here is decided above the engines."""
    return prepare_on(EMBEDDED, request)


@pytest.fixture
async def start_service(tmp_path: Path, prepare: Prepare) -> AsyncIterator[StartService]:
    """The shared fixture of that name, on the defaults."""
    async with starting(tmp_path, prepare) as start:
        yield start


@dataclass(frozen=True)
class Victim:
    """Ann, who has a track, follows Eve, and whom Dan asks to follow; and Mallory."""

    service: Service
    ann: Person
    mallory: Person
    eve: Person
    dan: Person
    song: str

    async def state(self) -> list[Any]:
        """Return what a write in Ann's name or to what is Ann's could change."""
        private = await self.service.graphql(PRIVATE_STATE, by=self.ann)
        assert "errors" not in private, private
        paths = (
            f"/users/{self.ann.user_id}/profile",
            "/users/ann/audio-files",
            f"/social/following/{self.ann.user_id}",
        )
        public = [(await self.service.client.get(path, headers=self.ann.headers)).json() for path in paths]
        return [private, public, kept_objects(self.service.settings)]


@pytest.fixture
async def victim(service: Service) -> Victim:
    """Ann with all that can be changed."""
    ann, mallory, eve, dan = [await service.register(name) for name in ("ann", "mallory", "eve", "dan")]
    song = (await service.upload("track", mp3(1.0, title="Ann's"), by=ann)).json()["file"]["fileId"]
    close = "mutation { updateProfile(input: {preferences: {privateProfile: true}}) { userErrors { code } } }"
    follow = "mutation ($id: ID!) { follow(userId: $id) { userErrors { code } } }"
    await service.graphql(close, by=ann)
    await service.graphql(follow, {"id": eve.user_id}, by=ann)
    await service.graphql(follow, {"id": ann.user_id}, by=dan)
    return Victim(service, ann, mallory, eve, dan, song)
