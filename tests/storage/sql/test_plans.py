"""How SQLite answers: no list, feed, search or look-up reads a whole table, and lists come out of an index in order."""

from __future__ import annotations

import logging
import re
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.contract_suites.conftest import sql_store
from tests.contract_suites.scene import ANN, NOON, Store, after

from pet.domain.files import FileList
from pet.domain.follows import FollowList
from pet.domain.ids import EventId, FileId, ObjectId, SessionId, UserId
from pet.domain.paging import Position
from pet.domain.viewers import Role, Viewer
from pet.domain.waveforms import Claim
from pet.storage.sql.database import Database, open_database

BOB = UserId("bob")
HERE = Position(NOON, "0" * 36)
STRANGER = Viewer(BOB, Role.LISTENER)
Read = Callable[[Store], Awaitable[object]]


async def follow_and_block(store: Store) -> None:
    """Begin a follow and end it by a block, of two who are there."""
    star, fan = await store.profile("star"), await store.profile("fan")
    await store.follow(fan, star)
    await store.block(star, fan)


IN_ORDER: dict[str, Read] = {
    "people": lambda s: s.profiles.plain_page(after=None, limit=20),
    "people_onwards": lambda s: s.profiles.plain_page(after=HERE, limit=20),
    "people_but_one": lambda s: s.profiles.plain_page(after=HERE, limit=20, exclude=ANN),
    "plain_people_by_id": lambda s: s.profiles.plain_many([ANN, BOB]),
    "people_by_id": lambda s: s.profiles.get_many([ANN, BOB]),
    "plain_person": lambda s: s.profiles.find_person(ANN),
    "plain_person_by_name": lambda s: s.profiles.find_person_by_username("ann"),
    "person_by_name": lambda s: s.profiles.find_by_username("ann"),
    "tracks": lambda s: s.files.pages([ANN, BOB], FileList.TRACKS, after=HERE, limit=20),
    "audio": lambda s: s.files.pages([ANN, BOB], FileList.AUDIO, after=None, limit=20),
    "owned_files": lambda s: s.files.get_owned([FileId("a"), FileId("b")]),
    "files_by_id": lambda s: s.files.get_many([FileId("a"), FileId("b")]),
    "files_of_user": lambda s: s.files.of_user(ANN, limit=20),
    "count_audio": lambda s: s.files.count_audio([ANN, BOB]),
    "newest_covers": lambda s: s.files.newest_covers([ANN, BOB]),
    "abandoned": lambda s: s.files.abandoned(before=NOON, limit=20),
    "all_files": lambda s: s.files.walk(after=FileId("a"), limit=20),
    "noted_keys": lambda s: s.files.reserved(["a", "b"]),
    "waveforms": lambda s: s.waveforms.get_many([FileId("a"), FileId("b")]),
    "followers": lambda s: s.follows.pages([ANN, BOB], FollowList.FOLLOWERS, after=HERE, limit=20),
    "following": lambda s: s.follows.pages([ANN, BOB], FollowList.FOLLOWING, after=None, limit=20),
    "requests": lambda s: s.follows.pages([ANN, BOB], FollowList.REQUESTS, after=None, limit=20),
    "sent_requests": lambda s: s.follows.pages([ANN, BOB], FollowList.SENT_REQUESTS, after=None, limit=20),
    "blocks": lambda s: s.follows.pages([ANN, BOB], FollowList.BLOCKS, after=HERE, limit=20),
    "states": lambda s: s.follows.states(ANN, [BOB]),
    "following_ids": lambda s: s.follows.following_ids([ANN, BOB]),
    "activity_by_id": lambda s: s.activities.find(ObjectId("a")),
    "activities_of_one": lambda s: s.activities.of_actor(ANN, after=HERE, limit=20),
    "waiting": lambda s: s.outbox.waiting(limit=20),
    "waiting_of_user": lambda s: s.outbox.waiting(ANN, upto=EventId("z"), limit=20),
    "troubled": lambda s: s.outbox.troubled(limit=20),
    "delivered": lambda s: s.outbox.delivered(after=HERE, limit=20),
    "delivered_of_kinds": lambda s: s.outbox.delivered(after=HERE, limit=20, names=["user.updated"]),
    "unpublished": lambda s: s.outbox.unpublished(older_than=timedelta(0), limit=20),
    "backlog": lambda s: s.outbox.backlog(),
    "account_by_id": lambda s: s.accounts.find(ANN),
    "account_by_email": lambda s: s.accounts.find_by_email("ann@example.com"),
    "account_by_name": lambda s: s.accounts.find_by_username("ann"),
    "session": lambda s: s.sessions.find(SessionId("a")),
    "sessions": lambda s: s.sessions.of_user(ANN, NOON),
    "open_sessions": lambda s: s.sessions.open_among([SessionId("a"), SessionId("b")], NOON),
    "export_of_user": lambda s: s.exports.find(ANN),
    "ended_exports": lambda s: s.exports.ended(now=NOON, limit=20),
}
SORTED: dict[str, Read] = {
    "search": lambda s: s.profiles.plain_page(after=None, limit=20, search="an"),
    "own_feed": lambda s: s.activities.feed(BOB, seen_by=STRANGER, after=HERE, limit=20),
    "feed_of_another": lambda s: s.activities.feed(ANN, seen_by=STRANGER, after=HERE, limit=20),
    "feed_for_nobody": lambda s: s.activities.feed(ANN, seen_by=None, after=None, limit=20),
    "search_count": lambda s: s.profiles.count(search="an"),
}
CHANGES: dict[str, Read] = {
    "claim": lambda s: s.outbox.claim(hold=timedelta(seconds=30), limit=20),
    "accept_requests": lambda s: s.projections.accept_requests(ANN, asked_by=NOON),
    "trim_outbox": lambda s: s.outbox.trim(before=NOON, keep_unpublished=False),
    "trim_published": lambda s: s.outbox.trim(before=NOON, keep_unpublished=True),
    "trim_marks": lambda s: s.projections.trim(before=NOON),
    "mark_published": lambda s: s.outbox.mark_published([EventId("a"), EventId("b")]),
    "trim_plays": lambda s: s.plays.trim(before=NOON),
    "purge": lambda s: s.projections.purge(ANN),
    "purge_plays": lambda s: s.plays.purge(ANN),
    "remove_file": lambda s: s.files.remove(FileId("000000000001"), after(5)),
    "forget_account": lambda s: s.accounts.forget(ANN),
    "claim_export": lambda s: s.exports.claim(now=NOON, until=after(5)),
    "end_exports": lambda s: s.exports.end(now=NOON),
    "end_exports_of_user": lambda s: s.exports.end(now=NOON, user_id=ANN),
    "claim_waveform": lambda s: s.waveforms.claim(NOON, until=after(1)),
    "hold_waveform": lambda s: s.waveforms.hold(Claim(FileId("a"), NOON, 1), until=after(1)),
    "finish_waveform": lambda s: s.waveforms.finish(Claim(FileId("a"), NOON, 1), b"peaks"),
    "put_waveform_off": lambda s: s.waveforms.put_off(Claim(FileId("a"), NOON, 1), until=after(1), counts=True),
    "give_waveform_up": lambda s: s.waveforms.give_up(Claim(FileId("a"), NOON, 1)),
    "want_waveforms": lambda s: s.waveforms.want_missing(NOON, after=FileId("000000000001"), limit=20),
    "unfollow": lambda s: s.follows.remove(ANN, BOB, only=None, at=NOON),
    "follow_and_block": follow_and_block,
    "unblock": lambda s: s.follows.unblock(BOB, ANN),
    "profile": lambda s: s.profile("newcomer"),
}

