"""The audit of one profile's counters, for admins."""

from __future__ import annotations

from pet.domain.effects import AddStats
from pet.domain.events import UserUpdated
from pet.domain.ids import UserId
from pet.domain.stats import Stats
from tests.clock import HandClock
from tests.conftest import Person, Service
from tests.schema.operations import run

QUERY = """
{ profile(by: {username: "ann"}) { statsAudit {
  stored { followersCount tracksCount } recomputed { followersCount tracksCount } isExact atEvent
} } }
"""


async def test_an_admin_compares_what_is_stored_with_what_is_counted(
    service: Service, ann: Person, bob: Person, clock: HandClock
) -> None:
    admin = await service.register("root")
    await service.services.accounts.promote("root")
    await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    found = (await service.graphql(QUERY, by=admin))["data"]["profile"]["statsAudit"]
    counted = {"followersCount": 1, "tracksCount": 0}
    assert (found["stored"], found["recomputed"], found["isExact"]) == (counted, counted, True)
    last = await service.engines.documents.outbox.find(found["atEvent"])
    assert last is not None
    assert last.event.name == "follow.created"
    spoiling = UserUpdated(user_id=UserId(ann.user_id), occurred_at=clock())
    await service.engines.documents.projections.apply(spoiling, [AddStats(UserId(ann.user_id), Stats(tracks=9))])
    found = (await service.graphql(QUERY, by=admin))["data"]["profile"]["statsAudit"]
    assert (found["stored"]["tracksCount"], found["recomputed"]["tracksCount"], found["isExact"]) == (9, 0, False)


async def test_nobody_else_may(service: Service, ann: Person) -> None:
    for by, code in ((ann, "FORBIDDEN"), (None, "UNAUTHENTICATED")):
        answer = await service.graphql(QUERY, by=by)
        assert answer["data"] == {"profile": {"statsAudit": None}}
        assert [error["extensions"]["code"] for error in answer["errors"]] == [code]
