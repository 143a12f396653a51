"""The document that is put together from operations: what is said once follows everywhere, and mistakes are found."""

from __future__ import annotations

from typing import Any, TypedDict

import pytest

from pet.domain.errors import Conflict
from pet.domain.limits import Bucket
from pet.openapi.document import Document
from pet.openapi.operations import Bytes, Described, Link, Placed, Token, answers


class InPaths(TypedDict):
    """Parameters in paths."""

    id: str


class OfPages(TypedDict):
    """What every list takes."""

    limit: int


class Given(TypedDict):
    """A body."""

    name: str


def document_of(*placed: Placed) -> dict[str, Any]:
    made = Document(info={"title": "T", "version": "1"}, tags={"A": "All."}, in_paths=InPaths, of_pages=OfPages)
    return made.of(placed)


def operation(about: Described, *, method: str = "GET", path: str = "/things/{id}", id: str = "thing") -> Placed:
    return Placed(method, path, id, "A", about)


def statuses(about: Described, *, method: str = "GET") -> list[str]:
    return list(document_of(operation(about, method=method))["paths"]["/things/{id}"][method.lower()]["responses"])


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        pytest.param(Described("S", token=Token.IGNORED), ["200", "500"], id="the least"),
        pytest.param(Described("S"), ["200", "401", "500"], id="token welcome"),
        pytest.param(Described("S", token=Token.REQUIRED), ["200", "401", "403", "500"], id="token required"),
        pytest.param(
            Described("S", token=Token.IGNORED, body=Given), ["200", "400", "408", "413", "415", "500"], id="body"
        ),
        pytest.param(Described("S", token=Token.IGNORED, is_list=True), ["200", "400", "500"], id="list"),
        pytest.param(Described("S", token=Token.IGNORED, limit=Bucket("b", 1)), ["200", "429", "500"], id="limit"),
        pytest.param(Described("S", token=Token.IGNORED, refused=(Conflict,)), ["200", "409", "500"], id="refused"),
        pytest.param(
            Described("S", token=Token.IGNORED, answer=Bytes(("audio/*",))),
            ["200", "206", "304", "307", "412", "416", "500"],
            id="bytes",
        ),
    ],
)
def test_statuses_follow_from_what_is_promised(about: Described, expected: list[str]) -> None:
    assert statuses(about) == expected


def test_a_head_of_bytes_has_no_ranges() -> None:
    about = Described("S", token=Token.IGNORED, answer=Bytes(("audio/*",)))
    assert statuses(about, method="HEAD") == ["200", "304", "307", "412", "500"]


def test_what_stands_beside_success_is_described() -> None:
    document = document_of(operation(Described("S", answer=answers(data=list[int]))))
    content = document["paths"]["/things/{id}"]["get"]["responses"]["200"]["content"]
    assert content["application/json"]["schema"] == {
        "type": "object",
        "properties": {
            "success": {"type": "boolean", "const": True},
            "data": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["success", "data"],
    }


def test_a_body_may_be_missing_with_delete_alone() -> None:
    bodies = {
        method: document_of(operation(Described("S", body=Given), method=method))["paths"]["/things/{id}"]
        for method in ("POST", "DELETE")
    }
    assert bodies["POST"]["post"]["requestBody"]["required"] is True
    assert "required" not in bodies["DELETE"]["delete"]["requestBody"]


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(operation(Described("S"), path="/others"), id="the same id"),
        pytest.param(operation(Described("S"), id="other"), id="the same place"),
    ],
)
def test_operations_are_told_apart(second: Placed) -> None:
    with pytest.raises(ValueError, match="share a place or an id"):
        document_of(operation(Described("S")), second)


def test_a_link_leads_somewhere() -> None:
    with pytest.raises(ValueError, match=r"do not exist: \['nothing'\]"):
        document_of(operation(Described("S", links=(Link("nothing", "Nothing."),))))
