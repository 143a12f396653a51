"""JSON Schema from Python types, as a table."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest

from pet.openapi.schemas import Maybe, Schemas, about


class Colour(StrEnum):
    """Of a leaf."""

    GREEN = "green"
    RED = "red"


class Leaf(TypedDict):
    """A leaf."""

    colour: Colour
    spots: Maybe[int]


class Tree(TypedDict):
    """A tree.

    It may stand alone.
    """

    _id: str
    leaves: list[Leaf]
    name: NotRequired[Annotated[str, about("As it is called.", "oak", maxLength=9)] | None]
    parent: NotRequired[Tree]


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        pytest.param(str, {"type": "string"}, id="text"),
        pytest.param(bool, {"type": "boolean"}, id="flag"),
        pytest.param(int, {"type": "integer"}, id="whole number"),
        pytest.param(float, {"type": "number"}, id="number"),
        pytest.param(list[int], {"type": "array", "items": {"type": "integer"}}, id="list"),
        pytest.param(dict[str, bool], {"type": "object", "additionalProperties": {"type": "boolean"}}, id="map"),
        pytest.param(Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}, id="choice"),
        pytest.param(Literal[True], {"type": "boolean", "const": True}, id="one value"),
        pytest.param(Literal[Colour.RED], {"type": "string", "const": "red"}, id="one member"),
        pytest.param(Colour, {"type": "string", "enum": ["green", "red"]}, id="enumeration"),
        pytest.param(int | None, {"type": ["integer", "null"]}, id="nullable"),
        pytest.param(
            Literal["a", "b"] | None, {"type": ["string", "null"], "enum": ["a", "b", None]}, id="nullable choice"
        ),
        pytest.param(int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}, id="either"),
        pytest.param(
            Leaf | None, {"anyOf": [{"$ref": "#/components/schemas/Leaf"}, {"type": "null"}]}, id="nullable shape"
        ),
        pytest.param(
            Annotated[int, about("Metres.", 3, minimum=1)],
            {"type": "integer", "description": "Metres.", "minimum": 1, "examples": [3]},
            id="told of",
        ),
    ],
)
def test_a_type_becomes_a_schema(kind: Any, schema: dict[str, Any]) -> None:
    assert Schemas().of(kind) == schema


def test_a_shape_is_named_once_and_referred_to() -> None:
    schemas = Schemas()
    assert schemas.of(list[Tree]) == {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}
    assert schemas.of(Tree) == {"$ref": "#/components/schemas/Tree"}
    assert schemas.named == {
        "Tree": {
            "description": "A tree.\n\nIt may stand alone.",
            "type": "object",
            "properties": {
                "_id": {"type": "string"},
                "leaves": {"type": "array", "items": {"$ref": "#/components/schemas/Leaf"}},
                "name": {
                    "type": ["string", "null"],
                    "description": "As it is called.",
                    "maxLength": 9,
                    "examples": ["oak"],
                },
                "parent": {"$ref": "#/components/schemas/Tree"},
            },
            "required": ["_id", "leaves"],
        },
        "Leaf": {
            "description": "A leaf.",
            "type": "object",
            "properties": {"colour": {"type": "string", "enum": ["green", "red"]}, "spots": {"type": "integer"}},
            "required": ["colour"],
        },
    }


def test_two_shapes_of_one_name_are_refused() -> None:
    def another() -> object:
        class Leaf(TypedDict):
            veins: int

        return Leaf

    schemas = Schemas()
    schemas.of(Leaf)
    with pytest.raises(TypeError, match="two shapes are called Leaf"):
        schemas.of(another())


@pytest.mark.parametrize("kind", [bytes, object, None])
def test_what_has_no_counterpart_is_refused(kind: object) -> None:
    with pytest.raises(TypeError, match="cannot be described"):
        Schemas().of(kind)
