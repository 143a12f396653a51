"""Histories are tried on every set-up, PostgreSQL with the documents in it among them."""

from __future__ import annotations

import pytest

from tests.setups import EVERY_SET_UP, Prepare, prepare_on


@pytest.fixture(params=EVERY_SET_UP)
def prepare(request: pytest.FixtureRequest) -> Prepare:
    """Each set-up in turn: what makes its engines, empty, for one test."""
    return prepare_on(request.param, request)
