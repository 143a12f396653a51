"""`/metrics`: what a monitoring system watches, in Prometheus' text format (version 0.0.4)."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pet.domain.audit import AuditService, Busy
from pet.domain.errors import Unavailable
from pet.domain.ids import UserId
from pet.domain.outbox import Outbox
from pet.domain.times import Clock
from pet.openapi.operations import Described, Placed, Report, Token

OPERATIONS = (
    Placed(
        "GET",
        "/metrics",
        "getMetrics",
        "Operations",
        Described(
            "Read the numbers of this process",
            "Prometheus' text format, version 0.0.4. It tells nothing of any person, yet a proxy need not pass it on.",
            token=Token.IGNORED,
            answer=(Report("The numbers.", media_type="text/plain"),),
        ),
    ),
)

log = logging.getLogger("pet.audit")


class Metrics:
    """The numbers of one process. What several processes share, each of them tells alike."""

    def __init__(self, outboxes: Sequence[Outbox], clock: Clock) -> None:
        self._outboxes = outboxes
        self._clock = clock
        self._registry = CollectorRegistry()
        self._waiting = self._gauge("pet_events_waiting", "Events that wait for their delivery.")
        self._parked = self._gauge("pet_events_parked", "Events that are parked: see `pet events list`.")
        self._age = self._gauge("pet_events_oldest_seconds", "The age of the oldest undelivered event.")
        self._drift = self._gauge("pet_stats_drift", "Profiles found with wrong counters since the start; should be 0.")
        self._audited = Counter("pet_stats_audited", "Profiles whose counters were checked.", registry=self._registry)

    async def text(self) -> bytes:
        """Return all numbers; those of a store that is down are left as they were."""
        try:
            backlogs = [await outbox.backlog() for outbox in self._outboxes]
        except Unavailable:
            return generate_latest(self._registry)
        self._waiting.set(sum(each.waiting for each in backlogs))
        self._parked.set(sum(each.parked for each in backlogs))
        oldest = min((each.oldest_at for each in backlogs if each.oldest_at), default=None)
        self._age.set((self._clock() - oldest).total_seconds() if oldest else 0)
        return generate_latest(self._registry)

    def count_audited(self, exact: int, drifted: int) -> None:
        """Count profiles that were audited."""
        self._audited.inc(exact + drifted)
        self._drift.inc(drifted)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self._registry)


class Sampler:
    """Audits the network bit by bit, again and again: one batch each time that it is asked."""

    def __init__(self, audit: AuditService, metrics: Metrics) -> None:
        self._audit = audit
        self._metrics = metrics
        self._after: UserId | None = None

    async def sample(self) -> None:
        """Audit the next hundred profiles; at the end begin anew. Drift is logged, and repaired by operators alone.

        Raises:
            Unavailable: the store cannot be reached.
        """
        try:
            verdicts = await self._audit.next_verdicts(after=self._after)
        except Busy:
            return
        self._after = verdicts[-1].seen.user_id if verdicts else None
        wrong = [verdict for verdict in verdicts if not verdict.is_exact]
        for verdict in wrong:
            log.error("counters drifted: run `pet audit --repair`", extra={"user_id": verdict.seen.user_id})
        self._metrics.count_audited(len(verdicts) - len(wrong), len(wrong))


def metrics_routes(metrics: Metrics) -> list[Route]:
    """Return `/metrics`. It tells nothing of any person, yet a proxy need not pass it on."""

    async def scrape(request: Request) -> Response:
        del request
        return Response(
            await metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}
        )

    return [Route("/metrics", scrape)]
