"""Generated requests against rate limits: a spent budget is answered as described too."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

import pytest
from schemathesis import GenerationMode

from tests.openapi.generated import Client, load
from tests.openapi.in_process import service_in_thread
from tests.openapi.world import World
from tests.setups import EMBEDDED, prepare_on

LIMITED = {"register", "logIn", "changePassword", "uploadAvatar", "uploadTrack", "uploadCover"}


def test_a_spent_budget_is_answered_as_described(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with service_in_thread(tmp_path, prepare_on(EMBEDDED, request), rate_limits=True) as served:
        ann = served.run(served.service.register("ann"))
        world = World([ann], [{"fileId": ann.user_id}], {ann.user_id: ann.access_token})
        client = Client(served, world)
        schema = load(served, world)
        for name in sorted(LIMITED):
            client.run(schema, name, GenerationMode.POSITIVE, cases=25)
    assert client.with_status(HTTPStatus.TOO_MANY_REQUESTS) == LIMITED
