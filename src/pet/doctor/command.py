"""Every finding, one line each, in the order in which one would mend them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import click

from pet.doctor.credentials import credential_findings
from pet.doctor.engines import engine_findings
from pet.doctor.machine import machine_findings
from pet.settings import Settings
from pet.storage.findings import Finding, Level

_COLOURS = {Level.FINE: "green", Level.WARNING: "yellow", Level.FAILURE: "red"}


async def examine(settings: Settings) -> bool:
    """Print what is found, as it is found; tell whether nothing failed."""
    counted = dict.fromkeys(Level, 0)
    async for finding in _findings(settings):
        counted[finding.level] += 1
        level = click.style(f"{finding.level:8}", fg=_COLOURS[finding.level])
        click.echo(f"{level}{finding.subject:18}{finding.sentence}")
    failures, warnings = counted[Level.FAILURE], counted[Level.WARNING]
    click.echo("Nothing to mend." if not failures + warnings else f"{failures} failures, {warnings} warnings.")
    return not failures


async def _findings(settings: Settings) -> AsyncIterator[Finding]:
    for finding in machine_findings(settings):
        yield finding
    for finding in credential_findings(settings):
        yield finding
    async for finding in engine_findings(settings):
        yield finding
