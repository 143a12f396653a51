"""Random operations that are valid for a schema: the same seed gives the same ones."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    is_list_type,
    is_required_argument,
)
from graphql.type import get_named_type, get_nullable_type
from graphql.utilities import do_types_overlap

from tests.compiler.values import EnumName, Supply, is_one_of

Kind = GraphQLObjectType | GraphQLInterfaceType
"""What has fields; there are no unions in the schema."""

ROOM = 250
"""Values that an answer may have, by a rough count: enough for pages within pages, and answered in milliseconds."""

MOST_LEVELS = 9
ALIASES = "abcdef"
SWITCH = "b"
"""The first letter of a variable that a directive asks."""

USUAL_PAGE = 20
"""Of a connection that is not told how many."""

PLAIN_LIST = 3
LIKELY = {"edges": 4, "node": 3, "tracks": 3, "owner": 2, "actor": 2, "profiles": 4, "profile": 2}
"""What is asked for more often than its neighbours, as it leads to more."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A document, and what is sent along with it."""

    text: str
    name: str | None
    variables: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a selection stands: how deep, in how many objects, and how many items a list has in it."""

    level: int = 0
    times: int = 1
    page: int = PLAIN_LIST


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a key of the answer stands for in objects of a type."""

    parent: Kind
    name: str
    shape: str
    arguments: str
    page: int


@dataclass(frozen=True, slots=True)
class Fragment:
    """A named fragment, and the place for which it was written."""

    condition: Kind
    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable's definition, and what it is in the end, as far as page sizes go."""

    definition: str
    effective: Any


def operation(schema: GraphQLSchema, supply: Supply, random: Random) -> Operation:
    """Return one random operation, which may still be too large for the server's limits."""
    return _Writer(schema, supply, random).write()


def switched(found: Operation, random: Random) -> Operation:
    """Return the same document with other values for the variables that `@skip` and `@include` ask."""
    switches = {name: random.random() < 0.5 for name in found.variables if name.startswith(SWITCH)}
    return replace(found, variables={**found.variables, **switches})


