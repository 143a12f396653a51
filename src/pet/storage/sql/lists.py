"""Keyset lists: one page, of one owner or of many at once, in one round trip that only touches the rows it returns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from pet.domain.paging import Position
from pet.domain.times import to_milliseconds
from pet.storage.sql.database import Database, Row


async def pages_of_each(
    database: Database,
    select: str,
    owners: Sequence[tuple[object, ...]],
    *,
    key: tuple[str, str],
    after: Position | None,
    limit: int,
) -> Sequence[Sequence[Row]]:
    """Return up to `limit + 1` rows of each owner's list, newest first, in the owners' order.

    Every owner's part is a range of one index, cut at the limit: a window function would read the owners' whole lists.

    Args:
        select: the list of one owner, without its order; its placeholders take one tuple of `owners`.
        owners: at most 100 (SQLite joins no more than 500 SELECTs).
        key: the columns of time (milliseconds) and id that order the list.
    """
    if not owners:
        return []
    time_column, id_column = key
    condition = f" AND ({time_column}, {id_column}) < (?, ?)" if after else ""
    order = f" ORDER BY {time_column} DESC, {id_column} DESC LIMIT ?"
    position = (to_milliseconds(after.at), after.id) if after else ()
    parts = [
        f"SELECT {number} AS part, list.* FROM ({select}{condition}{order}) AS list" for number in range(len(owners))
    ]
    values = [value for owner in owners for value in (*owner, *position, limit + 1)]
    found: dict[int, list[Row]] = defaultdict(list)
    for row in await database.rows(" UNION ALL ".join(parts), *values):
        found[row["part"]].append(row)
    return [
        sorted(found[number], key=lambda row: (row[time_column], row[id_column]), reverse=True)
        for number in range(len(owners))
    ]
