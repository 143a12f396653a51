"""`pet audit`, the sampler in the background, and what `/metrics` tells of both."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from pet.app import Parts
from pet.domain.effects import AddStats
from pet.domain.events import UserUpdated
from pet.domain.ids import UserId
from pet.domain.stats import Stats
from pet.domain.times import utc_now
from pet.metrics import Metrics, Sampler
from tests.bookkeeping.conftest import failing_follow, two_people, within
from tests.conftest import Service
from tests.test_cli import pet


async def spoil(parts: Parts, user_id: UserId) -> None:
    """Add to a counter what nobody did."""
    event = UserUpdated(user_id=user_id, occurred_at=utc_now())
    await parts.engines.documents.projections.apply(event, [AddStats(user_id, Stats(followers=3))])


async def spoiled(parts: Parts) -> UserId:
    """Register two people, and spoil a counter of the first."""
    ann, _ = await two_people(parts)
    await spoil(parts, ann.user_id)
    return ann.user_id


def test_a_clean_network_passes(data_dir: Path) -> None:
    within(data_dir, two_people)
    result = pet("audit", data_dir=data_dir)
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "2 profiles, 0 of them drifted, 0 repaired.")


def test_what_waits_for_its_delivery_is_no_drift(data_dir: Path) -> None:
    within(data_dir, failing_follow)
    result = pet("audit", data_dir=data_dir)
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "2 profiles, 0 of them drifted, 0 repaired.")


def test_drift_fails_until_it_is_repaired(data_dir: Path) -> None:
    ann = within(data_dir, spoiled)
    found = pet("audit", data_dir=data_dir)
    assert (found.exit_code, found.stdout.splitlines()[-1]) == (1, "2 profiles, 1 of them drifted, 0 repaired.")
    assert f"{ann}: stored Stats(tracks=0, followers=3, following=0, plays=0), should be Stats(" in found.stdout
    repaired = pet("audit", "--repair", data_dir=data_dir)
    assert (repaired.exit_code, repaired.stdout.splitlines()[-1]) == (0, "2 profiles, 1 of them drifted, 1 repaired.")
    again = pet("audit", data_dir=data_dir)
    assert (again.exit_code, again.stdout.splitlines()[-1]) == (0, "2 profiles, 0 of them drifted, 0 repaired.")


def number(text: str, name: str) -> float:
    """Return one number of what `/metrics` tells."""
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])


async def test_metrics_tell_what_waits(service: Service) -> None:
    event = await failing_follow(service.parts)
    response = await service.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert (number(response.text, "pet_events_waiting"), number(response.text, "pet_events_parked")) == (1, 0)
    assert 0 <= number(response.text, "pet_events_oldest_seconds") < 60
    await service.engines.documents.outbox.park(event.event_id, error="for good")
    text = (await service.client.get("/metrics")).text
    assert (number(text, "pet_events_waiting"), number(text, "pet_events_parked")) == (0, 1)
    assert (number(text, "pet_stats_drift"), number(text, "pet_stats_audited_total")) == (0, 0)


async def test_the_sampler_walks_through_everyone_again_and_again_and_logs_drift(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    ann, _ = await two_people(service.parts)
    metrics = Metrics(service.engines.outboxes, utc_now)
    sampler = Sampler(service.services.audit, metrics)
    for _ in range(4):  # two of them find nobody behind the last one, and begin anew
        await sampler.sample()
    text = (await metrics.text()).decode()
    assert (number(text, "pet_stats_drift"), number(text, "pet_stats_audited_total")) == (0, 4)
    assert "counters drifted" not in caplog.text
    await spoil(service.parts, ann.user_id)
    await sampler.sample()
    text = (await metrics.text()).decode()
    assert (number(text, "pet_stats_drift"), number(text, "pet_stats_audited_total")) == (1, 6)
    assert "counters drifted: run `pet audit --repair`" in caplog.messages


async def test_an_age_is_told_by_the_clock(service: Service) -> None:
    await failing_follow(service.parts)
    metrics = Metrics(service.engines.outboxes, lambda: utc_now() + timedelta(minutes=5))
    assert number((await metrics.text()).decode(), "pet_events_oldest_seconds") >= 300
