"""Two processes and twenty clients, while connections are cut and processes killed at random, all of a minute long."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from pet.app import Parts, open_parts
from pet.settings import Settings
from tests.chaos.checks import Inspection, events_of, published
from tests.chaos.clients import Client, Town
from tests.chaos.network import PAUSE_SECONDS, Network
from tests.chaos.processes import Unit, pet, supervised
from tests.e2e import server as servers
from tests.engines.rabbitmq import URL_VARIABLE, Listener, listening, own_exchange, pet_with
from tests.faults.link import Fault, Link, faulty_link
from tests.setups import MANY, Prepare

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("prepare", [MANY], indirect=True)]

SECONDS = 60.0
SEED = 4
CLIENTS = 20

LIVES_SECONDS = (4.0, 8.0)
"""How long there is peace before one of the two processes is killed."""

PEACE_SECONDS = (1.0, 4.0)
FAULT_SECONDS = (0.0, 0.6)
FAULTS = (Fault.RESET, Fault.LOSE_ANSWERS, Fault.HANG, Fault.REFUSE)

WITHIN_SECONDS = 120.0
"""How long the service may take to come to rest: far more than it needs."""


@pytest.fixture
async def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listener | None]:
    """Who hears this test's own exchange, where there is a broker."""
    url = os.environ.get(URL_VARIABLE)
    if not url:
        yield None
        return
    async with own_exchange(url) as name, listening(url, name) as opened:
        monkeypatch.setattr(servers, "PET", pet_with(name, tmp_path))
        yield opened


@pytest.fixture
def engines(prepare: Prepare, tmp_path: Path, listener: Listener | None) -> dict[str, Any]:
    """The settings that name the engines, without any link between."""
    named = {name: str(value) for name, value in prepare(tmp_path).items()}
    return named | ({"amqp_url": os.environ[URL_VARIABLE]} if listener else {})


async def test_nothing_is_lost_and_nothing_counts_twice_in_a_storm(
    tmp_path: Path, engines: dict[str, Any], listener: Listener | None
) -> None:
    print(f"SEED = {SEED}, SECONDS = {SECONDS}")  # noqa: T201 - pytest shows it when the test fails
    async with AsyncExitStack() as stack:
        links, through_links = await open_links(stack, engines)
        units = [await stack.enter_async_context(supervised(Unit(tmp_path / name, through_links))) for name in "ab"]
        stack.callback(show_errors, units)
        town = Town(Network([await stack.enter_async_context(client_of(unit)) for unit in units]))
        for unit in units:
            await unit.until_ready()
        async with stormy(units, links):
            clients = [Client(number, town, Random(f"{SEED} {number}")) for number in range(CLIENTS)]
            await asyncio.gather(*(client.live(SECONDS) for client in clients))
        kills, network = [unit.kills for unit in units], town.network
        print(f"{kills} kills, {network.answered} answers, {network.broken} broken requests")  # noqa: T201
        assert min(sum(kills), network.answered, network.broken) > 0
        for unit in units:
            await unit.until_ready()
        settings = Settings(data_dir=tmp_path / "c", rate_limits=False, **engines)
        parts = await stack.enter_async_context(open_parts(settings))
        await until_delivered(parts)
        assert town.network.surprises == []
        assert await pet("events", "list", **engines) == ["0 events wait for their delivery, 0 are parked."]
        assert (await pet("audit", **engines))[-1].endswith(" profiles, 0 of them drifted, 0 repaired.")
        inspection = Inspection(town, parts)
        await inspection.everyone()
        await until_delivered(parts)  # what the inspection itself has heard
        events = await events_of(parts)
        await inspection.news(events)
        await inspection.media(settings)
        if listener:
            await listener.wait_for(len(events), seconds=WITHIN_SECONDS)
            published(listener, events)


async def open_links(stack: AsyncExitStack, engines: dict[str, Any]) -> tuple[list[Link], dict[str, Any]]:
    """Put a link in front of each engine that is reached by host and port; return the settings that lead there."""
    links, settings = [], dict(engines)
    for name, value in engines.items():
        place = urlsplit(value) if name.endswith("_url") else None
        if place is not None and place.hostname and place.port:
            link = await stack.enter_async_context(faulty_link(place.hostname, place.port))
            settings[name] = value.replace(f":{place.port}", f":{link.port}")
            links.append(link)
    assert links
    return links, settings


def show_errors(units: Sequence[Unit]) -> None:
    """Print what a reader of a failure needs."""
    for unit in units:
        lines = (orjson.loads(line) for line in unit.log.lines if line.startswith("{"))
        for line in lines:
            if line["level"] in ("error", "critical"):
                print(unit.url, line)  # noqa: T201


@asynccontextmanager
async def client_of(unit: Unit) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=unit.url, timeout=servers.DEADLINE, limits=limits) as client:
        yield client


@asynccontextmanager
async def stormy(units: Sequence[Unit], links: Sequence[Link]) -> AsyncIterator[None]:
    """Kill processes and cut connections at random until the context is left; then mend everything."""
    storms = [asyncio.create_task(kill(units, Random(f"{SEED} kill")))]
    storms += [asyncio.create_task(disturb(link, Random(f"{SEED} {number}"))) for number, link in enumerate(links)]
    try:
        yield
    finally:
        for storm in storms:
            storm.cancel()
        await asyncio.wait(storms)
        for link in links:
            await link.mend()


async def kill(units: Sequence[Unit], chance: Random) -> None:
    """Kill one of the processes every few seconds."""
    while True:
        await asyncio.sleep(chance.uniform(*LIVES_SECONDS))
        chance.choice(units).kill()


async def disturb(link: Link, chance: Random) -> None:
    """Let a link fail for a moment again and again."""
    while True:
        await asyncio.sleep(chance.uniform(*PEACE_SECONDS))
        await link.fail(chance.choice(FAULTS))
        await asyncio.sleep(chance.uniform(*FAULT_SECONDS))
        await link.mend()


async def until_delivered(parts: Parts) -> None:
    """Wait until no event is undelivered."""
    async with asyncio.timeout(WITHIN_SECONDS):
        while True:
            backlogs = [await outbox.backlog() for outbox in parts.engines.outboxes]
            if not any(backlog.waiting for backlog in backlogs):
                return
            await asyncio.sleep(PAUSE_SECONDS)
