"""The deletion of an account while an engine fails at any of its steps: the relay finishes it afterwards."""

from __future__ import annotations

import pytest
from tests.contract_suites.leaving import interrupted_at_every_step
from tests.domain.conftest import House

from pet.domain.errors import Service, Unavailable


@pytest.mark.parametrize("is_carried_out", [False, True], ids=["engine_down", "answer_lost"])
async def test_a_deletion_that_an_engine_fails_is_finished_by_the_relay(house: House, is_carried_out: bool) -> None:
    def fail() -> Unavailable:
        return Unavailable(Service.USER)

    assert await interrupted_at_every_step(house.store, house.blobs, fail, is_carried_out=is_carried_out) > 20
