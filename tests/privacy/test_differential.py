"""Whatever people do to each other, each of them gets over every front what a model of the policy says, and no more."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import count, permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pet.app import Overrides
from tests.clock import HandClock
from tests.conftest import Service, StartService
from tests.privacy.world import ADMIN, Link, World
from tests.setups import EMBEDDED, MANY

PEOPLE = ("ann", "bob", "eve", "kim")
EVERYONE = (*PEOPLE, ADMIN)
ONLOOKERS = (None, *EVERYONE)
LATER = ("block", "block", "block", "unblock", "unfollow", "follow", "accept", "go private", "go public")

Deed = tuple[str, str, str]
somebody = st.sampled_from(EVERYONE)


@dataclass(frozen=True)
class Story:
    """What people do before they are given links to each other's media, and after."""

    before: list[Deed]
    after: list[Deed]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Draw who is private, how each stands to each, and then any deeds, blocks most of all."""
    before: list[Deed] = [("go private", who, who) for who in EVERYONE if draw(st.booleans())]
    for who, whom in permutations(EVERYONE, 2):
        standing = draw(st.sampled_from(["nothing", "asked", "let in"]))
        before += [("follow", who, whom)] if standing != "nothing" else []
        before += [("accept", whom, who)] if standing == "let in" else []
    return Story(before, draw(st.lists(st.tuples(st.sampled_from(LATER), somebody, somebody), min_size=4, max_size=16)))


PAGE = """
  bio location genres coverImageUrl isPrivate viewerIsSelf viewerFollowState preferences { privateProfile }
  stats { tracksCount followersCount followingCount }
  tracks(first: 9) { totalCount edges { node { fileId url coverUrl owner { bio } } } }
  audioFiles(first: 9) { totalCount edges { node { fileId url } } }
  followers(first: 9) { totalCount edges { node { userId } } }
  following(first: 9) { totalCount edges { node { userId } } }
"""
SEEN = f"""query ($id: ID!, $track: ID!, $profile: ID!, $trackNode: ID!, $activity: ID!) {{
  profile(by: {{userId: $id}}) {{ {PAGE} }}
  track(fileId: $track) {{ fileId }}
  profileNode: node(id: $profile) {{ ... on Profile {{ {PAGE} }} }}
  trackNode: node(id: $trackNode) {{ id }}
  activityNode: node(id: $activity) {{ id }}
}}"""
SEARCH = """query ($prefix: String!) {
  profiles(search: $prefix, first: 9) { totalCount edges { node { userId bio isPrivate tracks { totalCount } } } }
}"""
OWN = """{ me { followRequests { edges { node { userId } } } sentFollowRequests { edges { node { userId } } } }
  blocks { edges { node { userId } } }
  feed(first: 50) { edges { node { actor { userId bio } ... on TrackPublished { track { fileId url } } } } } }"""
VIEW_AS = f"query ($as: Onlooker!) {{ viewAs(as: $as) {{ {PAGE} }} }}"
IS_FOLLOWING = "query ($one: ID!, $other: ID!) { isFollowing(followerId: $one, followingId: $other) }"


@pytest.mark.parametrize(("prepare", "examples"), [(EMBEDDED, 12), (MANY, 2)], indirect=["prepare"])
@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")
async def test_each_gets_what_the_policy_says_over_every_front(start_service: StartService, examples: int) -> None:
    clock, numbers, loop = HandClock(), count(), asyncio.get_running_loop()
    service: Service = await start_service(overrides=Overrides(clock=clock))

    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        print_blob=True,
    )
    @given(story=stories())
    def compared(story: Story) -> None:
        world = World(service, clock, prefix=f"w{next(numbers)}-")
        asyncio.run_coroutine_threadsafe(compare(world, story), loop).result()

    await asyncio.to_thread(compared)


async def compare(world: World, story: Story) -> None:
    """Let a story happen, with links handed out in its middle, and compare everything at its end."""
    await world.settle(EVERYONE)
    for deed in story.before:
        await world.do(*deed)
    await hand_out_links(world)
    for deed in story.after:
        await world.do(*deed)
    for viewer in ONLOOKERS:
        for owner in PEOPLE:
            await compare_page(world, viewer, owner)
        await compare_lists(world, viewer)
    for link in world.links:
        assert await world.opens(link.url, by=None) is world.policy.opens(link), link


async def hand_out_links(world: World) -> None:
    """Let everyone keep the links that they are given of what they may see at this moment."""
    for viewer in ONLOOKERS:
        for owner in PEOPLE:
            page = (await world.graphql(SEEN, variables(world, owner), by=viewer))["profile"]
            keep_links(world, page, owner, viewer)


def keep_links(world: World, page: dict[str, Any], owner: str, viewer: str | None) -> None:
    urls = [page["coverImageUrl"]] if page["coverImageUrl"] else []
    urls += [edge["node"][key] for edge in page["tracks"]["edges"] for key in ("url", "coverUrl")]
    urls += [edge["node"]["url"] for edge in page["audioFiles"]["edges"]]
    links = [Link(url, owner, viewer) for url in urls]
    is_signed = world.policy.people[owner] and viewer is not None
    assert [link.is_signed for link in links] == [is_signed] * (5 if world.policy.sees(viewer, owner) else 0)
    world.links += links


def variables(world: World, owner: str) -> dict[str, Any]:
    nodes, home = world.node_ids(owner), world.homes[owner]
    ids = {"profile": nodes["profile"], "trackNode": nodes["track"], "activity": nodes["activity"]}
    return {"id": world.user_id(owner), "track": home.track.file_id, **ids}


def expected(world: World, viewer: str | None, owner: str) -> dict[str, Any]:
    """Return what a viewer must get of someone's page, in one form for all fronts."""
    policy, home, sees = world.policy, world.homes[owner], world.policy.sees(viewer, owner)
    stats = policy.stats(owner)
    return {
        "texts": (f"{owner}'s bio", "Here", ["folk"]) if sees else (None, None, []),
        "has cover": sees,
        "is private": policy.people[owner],
        "is self": viewer == owner,
        "state": policy.state(viewer, owner),
        "preferences": {"privateProfile": policy.people[owner]} if viewer == owner else None,
        "counters": (stats.tracks, stats.followers, stats.following),
        "tracks": [home.track.file_id] if sees else [],
        "audio": [home.other.file_id, home.track.file_id] if sees else [],
        "followers": policy.listed(policy.following, 1, owner) if sees else [],
        "following": policy.listed(policy.following, 0, owner) if sees else [],
    }