@dataclass
class _Writer:
    """Writes one document. A key means the same throughout, so that all that meets in an object can be merged."""

    schema: GraphQLSchema
    supply: Supply
    random: Random
    room: int = ROOM
    keys: dict[tuple[str, str], list[Meaning]] = field(default_factory=dict)
    fragments: dict[str, Fragment] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)

    def write(self) -> Operation:
        root = self.schema.query_type
        assert root
        names = ["First", "Second"] if self._happens(0.1) else ["Only" if self._happens(0.5) else ""]
        bodies = {name: self._selections(root, Place()) for name in names}
        operations = [self._head(name, body) + body for name, body in bodies.items()]
        definitions = [*operations, *(fragment.text for fragment in self.fragments.values())]
        self.random.shuffle(definitions)
        asked = self.random.choice(names) if len(names) > 1 or self._happens(0.3) else None
        return Operation("\n".join(definitions), asked or None, self.given)

    def _head(self, name: str, body: str) -> str:
        used = self._used(body)
        definitions = [variable.definition for key, variable in self.variables.items() if key in used]
        return f"query {name}" + (f"({', '.join(definitions)}) " if definitions else " ")

    def _used(self, text: str) -> set[str]:
        """Return the variables of a text and of the fragments that it spreads."""
        texts, spread = [text], set[str]()
        for one in texts:
            for name in set(re.findall(r"\.\.\.(F\d+)", one)) - spread:
                spread.add(name)
                texts.append(self.fragments[name].text)
        return {name for one in texts for name in re.findall(r"\$(\w+)", one)}

    def _selections(self, parent: Kind, place: Place) -> str:
        wanted = self.random.randint(1, 6)
        texts = dict.fromkeys(self._selection(parent, place) for _ in range(wanted))  # what is repeated differs somehow
        return "{ " + " ".join(texts) + " }"

    def _selection(self, parent: Kind, place: Place) -> str:
        self.room -= place.times
        draw = self.random.random()
        if draw < 0.05 or self.room < -ROOM:
            return "__typename" + self._directives()
        if draw < 0.07 and place.level == 0:
            return '__type(name: "Profile") { name kind }'
        if draw < 0.17 and place.level:
            condition = self._condition(parent)
            on = f" on {condition}" if condition is not parent or self._happens(0.5) else ""
            return f"...{on}{self._directives()} {self._selections(condition, place)}"
        if draw < 0.27 and place.level:
            return f"...{self._fragment(parent, place)}{self._directives()}"
        return self._field(parent, place)

    def _condition(self, parent: Kind) -> Kind:
        """Return a type that an object of another type may have as well."""
        kinds = [kind for kind in self.schema.type_map.values() if isinstance(kind, Kind)]
        return self.random.choice([kind for kind in kinds if do_types_overlap(self.schema, parent, kind)])

    def _fragment(self, parent: Kind, place: Place) -> str:
        """Return the name of a fragment that fits here: one that is there already, or a new one."""
        fitting = [
            name
            for name, known in self.fragments.items()
            if do_types_overlap(self.schema, parent, known.condition)
            and place.level <= known.place.level
            and place.times * place.page <= known.place.times * known.place.page
        ]
        if fitting and self._happens(0.6):
            return self.random.choice(fitting)
        condition = self._condition(parent)
        body = self._selections(condition, place)
        name = f"F{len(self.fragments)}"  # only now: those within it have been written and named
        self.fragments[name] = Fragment(condition, f"fragment {name} on {condition} {body}", place)
        return name

    def _field(self, parent: Kind, place: Place) -> str:
        name = self._name(parent, place)
        if name is None:
            return "__typename"
        kind = parent.fields[name].type
        key, meaning = self._keyed(parent, name, place)
        text = f"{'' if key == name else f'{key}: '}{name}{meaning.arguments}{self._directives()}"
        named = get_named_type(kind)
        if not isinstance(named, Kind):
            return text
        items = place.page if is_list_type(get_nullable_type(kind)) else 1
        within = Place(place.level + 1, place.times * items, meaning.page)
        return f"{text} {self._selections(named, within)}"

    def _name(self, parent: Kind, place: Place) -> str | None:
        may_nest = self.room > 0 and place.level < MOST_LEVELS
        names = [
            name
            for name, found in parent.fields.items()
            for _ in range(LIKELY.get(name, 1))
            if may_nest or not isinstance(get_named_type(found.type), Kind)
        ]
        return self.random.choice(names) if names else None

    def _keyed(self, parent: Kind, name: str, place: Place) -> tuple[str, Meaning]:
        """Return the key under which a field is asked for, and its meaning."""
        if self._happens(0.25):
            alias = self.random.choice(ALIASES)
            meaning = self._meaning(parent, alias, name, place)
            if meaning.name == name:
                return alias, meaning
        return name, self._meaning(parent, name, name, place)

    def _meaning(self, parent: Kind, key: str, name: str, place: Place) -> Meaning:
        """Return what a key means in a type; another field than the wanted one, where the key is taken already."""
        known = self.keys.setdefault((_family(parent), key), [])
        shape = str(parent.fields[name].type)
        for meaning in known:
            if not _are_exclusive(meaning.parent, parent):
                return meaning if meaning.shape == shape else replace(meaning, name="")
            if meaning.shape != shape:
                return replace(meaning, name="")
        arguments, page = self._arguments(parent, name, place)
        known.append(Meaning(parent, name, shape, arguments, page))
        return known[-1]

    def _arguments(self, parent: Kind, name: str, place: Place) -> tuple[str, int]:
        found: Mapping[str, GraphQLArgument] = parent.fields[name].args
        is_crowded = place.times * USUAL_PAGE > ROOM
        chosen = [
            key
            for key, argument in found.items()
            if is_required_argument(argument) or self._happens(0.4) or (key == "first" and is_crowded)
        ]
        self.random.shuffle(chosen)
        page, texts = USUAL_PAGE, []
        for key in chosen:
            if key == "first" and is_crowded:
                text, value = "1", 1
            else:
                text, value = self._argument(name, key, found[key].type)
            if key == "first" and isinstance(value, int) and 1 <= value <= USUAL_PAGE:
                page = value
            texts.append(f"{key}: {text}")
        return (f"({', '.join(texts)})" if texts else ""), page

    def _argument(self, name: str, key: str, kind: GraphQLInputType) -> tuple[str, Any]:
        """Return the text of an argument, and its value."""
        if self._happens(0.4):
            variable = self._variable(name, key, kind)
            return f"${variable}", self.variables[variable].effective
        if self._happens(0.05) and not isinstance(kind, GraphQLNonNull):
            return "null", None
        value = self.supply.value(name, key, kind)
        return self._literal(name, key, value, kind), value

    def _literal(self, name: str, key: str, value: Any, kind: GraphQLInputType) -> str:
        if isinstance(kind, GraphQLNonNull):
            return self._literal(name, key, value, kind.of_type)
        if isinstance(kind, GraphQLInputObjectType):
            parts = [f"{part}: {self._part(name, part, inner, kind)}" for part, inner in value.items()]
            return "{" + ", ".join(parts) + "}"
        if isinstance(kind, GraphQLList) and isinstance(value, list):
            return "[" + ", ".join(self._literal(name, key, item, kind.of_type) for item in value) + "]"
        return value if isinstance(value, EnumName) else json.dumps(value, ensure_ascii=False)

    def _part(self, name: str, part: str, value: Any, kind: GraphQLInputObjectType) -> str:
        inner = kind.fields[part].type
        if not self._happens(0.3):
            return self._literal(name, part, value, inner)
        if is_one_of(kind):
            return "$" + self._variable(name, part, GraphQLNonNull(inner), is_strict=True)
        return "$" + self._variable(name, part, inner)

    def _variable(self, name: str, key: str, kind: GraphQLInputType, *, is_strict: bool = False) -> str:
        """Return the name of a variable for an argument: given, omitted, null, by default, or wrong.

        A default lets a variable that may be null stand where null must not, unless the place is strict.
        """
        variable = f"v{len(self.variables)}"
        is_nullable = not isinstance(kind, GraphQLNonNull)
        definition, effective = f"${variable}: {kind}", None
        draw = self.random.random()
        if draw < 0.25:
            effective = self.supply.value(name, key, kind)
            declared = kind if is_strict or self._happens(0.5) else get_nullable_type(kind)
            definition = f"${variable}: {declared} = {_constant(effective, kind)}"
        if draw < 0.15 or (draw < 0.4 and draw >= 0.25 and is_nullable):
            pass  # omitted
        elif draw < 0.5 and is_nullable:
            self.given[variable] = effective = None
        elif draw > 0.98:
            self.given[variable] = self.supply.wrong()
        else:
            self.given[variable] = effective = self.supply.value(name, key, kind)
        self.variables[variable] = Variable(definition, effective)
        return variable

    def _directives(self) -> str:
        text = ""
        for name in self.random.sample(["skip", "include"], 2):
            if self._happens(0.05):
                text += f" @{name}(if: {self._condition_of_directive()})"
        return text

    def _condition_of_directive(self) -> str:
        known = [name for name in self.variables if name.startswith(SWITCH)]
        draw = self.random.random()
        if draw < 0.4:
            return self.random.choice(["true", "false"])
        if draw < 0.7 and known:
            return "$" + self.random.choice(known)
        variable = f"{SWITCH}{len(self.variables)}"
        kinds = ["Boolean!", "Boolean! = true", "Boolean = false", "Boolean = true"]
        kind = self.random.choice(kinds)
        if "=" not in kind or self._happens(0.5):
            self.given[variable] = self._happens(0.5)
        elif not kind.startswith("Boolean!") and self._happens(0.05):
            self.given[variable] = None  # may be declared so, and is refused where it is used
        self.variables[variable] = Variable(f"${variable}: {kind}", None)
        return f"${variable}"

    def _happens(self, probability: float) -> bool:
        return self.random.random() < probability


def _family(kind: Kind) -> str:
    """Return the same for types that can meet in one selection."""
    is_alone = isinstance(kind, GraphQLObjectType) and not kind.interfaces
    return kind.name if is_alone else "interfaces"


def _are_exclusive(one: Kind, other: Kind) -> bool:
    """Tell whether no object is of both types, as validation sees it."""
    return one is not other and isinstance(one, GraphQLObjectType) and isinstance(other, GraphQLObjectType)


def _constant(value: Any, kind: GraphQLInputType) -> str:
    """Return a default value as a document has it."""
    if isinstance(kind, GraphQLNonNull):
        return _constant(value, kind.of_type)
    if isinstance(kind, GraphQLInputObjectType):
        return "{" + ", ".join(f"{key}: {_constant(part, kind.fields[key].type)}" for key, part in value.items()) + "}"
    return value if isinstance(value, EnumName) else json.dumps(value, ensure_ascii=False)
