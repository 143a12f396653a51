"""What the tests of running servers share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.ways import WAYS, Way, opened_way


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=WAYS)
async def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Way]:
    """Each way of delivery in turn, for the tests of one module."""
    async with opened_way(request.param, request, tmp_path_factory) as opened:
        yield opened
