"""`Audits` in SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from pet.domain.audit import BATCH, MAX_UNDELIVERED, Counted, Snapshot
from pet.domain.errors import Service
from pet.domain.events import Event
from pet.domain.files import FileType
from pet.domain.follows import FollowState
from pet.domain.ids import EventId, FileId, UserId
from pet.domain.stats import Stats
from pet.storage.sql.database import Database, Row, Statements, placeholders
from pet.storage.sql.delivery import to_event

_FOLLOWING = FollowState.FOLLOWING.value
_COUNTED = f"""
SELECT user_id, tracks, followers, following, plays,
  (SELECT count(*) FROM file WHERE file.user_id = profile.user_id AND type = '{FileType.TRACK.value}') AS real_tracks,
  (SELECT count(*) FROM follow WHERE following_id = profile.user_id AND state = '{_FOLLOWING}') AS real_followers,
  (SELECT count(*) FROM follow WHERE follower_id = profile.user_id AND state = '{_FOLLOWING}') AS real_following,
  (SELECT coalesce(sum(play_ledger.plays), 0) FROM play_ledger WHERE owner_id = profile.user_id) AS real_plays
FROM profile WHERE"""


class SqlAudits:
    """Counts the rows behind the counters of the table `profile`."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.USER)

    async def look(
        self, *, user_ids: Sequence[UserId] | None = None, after: UserId | None = None, limit: int = BATCH
    ) -> Snapshot:
        """See `Audits.look`."""

        async def work(sql: Statements) -> Snapshot:
            await sql.freeze()
            return await _look(sql, user_ids, after, limit)

        return await self._db.atomically(work)

    async def correct(self, user_id: UserId, *, stats: Stats, plays: Mapping[FileId, int], seen: Counted) -> bool:
        """See `Audits.correct`."""

        async def work(sql: Statements) -> bool:
            await sql.freeze()
            snapshot = await _look(sql, [user_id], None, 1)
            if list(snapshot.profiles) != [seen]:
                return False
            update = "UPDATE profile SET tracks = ?, followers = ?, following = ?, plays = ? WHERE user_id = ?"
            await sql.run(update, stats.tracks, stats.followers, stats.following, stats.plays, user_id)
            for track, count in plays.items():
                await sql.run("UPDATE file SET play_count = ? WHERE file_id = ?", count, track)
            return True

        return await self._db.atomically(work)


async def _look(sql: Statements, user_ids: Sequence[UserId] | None, after: UserId | None, limit: int) -> Snapshot:
    if user_ids is None:
        rows = await sql.rows(f"{_COUNTED} user_id > ? ORDER BY user_id LIMIT ?", after or "", limit)
    else:
        rows = await sql.rows(f"{_COUNTED} user_id IN ({placeholders(user_ids)}) ORDER BY user_id", *user_ids)
    plays = await _plays(sql, [row["user_id"] for row in rows])
    last = await sql.row("SELECT max(event_id) AS event_id FROM outbox")
    return Snapshot(
        profiles=[_counted(row, plays[row["user_id"]]) for row in rows],
        undelivered=await _undelivered(sql),
        last_event=EventId(last["event_id"]) if last and last["event_id"] else None,
    )


async def _plays(sql: Statements, user_ids: Sequence[str]) -> Mapping[str, Mapping[FileId, tuple[int, int]]]:
    select = (
        "SELECT user_id, file_id, play_count,"
        " (SELECT coalesce(sum(plays), 0) FROM play_ledger WHERE track_id = file.file_id) AS real_count"
        f" FROM file WHERE type = ? AND user_id IN ({placeholders(user_ids)})"
    )
    found: dict[str, dict[FileId, tuple[int, int]]] = defaultdict(dict)
    for row in await sql.rows(select, FileType.TRACK.value, *user_ids):
        found[row["user_id"]][FileId(row["file_id"])] = (row["play_count"], int(row["real_count"]))
    return found


async def _undelivered(sql: Statements) -> Sequence[Event]:
    """Return events whose effects are not applied, parked ones too."""
    select = (
        "SELECT * FROM outbox WHERE delivered_ms IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM applied_event WHERE applied_event.event_id = outbox.event_id)"
        " ORDER BY event_id LIMIT ?"
    )
    return [to_event(row) for row in await sql.rows(select, MAX_UNDELIVERED + 1)]


def _counted(row: Row, plays: Mapping[FileId, tuple[int, int]]) -> Counted:
    names = ("tracks", "followers", "following", "plays")
    return Counted(
        user_id=UserId(row["user_id"]),
        stored=Stats(**{name: row[name] for name in names}),
        counted=Stats(**{name: int(row[f"real_{name}"]) for name in names}),
        plays=plays,
    )
