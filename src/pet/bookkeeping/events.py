"""`pet events`: what is undelivered and why, and another try for what is parked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import click

from pet.domain.errors import NotFound
from pet.domain.events import payload_of
from pet.domain.ids import EventId
from pet.domain.outbox import Outbox, Stored

PAGE = 100


async def list_troubled(outboxes: Sequence[Outbox]) -> None:
    """Print every event of which an attempt has failed, and how much waits."""
    async for stored in _troubled(outboxes):
        state = "parked" if stored.parked_at else f"next try {stored.held_until:%Y-%m-%d %H:%M:%S}"
        click.echo(f"{stored.event.event_id}  {stored.event.name:24}  {state}  {stored.error}")
    backlogs = [await outbox.backlog() for outbox in outboxes]
    waiting, parked = sum(each.waiting for each in backlogs), sum(each.parked for each in backlogs)
    click.echo(f"{waiting} events wait for their delivery, {parked} are parked.")


async def show(outboxes: Sequence[Outbox], event_id: EventId) -> None:
    """Print one event whole.

    Raises:
        NotFound: no store holds it.
    """
    stored = await _found(outboxes, event_id)
    event = stored.event
    lines = {
        "event": event.event_id,
        "name": event.name,
        "user": event.user_id,
        "occurred": event.occurred_at.isoformat(),
        **payload_of(event),
        "attempts": stored.attempts,
        "error": stored.error,
        "held until": stored.held_until.isoformat(),
        "parked": stored.parked_at.isoformat() if stored.parked_at else None,
        "delivered": stored.delivered_at.isoformat() if stored.delivered_at else None,
    }
    for name, value in lines.items():
        click.echo(f"{name:12}  {'-' if value is None else value}")


async def retry(outboxes: Sequence[Outbox], event_id: EventId | None) -> int:
    """Let one event, or every parked one, be tried again; return how many.

    Raises:
        NotFound: no store holds the event undelivered.
    """
    if event_id is not None:
        if not any([await outbox.retry(event_id) for outbox in outboxes]):
            raise NotFound(f"No undelivered event has the id {event_id}. `pet events list` shows what failed.")
        return 1
    parked = [stored.event.event_id async for stored in _troubled(outboxes) if stored.parked_at]
    for each in parked:
        for outbox in outboxes:
            await outbox.retry(each)
    return len(parked)


async def _troubled(outboxes: Sequence[Outbox]) -> AsyncIterator[Stored]:
    for outbox in outboxes:
        after = None
        while page := await outbox.troubled(after=after, limit=PAGE):
            for stored in page:
                yield stored
            after = page[-1].event.event_id


async def _found(outboxes: Sequence[Outbox], event_id: EventId) -> Stored:
    for outbox in outboxes:
        if stored := await outbox.find(event_id):
            return stored
    raise NotFound(f"There is no event with the id {event_id}. Delivered ones are forgotten after some days.")
