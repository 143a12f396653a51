"""No request reads a whole collection, sorts what it finds, or reads all of a list of which it shows a page."""

from __future__ import annotations

from functools import partial

import pytest
from pymongo import AsyncMongoClient

from tests.conftest import StartService
from tests.plans.documents import Asked, Ears, gather_documents
from tests.plans.requests import all_requests
from tests.plans.test_requests import AT_MOST, COUNTS_ALL, _nothing_in_the_background
from tests.setups import MANY

pytestmark = pytest.mark.slow

__all__ = ["_nothing_in_the_background"]

ALL_FOLLOWED = {"_id": 0, "follower_id": 1, "following_id": 1}
"""What is read where a legacy profile names all whom one follows, as documented."""


def is_costly(asked: Asked) -> bool:
    if asked.request == COUNTS_ALL:
        return False
    reads_all = asked.touched > AT_MOST and asked.command.get("projection") != ALL_FOLLOWED
    return reads_all or asked.has_no_index


@pytest.mark.parametrize(
    ("command", "is_seen"),
    [
        ({"find": "profiles", "filter": {"beginnings": "a"}, "sort": {"created_ms": -1, "_id": -1}}, False),
        ({"find": "profiles", "filter": {"beginnings": "a"}, "sort": {"username": 1}}, True),
        ({"find": "profiles", "filter": {"username": "ann"}}, True),
        ({"find": "profiles", "filter": {}}, True),
        ({"find": "profiles", "filter": {}, "limit": 1}, False),
        ({"update": "outbox", "updates": [{"q": {"_id": "a"}}, {"q": {"name": "a"}}]}, True),
    ],
)
def test_a_command_without_an_index_is_seen(command: dict[str, object], *, is_seen: bool) -> None:
    assert Asked("a request", command, 0).has_no_index is is_seen


@pytest.mark.parametrize("prepare", [MANY], indirect=True)
async def test_every_command_of_every_request_finds_few_documents_by_an_index(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    ears = Ears()
    listening = partial(AsyncMongoClient, event_listeners=[ears])
    monkeypatch.setattr("pet.storage.mongo.connection.AsyncMongoClient", listening)
    service = await start_service(engine_timeout=60)
    ann, bob = await service.register("ann"), await service.register("bob")
    assert service.settings.documents_url
    gather_documents(service.settings.documents_url, ann.user_id)
    async for ears.request in all_requests(service, ann, bob):
        pass
    ears.request = None
    assert len({str(asked.command.get("filter", asked.command)) for asked in ears.heard}) > 100
    assert [str(asked) for asked in ears.heard if is_costly(asked)] == []