def from_graphql(world: World, page: dict[str, Any]) -> dict[str, Any]:
    """Return the same of a page as GraphQL shows it; the sizes of lists are those of what they hold."""
    listed = {name: [edge["node"] for edge in page[name]["edges"]] for name in LISTS}
    assert {name: page[name]["totalCount"] for name in LISTS} == {name: len(nodes) for name, nodes in listed.items()}
    assert all(track["owner"]["bio"] == page["bio"] for track in listed["tracks"])
    stats = page["stats"]
    return {
        "texts": (page["bio"], page["location"], page["genres"]),
        "has cover": page["coverImageUrl"] is not None,
        "is private": page["isPrivate"],
        "is self": page["viewerIsSelf"],
        "state": page["viewerFollowState"],
        "preferences": page["preferences"],
        "counters": (stats["tracksCount"], stats["followersCount"], stats["followingCount"]),
        "tracks": [node["fileId"] for node in listed["tracks"]],
        "audio": [node["fileId"] for node in listed["audioFiles"]],
        "followers": world.names([node["userId"] for node in listed["followers"]]),
        "following": world.names([node["userId"] for node in listed["following"]]),
    }


LISTS = ("tracks", "audioFiles", "followers", "following")


async def from_rest(world: World, viewer: str | None, owner: str) -> dict[str, Any]:
    """Return the same of what the legacy routes show; they tell of privacy and of requests to nobody else."""
    user_id, username = world.user_id(owner), world.homes[owner].person.username
    profile = (await world.rest(f"/users/{user_id}/profile", by=viewer))["data"]
    page = (await world.rest(f"/users/{username}/public", by=viewer))["data"]
    tracks = (await world.rest(f"/users/{username}/tracks", by=viewer))["data"]
    audio = (await world.rest(f"/users/{username}/audio-files", by=viewer))["audioFiles"]
    followers = (await world.rest(f"/social/followers/{user_id}", by=viewer))["data"]
    following = (await world.rest(f"/social/following/{user_id}", by=viewer))["data"]
    assert page["profile"] == profile
    assert page["tracks"] == tracks
    assert world.names(profile["following"]) == world.names([follow["followingId"] for follow in following])
    return {
        "texts": (profile.get("bio"), profile.get("location"), profile["genres"]),
        "has cover": "coverImageUrl" in profile,
        "is self": page["isOwnProfile"],
        "is following": page["isFollowing"],
        "is said to be private": profile["preferences"]["privateProfile"],
        "counters": (profile["stats"]["tracksCount"], page["followersCount"], page["followingCount"]),
        "tracks": [file["fileId"] for file in tracks],
        "audio": [file["fileId"] for file in audio],
        "followers": world.names([follow["followerId"] for follow in followers]),
        "following": world.names([follow["followingId"] for follow in following]),
    }


