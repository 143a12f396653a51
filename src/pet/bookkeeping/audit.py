"""`pet audit`: every counter compared with what it counts while the service goes on, and mended where it is asked."""

from __future__ import annotations

from dataclasses import dataclass

import click

from pet.domain.audit import AuditService, Verdict
from pet.domain.profiles import ProfileService


@dataclass
class Result:
    """How many profiles were looked at, how many of them had drifted, and how many were repaired."""

    profiles: int = 0
    drifted: int = 0
    repaired: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether nothing that is wrong is left."""
        return self.drifted == self.repaired


async def audit(service: AuditService, profiles: ProfileService, *, is_repairing: bool) -> Result:
    """Look at every profile with progress shown, and print each that has drifted.

    Raises:
        Busy: too much is undelivered.
    """
    result = Result()
    with click.progressbar(length=await profiles.count(), label="Counting again") as bar:
        async for verdict in service.verdicts():
            result.profiles += 1
            bar.update(1)
            if not verdict.is_exact:
                result.drifted += 1
                click.echo(f"\n{_line(verdict)}")
                result.repaired += is_repairing and await service.repair(verdict)
    click.echo(f"{result.profiles} profiles, {result.drifted} of them drifted, {result.repaired} repaired.")
    return result


def _line(verdict: Verdict) -> str:
    plays = f", plays of {len(verdict.drifted_plays)} tracks" if verdict.drifted_plays else ""
    return f"{verdict.seen.user_id}: stored {verdict.seen.stored}, should be {verdict.due}{plays}"