PEOPLE = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
INSERT INTO profile (user_id, object_id, username, username_key, role, genres, instruments, email_notifications,
  show_online_status, is_private, tracks, followers, following, plays, created_ms, updated_ms)
SELECT printf('%012d', i), printf('%024d', i), 'u' || i, 'u' || i, 'musician', '[]', '[]', 1,
  1, i % 9 = 0, 0, 0, 0, 0, i, i FROM n
"""
NAMES = """
INSERT INTO profile_name (beginning, created_ms, user_id)
SELECT CAST(substr(username_key, 1, i) AS BLOB), created_ms, user_id
FROM profile, (SELECT 1 AS i UNION ALL SELECT 2 UNION ALL SELECT 3) AS lengths
"""
COUNTS = """
INSERT INTO people_count (beginning, part, people) SELECT beginning, 0, count(*) FROM profile_name GROUP BY beginning
"""
FILES = """
INSERT INTO file (file_id, object_id, user_id, type, is_audio, original_name, file_name, mime_type, size_bytes, format,
  play_count, created_ms, updated_ms)
SELECT user_id, object_id, printf('%012d', created_ms % 50), 'track', 1, '', '', '', 1, 'mp3', 0, created_ms, created_ms
FROM profile
"""
FOLLOWS = """
INSERT INTO follow (object_id, follower_id, following_id, state, created_ms)
SELECT object_id, printf('%012d', created_ms % 50), user_id, 'following', created_ms FROM profile
"""
WAVEFORMS = """
INSERT INTO waveform (file_id, due_ms, attempts) SELECT file_id, created_ms, 0 FROM file WHERE created_ms % 2 = 0
"""
ACTIVITIES = """
INSERT INTO activity (object_id, actor_id, action, track_id, created_ms)
SELECT object_id, user_id, 'track_published', file_id, created_ms FROM file
"""


class Recorder(logging.Handler):
    """Keeps the statements that the driver logs, with their values."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.statements: list[tuple[str, list[object]]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a statement."""
        if isinstance(record.args, tuple) and record.msg == "%s: %s":
            sql, values = record.args
            self.statements.append((str(sql), list(values) if isinstance(values, list) else []))


