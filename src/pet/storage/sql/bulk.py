"""Reading in bulk: rows without a dictionary for each, and lists of any length as one value.

A list that is one value keeps the text of its statement, which is prepared once for all lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any, cast

import orjson
from tortoise.backends.base.client import BaseDBAsyncClient

Record = Sequence[Any]
"""The values of a row, in the order of the statement's columns."""


async def read_records(client: BaseDBAsyncClient, sql: str, values: Sequence[object]) -> Sequence[Record]:
    """Return all rows of a SELECT; `?` stands for a value and `IN ?` for membership in a list, in either dialect."""
    if client.capabilities.dialect == "postgres":
        _, records = await client.execute_query(_numbered(sql.replace("IN ?", "= ANY(?)")), list(values))
    else:
        unpacked = sql.replace("IN ?", "IN (SELECT value FROM json_each(?))")
        _, records = await client.execute_query(unpacked, [_as_json(value) for value in values])
    return cast("Sequence[Record]", records)  # the drivers' own rows; Tortoise calls them dictionaries


def _numbered(sql: str) -> str:
    first, *others = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in zip(count(1), others, strict=False))


def _as_json(value: object) -> object:
    return orjson.dumps(value).decode() if isinstance(value, list) else value
