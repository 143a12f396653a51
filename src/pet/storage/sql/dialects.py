"""How the same statement is written for either database: `?` stands for a value, `IN ?` for membership in a list, and
`json_group_array` for a JSON array of a column's values (PostgreSQL gives NULL where there are none).

A list that is one value keeps the text of its statement, which is prepared once for all lengths. Texts are made once.
"""

from __future__ import annotations

from functools import lru_cache

import orjson

TEXTS = 1000
"""Remembered at most: statements are few, but lists of rows in them come in many lengths."""


@lru_cache(maxsize=TEXTS)
def for_postgres(sql: str) -> str:
    """Number the placeholders."""
    own = sql.replace("IN ?", "= ANY(?)").replace("json_group_array(", "json_agg(")
    first, *others = own.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(others, 1))


@lru_cache(maxsize=TEXTS)
def for_sqlite(sql: str) -> str:
    """Take lists as JSON."""
    return sql.replace("IN ?", "IN (SELECT value FROM json_each(?))")


def as_json(value: object) -> object:
    """Return a value as `for_sqlite` takes it."""
    return orjson.dumps(value).decode() if isinstance(value, list) else value
