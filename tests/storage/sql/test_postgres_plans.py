"""How PostgreSQL answers, on thousands of rows whose sizes it knows: by indexes, and lists without sorting them."""

from __future__ import annotations

import asyncio
import re

import asyncpg
import pytest
from tests.contract_suites.conftest import sql_store
from tests.engines.postgres import TEMPLATE, PostgresServer
from tests.storage.sql.test_plans import CHANGES, IN_ORDER, SORTED, Read, recorded

from pet.storage.sql.database import open_database

SEEDED = "pet_seeded"

SEED = """
INSERT INTO profile (user_id, object_id, username, username_key, role, genres, instruments, email_notifications,
  show_online_status, is_private, tracks, followers, following, plays, created_ms, updated_ms)
SELECT lpad(i::text, 12, '0'), lpad(i::text, 24, '0'), 'u' || i, 'u' || i, 'musician', '[]', '[]', true,
  true, i % 9 = 0, 0, 0, 0, 0, i, i FROM generate_series(1, 20000) AS i;
INSERT INTO profile_name (beginning, created_ms, user_id)
SELECT convert_to(left(username_key, i), 'UTF8'), created_ms, user_id FROM profile, generate_series(1, 4) AS i;
INSERT INTO people_count (beginning, part, people) SELECT beginning, 0, count(*) FROM profile_name GROUP BY beginning;
INSERT INTO account (user_id, email, email_key, username, username_key, role, password_hash, created_ms)
SELECT user_id, username || '@example.com', username || '@example.com', username, username, 'listener', '', created_ms
FROM profile;
INSERT INTO session (session_id, user_id, token_hash, rotated_ms, created_ms, last_used_ms, expires_ms, user_agent)
SELECT user_id, user_id, '', created_ms, created_ms, created_ms, created_ms, '' FROM profile;
INSERT INTO file (file_id, object_id, user_id, type, is_audio, original_name, file_name, mime_type, size_bytes, format,
  play_count, created_ms, updated_ms)
SELECT user_id, object_id, lpad((created_ms % 500)::text, 12, '0'), 'track', true, '', '', '', 1, 'mp3', 0, created_ms,
  created_ms FROM profile;
INSERT INTO waveform (file_id, due_ms, attempts) SELECT file_id, created_ms, 0 FROM file WHERE created_ms % 2 = 0;
INSERT INTO blob_reservation (blob_key, reserved_ms) SELECT user_id, created_ms FROM profile;
INSERT INTO follow (object_id, follower_id, following_id, state, created_ms)
SELECT object_id, lpad((created_ms % 500)::text, 12, '0'), user_id, 'following', created_ms FROM profile;
INSERT INTO activity (object_id, actor_id, action, track_id, created_ms)
SELECT object_id, user_id, 'track_published', file_id, created_ms FROM file;
INSERT INTO play (track_id, listener, played_ms) SELECT file_id, user_id, created_ms FROM file;
INSERT INTO outbox (event_id, name, user_id, payload, occurred_ms, delivered_ms, published_ms)
SELECT user_id, 'user.updated', user_id, '{}', created_ms, nullif(created_ms, 7), nullif(created_ms, 9) FROM profile;
INSERT INTO applied_event (event_id, applied_ms) SELECT user_id, created_ms FROM profile;
ANALYZE;
"""


LISTS = ["people", "people_onwards", "tracks", "audio", "newest_covers", "followers", "following", "requests"]
PUSHED = "&enable_seqscan=off&enable_sort=off"
"""Leaves a scan of a table, or a sort, only where no index serves."""


@pytest.fixture(scope="module")
def seeded(postgres_server: PostgresServer) -> str:
    """The name of a database with many rows."""
    asyncio.run(_seed(postgres_server))
    return SEEDED


async def _seed(server: PostgresServer) -> None:
    await server.execute(f"CREATE DATABASE {SEEDED} TEMPLATE {TEMPLATE}")
    connection = await asyncpg.connect(server.url(SEEDED))
    await connection.execute(SEED)
    await connection.close()


async def plans(url: str, read: Read, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the plan of every statement that a call runs, one text each."""
    found = []
    async with open_database(url) as database:
        for sql, values in await recorded(sql_store(database), read, caplog):
            rows = await database.rows(f"EXPLAIN (COSTS OFF) {sql}", *values)
            found.append("\n".join(str(row["QUERY PLAN"]) for row in rows))
    return found


def steps(plan: str) -> set[str]:
    """Return the kinds of steps of a plan that read a whole table or sort."""
    return set(re.findall(r"Seq Scan|(?:Incremental )?Sort(?= *$)", plan, re.MULTILINE))


@pytest.mark.parametrize("name", IN_ORDER)
async def test_an_index_gives_a_list_in_its_own_order(
    postgres_server: PostgresServer, seeded: str, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    [plan] = await plans(postgres_server.url(seeded) + PUSHED, IN_ORDER[name], caplog)
    assert steps(plan) == set()
    assert "Index" in plan


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_comes_out_of_an_index_by_the_planner_s_own_choice(
    postgres_server: PostgresServer, seeded: str, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    [plan] = await plans(postgres_server.url(seeded), IN_ORDER[name], caplog)
    assert steps(plan) == set()
    assert "Index" in plan


@pytest.mark.parametrize("name", SORTED)
async def test_a_feed_and_a_search_read_by_indexes_what_they_sort(
    postgres_server: PostgresServer, seeded: str, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    [plan] = await plans(postgres_server.url(seeded) + PUSHED, SORTED[name], caplog)
    assert "Seq Scan" not in plan
    assert "Index" in plan


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_finds_its_rows_by_an_index(
    postgres_server: PostgresServer, seeded: str, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    async with postgres_server.database(seeded) as copy:
        found = await plans(postgres_server.url(copy) + PUSHED, CHANGES[name], caplog)
    assert found
    assert [plan for plan in found if "Seq Scan" in plan] == []


def test_the_rule_sees_a_scan_and_a_sort() -> None:
    assert steps("Limit\n  ->  Sort\n        Sort Key: x\n        ->  Seq Scan on profile") == {"Sort", "Seq Scan"}
