"""Pages cost a constant number of statements, however many people they show: an N+1 cannot come back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from graphql import GraphQLObjectType
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandStartedEvent

from pet.domain.ids import UserId
from pet.schema.root import build_schema
from pet.storage.sql.database import Database, Statements
from tests.conftest import Person, Service
from tests.schema.operations import DOCUMENT
from tests.schema.seeding import Seeds
from tests.setups import EMBEDDED, MANY, POSTGRES
from tests.storage.mongo.test_plans import Recorder

pytestmark = [
    pytest.mark.parametrize("prepare", [EMBEDDED, POSTGRES, MANY], indirect=True),
    pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"),  # as in every test on many engines
]

PAGE = """
query Page($first: Int) {
  profiles(first: $first) {
    edges { node {
      username
      viewerFollowState
      tracks(first: 1) { edges { node { title coverUrl processing waveform owner { username } } } totalCount }
      followers(first: 1) { edges { node { username viewerFollowState } } totalCount }
      following(first: 1) { edges { node { username } } }
      audioFiles(first: 1) { edges { node { url } } totalCount }
    } }
    totalCount
  }
}
"""


SHOWN = {"title": "Song", "owner": {"username": "person49"}, "processing": "PENDING", "waveform": None}


@pytest.fixture(autouse=True)
def _nothing_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    for pause in ("RELAY_PAUSE", "EXPORT_PAUSE"):
        monkeypatch.setattr(f"pet.upkeep.{pause}", timedelta(days=1))
    for pause in ("LISTENING", "AWAY"):
        monkeypatch.setattr(f"pet.storage.redis.broadcast.{pause}_PAUSE_SECONDS", 86_400.0)


class Sent(Recorder):
    """Keeps what MongoDB is sent among the statements."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self._seen = seen

    def started(self, event: CommandStartedEvent) -> None:
        """Keep how a command begins."""
        self._seen.append(str(event.command)[:100])


@pytest.fixture(autouse=True)
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that the SQL database and MongoDB are sent, in order; MongoDB when it is opened from now on."""
    seen: list[str] = []
    listening = partial(AsyncMongoClient, event_listeners=[Sent(seen)])
    monkeypatch.setattr("pet.storage.mongo.connection.AsyncMongoClient", listening)

    def counted(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def noted(self: object, sql: str, *values: object) -> Any:
            seen.append(sql[:100])
            return await method(self, sql, *values)

        return noted

    for kind, name in ((Database, "rows"), (Database, "records"), (Statements, "rows"), (Statements, "run")):
        monkeypatch.setattr(kind, name, counted(getattr(kind, name)))
    return seen


async def crowd(seeds: Seeds, size: int, *, followed_by: UserId) -> None:
    """Add people, each with two tracks, a cover and two followers."""
    before = followed_by
    for number in range(size):
        user_id = await seeds.person(f"person{number:02}")
        await seeds.track(user_id)
        await seeds.track(user_id)
        await seeds.cover(user_id)
        await seeds.follow(followed_by, user_id)
        await seeds.follow(user_id, before)
        before = user_id


async def test_a_page_of_people_costs_the_same_for_1_and_for_50(
    service: Service, ann: Person, seeds: Seeds, statements: list[str]
) -> None:
    await crowd(seeds, 50, followed_by=UserId(ann.user_id))
    costs = []
    for first in (1, 50):
        await service.graphql("{ me { userId } }", by=ann)
        statements.clear()
        people = (await service.graphql(PAGE, {"first": first}, by=ann))["data"]["profiles"]
        costs.append(len(statements))
        assert len(people["edges"]) == first
        assert people["totalCount"] == 51
    assert people["edges"][0]["node"] == {
        "username": "person49",
        "viewerFollowState": "FOLLOWING",
        "tracks": {
            "edges": [{"node": _shown_track(people, 0) | SHOWN}],
            "totalCount": 2,
        },
        "followers": {"edges": [{"node": {"username": "ann", "viewerFollowState": "NONE"}}], "totalCount": 1},
        "following": {"edges": [{"node": {"username": "person48"}}]},
        "audioFiles": {"edges": people["edges"][0]["node"]["audioFiles"]["edges"], "totalCount": 2},
    }
    assert all(_shown_track(people, number)["coverUrl"] for number in range(50))
    # On the larger page everyone is read already but Ann, and how she stands to herself need not be asked.
    assert costs == [12, 11], "\n".join(statements)


async def test_a_feed_costs_the_same_for_1_and_for_20(
    service: Service, ann: Person, seeds: Seeds, statements: list[str]
) -> None:
    await crowd(seeds, 20, followed_by=UserId(ann.user_id))
    costs = []
    for first in (1, 20):
        await service.graphql("{ me { userId } }", by=ann)
        statements.clear()
        answer = await service.graphql(DOCUMENT, {"first": first}, by=ann, name="Feed")
        costs.append(len(statements))
        assert len(answer["data"]["feed"]["edges"]) == first
    # MongoDB is asked by itself for those whose news are still being told.
    assert costs == ([7, 7] if service.settings.documents_url else [6, 6]), "\n".join(statements)


async def test_a_profile_page_costs_the_same_for_1_and_for_20_tracks(
    service: Service, ann: Person, seeds: Seeds, statements: list[str]
) -> None:
    bob = await seeds.person("bob")
    for _ in range(20):
        await seeds.track(bob)
    costs = []
    for first in (1, 20):
        await service.graphql("{ me { userId } }", by=ann)
        statements.clear()
        answer = await service.graphql(DOCUMENT, {"by": {"userId": bob}, "first": first}, by=ann, name="ProfilePage")
        costs.append(len(statements))
        assert len(answer["data"]["profile"]["tracks"]["edges"]) == first
    assert costs == [4, 4], "\n".join(statements)


SONG = "title url coverUrl playCount processing waveform waveformUrl owner { username viewerFollowState }"
PERSON = f"""
    userId isPrivate avatarUrl coverImageUrl viewerIsSelf viewerFollowState stats {{ tracksCount }}
    tracks(first: 2) {{ edges {{ node {{ {SONG} }} }} totalCount }}
    audioFiles(first: 2) {{ edges {{ node {{ url }} }} totalCount }}
