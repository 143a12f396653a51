"""What the tests of the GraphQL front share: a clock to turn, people, and a real server where a socket is needed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pet.app import Overrides
from pet.schema.preparing import Preparer
from pet.schema.root import build_schema
from tests.clock import HandClock
from tests.conftest import Person, Service, StartService
from tests.schema.seeding import Seeds
from tests.schema.talking import serving


@pytest.fixture
def fresh_schema() -> None:
    """A schema that has seen no document: applications of one process share one with what it remembers."""
    build_schema.cache_clear()


@pytest.fixture
def clock() -> HandClock:
    """The clock of `service`. Tokens are checked against the true time, so register first and advance then."""
    return HandClock()


@pytest.fixture
async def service(start_service: StartService, clock: HandClock) -> Service:
    """A service without rate limits, on each set-up in turn, with a clock to turn."""
    started: Service = await start_service(overrides=Overrides(clock=clock))
    return started


@pytest.fixture
def seeds(service: Service, clock: HandClock) -> Seeds:
    """What fills the database of `service`."""
    return Seeds(service.engines, clock)


@pytest.fixture
async def ann(service: Service) -> Person:
    """Someone registered."""
    return await service.register("ann")


@pytest.fixture
async def bob(service: Service, ann: Person) -> Person:
    """Someone registered after `ann`."""
    return await service.register("bob")


@pytest.fixture
async def live(service: Service) -> AsyncIterator[str]:
    """The address (`host:port`) of a real server that serves `service`: WebSockets need one."""
    async with serving(service.app) as address:
        yield address


@pytest.fixture
def known_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no document be new: what other tests have sent would change what is left of a budget."""
    monkeypatch.setattr(Preparer, "known", Preparer.prepare)
