"""A large network around one person: whatever is theirs is long, so that what reads all of a list is found out.

The statements are the same for SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Mapping

from pet.domain.times import to_milliseconds, utc_now
from pet.storage.sql.database import Database, Statements
from pet.storage.sql.names import name_everyone

PEOPLE = 5_000
"""Everyone follows the one in the middle, who follows everyone; far more than any page or step holds."""

TRACKS = 2_000
"""Of the one in the middle; everyone else has one."""

_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
_UUID = "'00000000-0000-7000-8000-' || (100000000000 + {0})"
_OBJECT = "'{0}00000000000' || (100000000000 + i)"

STATEMENTS = (
    (
        PEOPLE,
        "INSERT INTO profile (user_id, object_id, username, username_key, role, display_name, genres, instruments,"
        " email_notifications, show_online_status, is_private, tracks, followers, following, plays, created_ms,"
        " updated_ms) SELECT {person}, {object_a}, 'anna' || i, 'anna' || i, 'musician', 'Anna', '[]', '[]',"
        " true, true, i % 9 = 0, 1, 2, 2, 0, {past}, {past} FROM n",
    ),
    (
        PEOPLE,
        "INSERT INTO account (user_id, email, email_key, username, username_key, role, password_hash, created_ms)"
        " SELECT {person}, 'anna' || i || '@example.com', 'anna' || i || '@example.com', 'anna' || i, 'anna' || i,"
        " 'musician', '', {past} FROM n",
    ),
    (
        PEOPLE,
        "INSERT INTO session (session_id, user_id, token_hash, rotated_ms, created_ms, last_used_ms, expires_ms,"
        " user_agent) SELECT {person}, {person}, '', {past}, {past}, {past}, {past} + 99999999999, '' FROM n",
    ),
    (
        PEOPLE,
        "INSERT INTO familiar_network (network, user_id, noted_ms) SELECT {person}, {person}, {now} - i FROM n",
    ),
    (
        PEOPLE,
        "INSERT INTO follow (object_id, follower_id, following_id, state, created_ms, newest_ms)"
        " SELECT {object_b}, {person}, {centre}, 'following', {past}, {past} FROM n",
    ),
    (
        PEOPLE,
        "INSERT INTO follow (object_id, follower_id, following_id, state, created_ms, newest_ms)"
        " SELECT {object_c}, {centre}, {person}, 'following', {past}, {past} FROM n",
    ),
    (
        PEOPLE,
        "INSERT INTO follow (object_id, follower_id, following_id, state, created_ms, newest_ms)"
        " SELECT {object_d}, {person}, {next_person}, 'following', {past}, {past} FROM n",
    ),
    (
        PEOPLE,
        "INSERT INTO file (file_id, object_id, user_id, type, is_audio, original_name, file_name, mime_type,"
        " size_bytes, format, duration_seconds, play_count, created_ms, updated_ms) SELECT {person}, {object_a},"
        " {person}, 'track', true, '', '', '', 1, 'mp3', 1.5, 0, {past}, {past} FROM n",
    ),
    (
        TRACKS,
        "INSERT INTO file (file_id, object_id, user_id, type, is_audio, original_name, file_name, mime_type,"
        " size_bytes, format, duration_seconds, play_count, created_ms, updated_ms) SELECT {own_track}, {object_b},"
        " {centre}, 'track', true, '', '', '', 1, 'mp3', 1.5, 0, {past}, {past} FROM n",
    ),
    (
        PEOPLE,
        "INSERT INTO activity (object_id, actor_id, action, track_id, created_ms)"
        " SELECT {object_a}, {person}, 'track_published', {person}, {past} FROM n",
    ),
    (
        TRACKS,
        "INSERT INTO activity (object_id, actor_id, action, track_id, created_ms)"
        " SELECT {object_b}, {centre}, 'track_published', {own_track}, {past} FROM n",
    ),
    (PEOPLE, "INSERT INTO waveform (file_id, attempts) SELECT {person}, 1 FROM n"),
    (
        PEOPLE,
        "INSERT INTO play (id, track_id, listener, played_ms) SELECT 1000000 + i, {person}, {next_person}, {past}"
        " FROM n",
    ),
    (
        PEOPLE,
        "INSERT INTO play_ledger (id, track_id, owner_id, day, plays) SELECT 1000000 + i, {person}, {person}, i, 1"
        " FROM n",
    ),
    (
        PEOPLE,
        "INSERT INTO profile_update (id, user_id, updated_ms) SELECT 1000000 + i, {person}, {past} FROM n",
    ),
    (
        PEOPLE,
        "INSERT INTO outbox (event_id, name, user_id, payload, occurred_ms, delivered_ms, published_ms)"
        " SELECT {person}, 'user.updated', {person}, '{{}}', {past}, {past}, {past} FROM n",
    ),
    (PEOPLE, "INSERT INTO applied_event (event_id, applied_ms) SELECT {person}, {past} FROM n"),
    (PEOPLE, "INSERT INTO blob_reservation (blob_key, reserved_ms) SELECT {person}, {now} FROM n"),
)
"""How many rows, and what makes them; `i` counts them."""


async def gather(centre: str) -> None:
    """Put the network around someone who has registered, in the open SQL database, and let it know its sizes."""
    now = to_milliseconds(utc_now())
    person = _UUID.format("i")
    words = {
        "centre": f"'{centre}'",
        "person": person,
        "next_person": _UUID.format(f"(i % {PEOPLE} + 1)"),
        "own_track": _UUID.format("(i + 50000000000)"),
        "now": str(now),
        "past": f"({now} - 86400000 - i * 1000)",
        **{f"object_{kind}": _OBJECT.format(kind) for kind in "abcd"},
    }

    await Database().atomically(lambda sql: _fill(sql, centre, words))
    await Database().atomically(lambda sql: sql.run("ANALYZE"))


async def _fill(sql: Statements, centre: str, words: Mapping[str, str]) -> None:
    for count, statement in STATEMENTS:
        numbers = _NUMBERS.format(count=count)
        await sql.run(f"{numbers} {statement.format(**words)}")
    counters = "UPDATE profile SET followers = ?, following = ?, tracks = ? WHERE user_id = ?"
    await sql.run(counters, PEOPLE, PEOPLE, TRACKS, centre)
    await name_everyone(sql)
