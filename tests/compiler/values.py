"""What generated operations send as arguments: mostly what is there, and some of what resolvers refuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from random import Random
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    get_named_type,
)

from pet.domain.paging import Position, encode_cursor
from pet.schema.scalars import global_id
from tests.compiler.network import BEGIN, Network

CURSOR_KINDS = {
    "profiles": "profiles",
    "feed": "feed",
    "blocks": "blocks",
    "tracks": "tracks",
    "audioFiles": "audio",
    "followers": "followers",
    "following": "following",
    "followRequests": "requests",
    "sentFollowRequests": "sent_requests",
}
"""By what name the cursors of a field's list go."""

NOBODY = "019c13ec-0000-7000-8000-000000000000"
BAD_IDS = (NOBODY, "", "ann", "not-a-uuid", 5, "ünïcode")
GOOD: Mapping[str, Sequence[Any]] = {
    "first": (1, 1, 2, 2, 3, 5, 20),
    "points": (1, 2, 5, 7),
    "search": ("person", "PERSON1", "zoe", "ω", "a", "", "  ", "%", "nobody at all"),
}
BAD: Mapping[str, Sequence[Any]] = {
    "first": (0, -1, 101, 2**31 - 1),
    "points": (0, 1001, -3),
    "search": ("x" * 101,),
    "after": ("", "rubbish", "cHJvZmlsZXM6eDp5", "ё"),
    "username": ("", "nobody"),
}
"""What the resolvers refuse, or find nothing by."""

WRONG = ({"an": "object"}, ["a", "list"], 1.5, True, "text", 2**40)
"""One of these is of the wrong type, whatever the type."""


def is_one_of(kind: GraphQLInputObjectType) -> bool:
    """Tell whether an input has exactly one of its fields; Strawberry knows, and graphql-core is not told."""
    return bool(kind.extensions["strawberry-definition"].is_one_of)


class EnumName(str):
    """A name of an enum's value, which a document has without quotes."""

    __slots__ = ()


class Supply:
    """Draws values for arguments, by what they are called."""

    def __init__(self, network: Network, random: Random) -> None:
        self._network = network
        self._random = random

    def value(self, field: str, name: str, kind: GraphQLInputType) -> Any:
        """Return a value for an argument of a field, or for a part of one."""
        if isinstance(kind, GraphQLNonNull):
            return self.value(field, name, kind.of_type)
        if isinstance(kind, GraphQLList):
            items = [self.value(field, name, kind.of_type) for _ in range(self._random.randint(0, 2))]
            return items[0] if len(items) == 1 else items  # one item may stand for a list
        if isinstance(kind, GraphQLInputObjectType):
            return self._object(field, kind)
        if isinstance(kind, GraphQLEnumType):
            return EnumName(self._random.choice(list(kind.values)))
        return self._scalar(field, name, get_named_type(kind).name)

    def wrong(self) -> Any:
        """Return what most types do not take."""
        return self._random.choice(WRONG)

    def _object(self, field: str, kind: GraphQLInputObjectType) -> Mapping[str, Any]:
        names = list(kind.fields)
        required = [name for name in names if isinstance(kind.fields[name].type, GraphQLNonNull)]
        chosen = [self._random.choice(names)] if is_one_of(kind) else {*required, *self._random.sample(names, 2)}
        return {name: self.value(field, name, kind.fields[name].type) for name in names if name in chosen}

    def _scalar(self, field: str, name: str, kind: str) -> Any:
        random = self._random
        bad = BAD.get(name, BAD_IDS if kind == "ID" else ())
        if bad and random.random() < 0.05:
            return random.choice(bad)
        if name in GOOD:
            return random.choice(GOOD[name])
        if name == "after":
            return self._cursor(field)
        if name == "id":
            return self._global_id()
        return self._id(name) if kind == "ID" else self._plain(name, kind)

    def _plain(self, name: str, kind: str) -> Any:
        if name == "username":
            return self._random.choice(self._network.usernames).upper()
        return {"Boolean": True, "Int": 7}.get(kind, f"some {name}")

    def _id(self, name: str) -> str:
        network = self._network
        files = (*network.tracks, *network.tracks, *network.other_files)
        return self._random.choice(files if name == "fileId" else network.people)

    def _global_id(self) -> str:
        kind = self._random.choice(["Profile", "Track", "Activity", "Session"])
        if kind == "Activity":
            return global_id(kind, self._random.choice(self._network.activities))
        return global_id(kind, self._id("fileId" if kind == "Track" else "userId"))

    def _cursor(self, field: str) -> str:
        kind = CURSOR_KINDS.get(field, "profiles") if self._random.random() < 0.95 else "plays"
        position = Position(BEGIN + timedelta(milliseconds=self._random.randrange(900)), self._id("userId"))
        return encode_cursor(kind, position)
