"""No request reads a whole table, or all of a list of which it shows a page, whatever the size of the network."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.conftest import Service, StartService
from tests.plans.crowd import gather
from tests.plans.looking import Look, open_eyes, reads_a_whole_table
from tests.plans.requests import all_requests
from tests.setups import EMBEDDED, POSTGRES

pytestmark = pytest.mark.slow

AT_MOST = 600
"""Rows that one statement may touch: a step of 500 and a little; each list here is several times as long."""

COUNTS_ALL = "audit"
"""It counts again, in the background, what every counter of some profiles counts."""

READ_ALL = (
    "SELECT follower_id, following_id FROM follow",
    "SELECT user_id, (SELECT coalesce(json_group_array(following_id)",
    "SELECT username_key, (SELECT coalesce(json_group_array(following_id)",
)
"""A legacy profile names all whom one follows, as documented."""


@pytest.fixture(autouse=True)
def _nothing_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    for pause in ("RELAY_PAUSE", "BYTES_PAUSE", "EXPORT_PAUSE", "AUDIT_PAUSE", "TRIM_PAUSE", "SESSIONS_PAUSE"):
        monkeypatch.setattr(f"pet.upkeep.{pause}", timedelta(days=1))


def is_costly(look: Look) -> bool:
    if look.request == COUNTS_ALL or look.statement.startswith(READ_ALL):
        return False
    return look.touched > AT_MOST or reads_a_whole_table(look)


@pytest.mark.parametrize("prepare", [EMBEDDED, POSTGRES], indirect=True)
async def test_every_statement_of_every_request_touches_few_rows(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service: Service = await start_service(engine_timeout=60)  # filling it takes longer than any request may
    ann, bob = await service.register("ann"), await service.register("bob")
    await gather(ann.user_id)
    eyes = open_eyes(monkeypatch)
    async for eyes.request in all_requests(service, ann, bob):
        pass
    eyes.request = None
    assert len({look.statement for look in eyes.looks}) > 100
    assert [str(look) for look in eyes.looks if is_costly(look)] == []