async def compare_page(world: World, viewer: str | None, owner: str) -> None:
    """Compare what a viewer gets of someone, over every front, and what the owner is told of that."""
    policy, sees, wanted = world.policy, world.policy.sees(viewer, owner), expected(world, viewer, owner)
    seen = await world.graphql(SEEN, variables(world, owner), by=viewer)
    assert from_graphql(world, seen["profile"]) == wanted, (viewer, owner)
    assert seen["profileNode"] == seen["profile"]
    assert [seen[name] is not None for name in ("track", "trackNode", "activityNode")] == [sees] * 3
    keep_links(world, seen["profile"], owner, viewer)

    onlooker = {"userId": world.user_id(viewer)} if viewer else {"kind": "ANONYMOUS"}
    shown = (await world.graphql(VIEW_AS, {"as": onlooker}, by=owner))["viewAs"]
    assert from_graphql(world, shown) == wanted, (viewer, owner)

    legacy = {name: value for name, value in wanted.items() if name not in {"is private", "state", "preferences"}}
    legacy["is said to be private"] = viewer == owner and policy.people[owner]
    legacy["is following"] = knows_follow(world, viewer, viewer, owner) and wanted["state"] == "FOLLOWING"
    assert await from_rest(world, viewer, owner) == legacy, (viewer, owner)

    for other in EVERYONE:
        told = knows_follow(world, viewer, other, owner) and (other, owner) in policy.following
        path = f"/social/isFollowing/{world.user_id(other)}/{world.user_id(owner)}"
        assert (await world.rest(path, by=viewer))["data"] == {"isFollowing": told}, (viewer, other, owner)

    for kind, path in world.homes[owner].media().items():
        assert await world.opens(path, by=viewer) is sees, (viewer, owner, kind)
    for path in (f"/media/avatar/{world.user_id(owner)}", f"/media/file/{world.homes[owner].avatar.file_id}"):
        assert await world.opens(path, by=viewer) is True, (viewer, owner)


def knows_follow(world: World, viewer: str | None, follower: str | None, followed: str) -> bool:
    """Tell whether a viewer may know if one follows the other: it is in a list that they may see."""
    return follower is not None and (world.policy.sees(viewer, follower) or world.policy.sees(viewer, followed))


async def compare_lists(world: World, viewer: str | None) -> None:
    """Compare what a viewer gets of everyone at once: search, list, feeds, subscription, and their own lists."""
    policy = world.policy
    cards = {
        world.user_id(name): (
            f"{name}'s bio" if policy.sees(viewer, name) else None,
            policy.people[name],
            int(policy.sees(viewer, name)),
        )
        for name in EVERYONE
    }
    found = (await world.graphql(SEARCH, {"prefix": world.prefix}, by=viewer))["profiles"]
    nodes = [edge["node"] for edge in found["edges"]]
    assert {
        node["userId"]: (node["bio"], node["isPrivate"], node["tracks"]["totalCount"]) for node in nodes
    } == cards, viewer
    assert found["totalCount"] == len(EVERYONE)
    listed = (await world.rest("/users", by=viewer, limit=str(len(EVERYONE))))["profiles"]
    assert {one["userId"]: one.get("bio") for one in listed} == {one: bio for one, (bio, _, _) in cards.items()}

    for owner in PEOPLE:
        told = (await world.rest("/social/feed", by=viewer, userId=world.user_id(owner)))["data"]
        shown = [(world.name(item["userId"]), item.get("trackId", "")) for item in told]
        assert shown == policy.feed(owner, viewer), (viewer, owner)
    if viewer is None:
        return
    own = await world.graphql(OWN, {}, by=viewer)
    nodes = [edge["node"] for edge in own["feed"]["edges"]]
    shown = [(world.name(node["actor"]["userId"]), node.get("track", {}).get("fileId", "")) for node in nodes]
    assert shown == policy.feed(viewer, viewer), viewer
    assert all(node["actor"]["bio"] for node in nodes)
    assert await world.heard(viewer) == {whom for who, whom in policy.following if who == viewer}
    people = {
        name: [world.name(edge["node"]["userId"]) for edge in connection["edges"]]
        for name, connection in {**own["me"], "blocks": own["blocks"]}.items()
    }
    assert people["followRequests"] == policy.listed(policy.asking, 1, viewer)
    assert people["sentFollowRequests"] == policy.listed(policy.asking, 0, viewer)
    assert set(people["blocks"]) == {kept_out for kept_out, blocker in policy.blocks if blocker == viewer}
