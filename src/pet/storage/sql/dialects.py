"""How the same statement is written for either database: `?` stands for a value, `IN ?` for membership in a list, and
`json_group_array(column)` for a JSON array of a column's values (PostgreSQL gives NULL where there are none).

A list that is one value keeps the text of its statement, which is prepared once for all lengths. Texts are made once.
"""

from __future__ import annotations

import re
from functools import lru_cache

import orjson

_JSON_ARRAY = re.compile(r"json_group_array\((\w+)\)")

TEXTS = 1000
"""Remembered at most: statements are few, but lists of rows in them come in many lengths."""


@lru_cache(maxsize=TEXTS)
def for_postgres(sql: str) -> str:
    """Number the placeholders."""
    own = _JSON_ARRAY.sub(r"array_to_json(array_agg(\1))", sql)  # `json_agg` would put spaces into the text
    first, *others = own.replace("IN ?", "= ANY(?)").split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(others, 1))


@lru_cache(maxsize=TEXTS)
def for_sqlite(sql: str) -> str:
    """Take lists as JSON."""
    return sql.replace("IN ?", "IN (SELECT value FROM json_each(?))")


def as_json(value: object) -> object:
    """Return a value as `for_sqlite` takes it."""
    return orjson.dumps(value).decode() if isinstance(value, list) else value
