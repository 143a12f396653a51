"""Any object by its global id."""

from __future__ import annotations

from typing import Any

from pet.domain.ids import UserId, new_object_id, new_uuid7
from pet.schema.scalars import global_id
from tests.conftest import Person, Service
from tests.schema.operations import run
from tests.schema.seeding import Seeds


async def node(service: Service, node_id: str, *, by: Person | None = None) -> dict[str, Any] | None:
    """Return what `node(id:)` finds."""
    found: dict[str, Any] | None = await run(service, "NodeById", {"id": node_id}, by=by)
    return found


async def activity_ids(service: Service, person: Person) -> dict[str, str]:
    """Return the global ids of someone's feed, by type."""
    edges = (await run(service, "Feed", by=person))["edges"]
    return {edge["node"]["__typename"]: edge["node"]["id"] for edge in edges}


async def test_everything_with_an_id_is_found_by_it(service: Service, seeds: Seeds, ann: Person, bob: Person) -> None:
    await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    track = await run(service, "TrackPage", {"fileId": await seeds.track(UserId(ann.user_id))})
    profile = (await run(service, "UpdateProfile", {"input": {"bio": "Hello."}}, by=ann))["profile"]
    activities = await activity_ids(service, bob)
    assert len({track["id"], profile["id"], *activities.values()}) == 4
    assert await node(service, profile["id"]) == {"__typename": "Profile", "id": profile["id"], "username": "ann"}
    assert await node(service, track["id"]) == {"__typename": "Track", "id": track["id"], "title": "Song"}
    assert set(activities) == {"TrackPublished", "ProfileUpdated"}
    for kind, activity_id in activities.items():
        assert await node(service, activity_id) == {"__typename": kind, "id": activity_id}


async def test_what_a_private_profile_hides_is_null(service: Service, seeds: Seeds, ann: Person, bob: Person) -> None:
    await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    track = await run(service, "TrackPage", {"fileId": await seeds.track(UserId(ann.user_id))})
    given = {"input": {"bio": "Hello.", "preferences": {"privateProfile": True}}}
    profile = (await run(service, "UpdateProfile", given, by=ann))["profile"]
    hidden = [track["id"], *(await activity_ids(service, bob)).values()]
    assert len(hidden) == 3
    eve = await service.register("eve")
    for node_id in hidden:
        assert await node(service, node_id) is None
        assert await node(service, node_id, by=eve) is None
        for allowed in (ann, bob):
            found = await node(service, node_id, by=allowed)
            assert found is not None
            assert found["id"] == node_id
    card = await node(service, profile["id"], by=eve)
    assert card == {"__typename": "Profile", "id": profile["id"], "username": "ann"}


async def test_what_is_not_there_is_null(service: Service, ann: Person) -> None:
    unknown = [global_id("Profile", new_uuid7()), global_id("Track", new_uuid7())]
    strange = [global_id("Activity", new_object_id()), global_id("Account", ann.user_id), global_id("Profile", "x")]
    as_another = [global_id("Track", ann.user_id), global_id("Activity", "\x00")]
    for node_id in (*unknown, *strange, *as_another, "", "x", "====", "\U0001f3b5", ann.user_id, "A" * 9999):
        assert await node(service, node_id) is None
