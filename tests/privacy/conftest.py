"""Ann's house, private or public."""

from __future__ import annotations

import pytest

from pet.app import Overrides
from tests.clock import HandClock
from tests.conftest import Service, StartService
from tests.privacy.house import FRIEND, KEPT_OUT, OWNER, STRANGER, House
from tests.privacy.world import World


@pytest.fixture(params=["private", "blocked"])
async def house(start_service: StartService, request: pytest.FixtureRequest) -> House:
    """Ann is private, or she is public and has blocked Kim; Bob is her friend in both."""
    clock = HandClock()
    service: Service = await start_service(overrides=Overrides(clock=clock))
    world = World(service, clock, prefix="ids-")
    await world.settle((OWNER, STRANGER, KEPT_OUT, FRIEND))
    for pair in ((OWNER, FRIEND), (FRIEND, OWNER)):
        await world.do("follow", *pair)
    outsiders: tuple[str | None, ...] = (KEPT_OUT,)
    if request.param == "private":
        await world.do("go private", OWNER, OWNER)
        outsiders = (None, STRANGER, KEPT_OUT)
    await world.do("block", OWNER, KEPT_OUT)
    me = await world.graphql("{ me { sessions { id } } }", {}, by=OWNER)
    export = await service.services.exports.start(world.viewer(OWNER))
    await service.services.exports.make_next()  # unless it is in hand already
    return House(world, me["me"]["sessions"][0]["id"], export.export_id, outsiders)