@pytest.fixture(scope="module")
def seeded_database(tmp_path_factory: pytest.TempPathFactory, migrated_database: Path) -> Path:
    """A database with some thousands of rows, whose sizes SQLite knows."""
    path = Path(shutil.copy(migrated_database, tmp_path_factory.mktemp("seeded") / "pet.sqlite3"))
    with closing(sqlite3.connect(path)) as file:
        for statement in (PEOPLE, NAMES, COUNTS, FILES, WAVEFORMS, FOLLOWS, ACTIVITIES, "ANALYZE"):
            file.execute(statement)
        file.commit()
    return path


async def recorded(store: Store, read: Read, caplog: pytest.LogCaptureFixture) -> list[tuple[str, list[object]]]:
    """Return the statements that a call runs, with their values."""
    recorder = Recorder()
    logger = logging.getLogger("tortoise.db_client")
    with caplog.at_level(logging.DEBUG, logger="tortoise.db_client"):
        logger.addHandler(recorder)
        try:
            await read(store)
        finally:
            logger.removeHandler(recorder)
    return [found for found in recorder.statements if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)", found[0])]


async def plans(database: Database, read: Read, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the plan of every statement that a call runs, one text each."""
    found = []
    for sql, values in await recorded(sql_store(database), read, caplog):
        rows = await database.rows(f"EXPLAIN QUERY PLAN {sql}", *values)
        found.append("\n".join(str(row["detail"]) for row in rows))
    return found


def full_scans(plan: str) -> list[str]:
    """Return the steps that read a whole table or index: not those that walk an index in the list's own order.

    `rising` may be read whole: it holds those who are telling many followers something at this very moment. So may
    `json_each`: it is a list of ids that came with the statement.
    """
    steps = re.findall(r"^SCAN .*$", plan, re.MULTILINE)
    harmless = r"profile_by_age|SCAN (list|parts?)$|CONSTANT ROW|SUBQUERY|SCAN rising|SCAN json_each"
    return [step for step in steps if not re.search(harmless, step)]


@pytest.mark.parametrize("name", IN_ORDER)
async def test_a_list_is_a_range_of_an_index_in_its_own_order(
    seeded_database: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    async with open_database(f"sqlite://{seeded_database}") as database:
        [plan] = await plans(database, IN_ORDER[name], caplog)
    assert full_scans(plan) == []
    assert "TEMP B-TREE" not in plan
    assert re.search(r"SEARCH|profile_by_age", plan)


@pytest.mark.parametrize("name", SORTED)
async def test_a_feed_and_a_search_read_what_they_need_and_sort_it(
    seeded_database: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    async with open_database(f"sqlite://{seeded_database}") as database:
        found = await plans(database, SORTED[name], caplog)
    assert found
    for plan in found:
        assert full_scans(plan) == []
        assert "SCAN profile" not in plan
        assert re.search(r"SEARCH", plan)


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_finds_its_rows_by_an_index(
    tmp_path: Path, seeded_database: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    path = shutil.copy(seeded_database, tmp_path / "pet.sqlite3")
    async with open_database(f"sqlite://{path}") as database:
        found = await plans(database, CHANGES[name], caplog)
    assert [full_scans(plan) for plan in found] == [[]] * len(found)
    assert found


def test_the_rule_sees_a_full_scan() -> None:
    assert full_scans("SCAN profile\nSEARCH follow USING INDEX x") == ["SCAN profile"]