"""
FOLLOWED = f"""{PERSON}
    followers(first: 2) {{ edges {{ node {{ {PERSON} }} }} totalCount }}
    following(first: 2) {{ edges {{ node {{ {PERSON} }} }} totalCount }}
"""
DEED = f"actor {{ {PERSON} }} ... on TrackPublished {{ track {{ {SONG} owner {{ {PERSON} }} }} }}"

OWNER_AND_ITEM = {
    "profiles": ("{}", FOLLOWED),
    "feed": ("{}", DEED),
    "followRequests": ("owner: me {{ {} }}", FOLLOWED),
    "sentFollowRequests": ("owner: me {{ {} }}", FOLLOWED),
    "blocks": ("{}", FOLLOWED),
    "followers": ('owner: profile(by: {{username: "ann"}}) {{ {} }}', FOLLOWED),
    "following": ('owner: profile(by: {{username: "ann"}}) {{ {} }}', FOLLOWED),
    "tracks": ('owner: profile(by: {{username: "ann"}}) {{ {} }}', f"{SONG} owner {{ {PERSON} }}"),
    "audioFiles": ('owner: profile(by: {{username: "ann"}}) {{ {} }}', "fileId url metadata { format }"),
}
"""Where each connection is found, and all that can be asked about one of its items."""


def connections() -> list[str]:
    """Return the names of all connections of the schema."""
    kinds = [kind for kind in build_schema()._schema.type_map.values() if isinstance(kind, GraphQLObjectType)]
    return sorted({name for kind in kinds for name, field in kind.fields.items() if "first" in field.args})


async def test_every_connection_costs_a_few_statements_for_1_and_for_50(
    service: Service, ann: Person, seeds: Seeds, statements: list[str]
) -> None:
    me = UserId(ann.user_id)
    await crowd(seeds, 50, followed_by=me)
    for number in range(50):
        other = await seeds.person(f"other{number:02}")
        await seeds.follow(other, me)
        await seeds.request(await seeds.person(f"asking{number:02}"), me)
        await seeds.request(me, await seeds.person(f"asked{number:02}"))
        await seeds.track(me)
        await seeds.block(me, await seeds.person(f"blocked{number:02}"))
    for name in connections():
        owner, item = OWNER_AND_ITEM[name]
        page = f"page: {name}(first: $first) {{ edges {{ node {{ {item} }} }} }}"
        for first in (1, 50):
            await service.graphql("{ me { userId } }", by=ann)
            statements.clear()
            query = f"query ($first: Int) {{ {owner.format(page)} }}"
            data = (await service.graphql(query, {"first": first}, by=ann))["data"]
            assert len((data.get("owner") or data)["page"]["edges"]) == first, name
            # One per kind of thing and level, not one per item; batches of later levels meet or not, by timing.
            assert len(statements) <= 25, "\n".join([name, *statements])


def _shown_track(people: dict[str, Any], number: int) -> dict[str, Any]:
    (edge,) = people["edges"][number]["node"]["tracks"]["edges"]
    node: dict[str, Any] = edge["node"]
    return node
