"""The audit: every counter recomputed from what it counts, while the network goes on.

A counter follows its events, so it may differ from what it counts by exactly what is not delivered yet. Anything else
is drift, which should never be.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

from pet.domain.effects import AddPlay, AddStats, effects_of
from pet.domain.errors import DomainError, ErrorCode, NotFound
from pet.domain.events import Event
from pet.domain.ids import EventId, FileId, UserId
from pet.domain.stats import Stats

BATCH = 100
MAX_UNDELIVERED = 1000
"""With more in the outbox an audit says nothing of worth: deliver them first."""


class Busy(DomainError):
    """Too much is undelivered for an audit."""

    code = ErrorCode.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(f"More than {MAX_UNDELIVERED} events wait for their delivery. Please try again later.")


@dataclass(frozen=True, slots=True)
class Counted:
    """A profile's counters as they are stored and as counting gives them, with the plays of its tracks likewise.

    `plays` has (stored, counted) by track.
    """

    user_id: UserId
    stored: Stats
    counted: Stats
    plays: Mapping[FileId, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Some profiles in the order of their ids, and all that was undelivered, at one and the same moment.

    `last_event` is the newest event that the store held then.
    """

    profiles: Sequence[Counted]
    undelivered: Sequence[Event]
    last_event: EventId | None


class Audits(Protocol):
    """Counts again what counters count."""

    async def look(
        self, *, user_ids: Sequence[UserId] | None = None, after: UserId | None = None, limit: int = BATCH
    ) -> Snapshot:
        """Return profiles by their ids, ascending, as they stand at one moment; at most 1,001 undelivered events.

        Args:
            user_ids: these profiles alone, at most 100.
            after: the exclusive user id from which to go on; None for the start.
        """

    async def correct(self, user_id: UserId, *, stats: Stats, plays: Mapping[FileId, int], seen: Counted) -> bool:
        """Set a profile's counters, and the plays of some of its tracks, if all are still what was seen.

        False, and nothing is changed, when something has changed meanwhile.
        """


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an audit says of one profile: `due` is what should be stored, and is, unless something drifted."""

    seen: Counted
    due: Stats
    due_plays: Mapping[FileId, int]
    last_event: EventId | None

    @property
    def is_exact(self) -> bool:
        """Whether everything that is stored is as it should be."""
        return self.seen.stored == self.due and not self.drifted_plays

    @property
    def drifted_plays(self) -> Mapping[FileId, int]:
        """What should be stored for the tracks whose plays are not right."""
        return {track: due for track, due in self.due_plays.items() if self.seen.plays[track][0] != due}


class AuditService:
    """Compares counters with what they count, and corrects them."""

    def __init__(self, audits: Audits) -> None:
        self._audits = audits

    async def verdicts(self, *, after: UserId | None = None) -> AsyncIterator[Verdict]:
        """Yield a verdict on every profile, by user id, ascending.

        Raises:
            Busy: too much is undelivered.
        """
        while batch := await self.next_verdicts(after=after):
            for verdict in batch:
                yield verdict
            after = batch[-1].seen.user_id

    async def next_verdicts(self, *, after: UserId | None = None) -> Sequence[Verdict]:
        """Return verdicts on up to 100 profiles, by user id, ascending.

        Raises:
            Busy: too much is undelivered.
        """
        return _judged(await self._audits.look(after=after))

    async def verdict(self, user_id: UserId) -> Verdict:
        """Return the verdict on one profile.

        Raises:
            NotFound: there is none.
            Busy: too much is undelivered.
        """
        verdicts = _judged(await self._audits.look(user_ids=[user_id]))
        if not verdicts:
            raise NotFound("User not found", field="userId")
        return verdicts[0]

    async def repair(self, verdict: Verdict) -> bool:
        """Set what is stored to what it should be; False when something has changed since the verdict."""
        return await self._audits.correct(
            verdict.seen.user_id, stats=verdict.due, plays=verdict.drifted_plays, seen=verdict.seen
        )


def _judged(snapshot: Snapshot) -> Sequence[Verdict]:
    if len(snapshot.undelivered) > MAX_UNDELIVERED:
        raise Busy
    effects = [effect for event in snapshot.undelivered for effect in effects_of(event)]
    still_to_add: dict[UserId, Stats] = {}
    still_to_play: dict[FileId, int] = {}
    for effect in effects:
        if isinstance(effect, AddStats):
            still_to_add[effect.user_id] = _sum(still_to_add.get(effect.user_id, Stats()), effect.delta)
        elif isinstance(effect, AddPlay):
            still_to_play[effect.file_id] = still_to_play.get(effect.file_id, 0) + 1
    return [
        Verdict(
            seen=seen,
            due=_sum(seen.counted, still_to_add.get(seen.user_id, Stats()), sign=-1),
            due_plays={track: counted - still_to_play.get(track, 0) for track, (_, counted) in seen.plays.items()},
            last_event=snapshot.last_event,
        )
        for seen in snapshot.profiles
    ]


def _sum(left: Stats, right: Stats, *, sign: int = 1) -> Stats:
    return Stats(**{f.name: getattr(left, f.name) + sign * getattr(right, f.name) for f in fields(Stats)})
