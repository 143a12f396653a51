"""Engines that fail stand beside the embedded ones: each module names the one that it lets fail."""

from __future__ import annotations

import pytest

from tests.setups import EMBEDDED, Prepare, prepare_on


@pytest.fixture
def prepare(request: pytest.FixtureRequest) -> Prepare:
    """The embedded set-up, for whatever a module does not replace."""
    return prepare_on(EMBEDDED, request)
