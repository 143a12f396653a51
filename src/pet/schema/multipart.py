"""Files in a GraphQL request: they go to where the `map` of the GraphQL multipart request specification says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pet.domain.errors import Invalid
from pet.domain.uploads import Upload

_INDEX = re.compile("[0-9]{1,6}")
"""More digits than a list in `operations` can need, and few enough for `int`."""


def place_files(operations: dict[str, Any], places: Mapping[str, Any], files: Mapping[str, Upload]) -> dict[str, Any]:
    """Put every file in the place of the nulls that `map` names, and return the operations.

    Raises:
        Invalid: a place is not a null inside the variables, or a file is not there.
    """
    for name, paths in places.items():
        if name not in files:
            raise Invalid(f"map names the file {name!r}, which was not sent.", field="map")
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
            raise Invalid("map must give a list of paths for each file.", field="map")
        for path in paths:
            _place(operations, path, files[name])
    return operations


def _place(operations: dict[str, Any], path: str, file: Upload) -> None:
    *way, last = path.split(".")
    if way[:1] != ["variables"]:
        raise _wrong(path)
    holder: Any = operations
    for key in way:
        holder = holder[_known_key(holder, key, path)]
    place = _known_key(holder, last, path)
    if holder[place] is not None:
        raise _wrong(path)
    holder[place] = file


def _known_key(holder: Any, key: str, path: str) -> str | int:
    if isinstance(holder, dict) and key in holder:
        return key
    if isinstance(holder, list) and _INDEX.fullmatch(key) and int(key) < len(holder):
        return int(key)
    raise _wrong(path)


def _wrong(path: str) -> Invalid:
    return Invalid(f"map names {path!r}, where operations must have a null among its variables.", field="map")
