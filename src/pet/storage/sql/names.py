"""Names: by which beginnings people are found, and how many by each.

Every beginning of every word of a name has its list, newest first, and a count. So a page of those who are found by a
letter costs what a page of those who are found by a rare name costs, and nobody is counted when a client asks how many
there are. A name has about twenty beginnings, which are written when it changes: seldom.

A count is cut into parts, of which each person belongs to one: those who register at the same time seldom change the
same part, which would let one wait for the other. Whoever changes several changes them in one order, and last of all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from zlib import crc32

from pet.domain.texts import beginnings, search_words
from pet.storage.sql.database import STEP, Statements, in_steps, placeholders

PARTS = 16
EVERYONE = ""
"""The beginning that all names have: it has a count, but no list, because the profiles themselves are that list."""


async def add_names(sql: Statements, user_id: str, created_ms: int, words: Collection[str]) -> None:
    """Let a new profile be found by the words of its name, and count it."""
    found_by = {each.encode() for each in beginnings(words)}
    await _insert(sql, user_id, created_ms, found_by)
    await _count(sql, user_id, dict.fromkeys({EVERYONE.encode(), *found_by}, 1))


async def change_names(
    sql: Statements, user_id: str, created_ms: int, *, before: Collection[str], after: Collection[str]
) -> None:
    """Let a profile be found by other words than before."""
    old, new = ({each.encode() for each in beginnings(words)} for words in (before, after))
    gone = sorted(old - new)
    await sql.run(f"DELETE FROM profile_name WHERE user_id = ? AND beginning IN ({placeholders(gone)})", user_id, *gone)
    await _insert(sql, user_id, created_ms, new - old)
    await _count(sql, user_id, dict.fromkeys(gone, -1) | dict.fromkeys(new - old, 1))


async def remove_names(sql: Statements, user_id: str) -> None:
    """Let a profile that is gone be found no more, and count it no more."""
    rows = await sql.rows("DELETE FROM profile_name WHERE user_id = ? RETURNING beginning", user_id)
    await _count(sql, user_id, dict.fromkeys((EVERYONE.encode(), *(bytes(row["beginning"]) for row in rows)), -1))


async def _insert(sql: Statements, user_id: str, created_ms: int, found_by: Collection[bytes]) -> None:
    if found_by:
        values = [value for each in sorted(found_by) for value in (each, created_ms, user_id)]
        rows = ", ".join(["(?, ?, ?)"] * len(found_by))
        await sql.run(f"INSERT INTO profile_name (beginning, created_ms, user_id) VALUES {rows}", *values)


async def _count(sql: Statements, user_id: str, changes: Mapping[bytes, int]) -> None:
    """Change the counts of some beginnings, and forget those of which nobody is left: they tell of somebody's name."""
    part = crc32(user_id.encode()) % PARTS
    for some in in_steps(sorted(changes)):
        values = [value for each in some for value in (each, part, changes[each])]
        await sql.run(
            f"INSERT INTO people_count (beginning, part, people) VALUES {', '.join(['(?, ?, ?)'] * len(some))}"
            " ON CONFLICT (beginning, part) DO UPDATE SET people = people_count.people + excluded.people",
            *values,
        )
    fewer = [each for each, change in sorted(changes.items()) if change < 0]
    for some in in_steps(fewer):
        forget = f"DELETE FROM people_count WHERE part = ? AND people = 0 AND beginning IN ({placeholders(some)})"
        await sql.run(forget, part, *some)


async def name_everyone(sql: Statements) -> None:
    """Let all profiles be found that are there already: what the migration does that makes the tables."""
    last = ""
    named = "SELECT user_id, username, display_name, created_ms FROM profile"
    select = f"{named} WHERE user_id > ? ORDER BY user_id LIMIT {STEP}"
    while rows := await sql.rows(select, last):
        for row in rows:
            await add_names(sql, row["user_id"], row["created_ms"], search_words(row["username"], row["display_name"]))
        last = rows[-1]["user_id"]
