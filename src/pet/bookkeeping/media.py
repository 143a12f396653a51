"""`pet media check`: records and bytes compared while the service goes on, and mended where it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import click

from pet.domain.media_check import Lost, MediaCheckService, Orphan

MOST_FINDINGS = 10_000
"""What one run remembers, and mends; the next one goes on."""

FEW = 10
ALARMING_SHARE = 0.1
"""With a larger part of everything gone, the settings name another store, or a backup is missing: not to be mended by
removing what is left."""

T = TypeVar("T")


@dataclass
class Result:
    """What a check has looked at and found."""

    records: int = 0
    objects: int = 0
    strange: int = 0
    lost: list[Lost] = field(default_factory=list)
    orphans: list[Orphan] = field(default_factory=list)
    has_more: bool = False
    is_repaired: bool = False
    removed: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether nothing that is wrong is left."""
        return (self.is_repaired or not (self.lost or self.orphans)) and not self.has_more

    @property
    def is_alarming(self) -> bool:
        """Whether so much is missing that it cannot be by accident."""
        return _is_much(len(self.lost), self.records) or _is_much(len(self.orphans), self.objects)

    def note(self, findings: list[T], found: list[T]) -> None:
        """Remember what was found, as long as there is room."""
        room = MOST_FINDINGS - len(findings)
        findings += found[:room]
        self.has_more = self.has_more or len(found) > room


async def check(service: MediaCheckService, *, is_repairing: bool, even_much: bool = False) -> Result:
    """Look at every record and at all bytes with progress shown, and print what lacks its other half.

    Args:
        is_repairing: remove it.
        even_much: also where so much is missing that it looks like a wrong setting.

    Raises:
        ClickException: it does look so; nothing was removed.
        Unavailable: a store cannot be reached.
    """
    result = Result()
    await _look(service, result)
    for line in (*map(_line_of_record, result.lost), *map(_line_of_object, result.orphans)):
        click.echo(line)
    if is_repairing and result.is_alarming and not even_much:
        raise click.ClickException(
            f"{_summary(result)} That is too much to be an accident: check PET_MEDIA_URL, PET_DATABASE_URL and"
            " PET_DOCUMENTS_URL, and restore what is missing from a backup. Nothing was removed; --even-much does it."
        )
    if is_repairing:
        await _remove(service, result)
    click.echo(f"{_summary(result)} {result.removed} were removed.")
    if result.strange:
        click.echo(f"{result.strange} objects have names that PET never gives; they are left alone.")
    if result.has_more:
        click.echo("There is more: please run this again.")
    return result


async def _look(service: MediaCheckService, result: Result) -> None:
    count = await service.count_records()
    with click.progressbar(length=count, label="Records") as bar:
        async for step in service.records():
            result.records += step.count
            result.note(result.lost, list(step.lost))
            bar.update(step.count)
    # As many objects as records, unless something is wrong.
    with click.progressbar(length=max(count, 1), label="Bytes  ") as bar:
        async for found in service.objects():
            result.objects += found.count
            result.strange += found.strange
            result.note(result.orphans, list(found.orphans))
            bar.update(found.count)


async def _remove(service: MediaCheckService, result: Result) -> None:
    with click.progressbar(length=len(result.lost) + len(result.orphans), label="Removing") as bar:
        for lost in result.lost:
            result.removed += await service.remove_record(lost)
            bar.update(1)
        for orphan in result.orphans:
            result.removed += await service.remove_object(orphan)
            bar.update(1)
    result.is_repaired = True


def _is_much(found: int, of_all: int) -> bool:
    return found > max(FEW, of_all * ALARMING_SHARE)


def _line_of_record(lost: Lost) -> str:
    there = "no bytes" if lost.found_bytes is None else f"{lost.found_bytes} bytes"
    return f"{lost.file_id} of user {lost.user_id}: {there} where {lost.size_bytes} should be"


def _line_of_object(orphan: Orphan) -> str:
    return f"{orphan.key}: {orphan.size_bytes} bytes that no record knows"


def _summary(result: Result) -> str:
    return (
        f"{result.records} records, {len(result.lost)} of them without their bytes;"
        f" {result.objects} objects, {len(result.orphans)} of them without a record."
    )
