"""The app's operations, sent as the app sends them: the whole document each time, with the operation's name."""

from __future__ import annotations

import json
from typing import Any

import httpx
from graphql import OperationDefinitionNode, parse

from tests.conftest import CONTRACT, Person, Service

DOCUMENT = (CONTRACT / "operations.graphql").read_text()
NAMES = [
    node.name.value
    for node in parse(DOCUMENT).definitions
    if isinstance(node, OperationDefinitionNode) and node.name is not None
]

File = tuple[str, str, bytes]
"""The variable that a file is for, its name and its bytes."""


async def send_form(
    service: Service, operations: object, places: object, files: dict[str, tuple[str, bytes]], *, by: Person | None
) -> httpx.Response:
    """Send a multipart request: operations, map and files in the order that the specification wants."""
    fields = {"operations": (None, _text(operations)), "map": (None, _text(places))}
    headers = by.headers if by else {}
    return await service.client.post("/graphql", files={**fields, **files}, headers=headers)


async def answer_of(
    service: Service, name: str, variables: dict[str, Any] | None = None, *files: File, by: Person | None = None
) -> dict[str, Any]:
    """Run one operation of the contract and return the whole answer."""
    if not files:
        return await service.graphql(DOCUMENT, variables, by=by, name=name)
    given = {**(variables or {}), **{variable: None for variable, _, _ in files}}
    operations = {"query": DOCUMENT, "variables": given, "operationName": name}
    places = {str(number): [f"variables.{variable}"] for number, (variable, _, _) in enumerate(files)}
    parts = {str(number): (file_name, content) for number, (_, file_name, content) in enumerate(files)}
    response = await send_form(service, operations, places, parts, by=by)
    answer: dict[str, Any] = response.json()
    return answer


async def run(
    service: Service, name: str, variables: dict[str, Any] | None = None, *files: File, by: Person | None = None
) -> Any:
    """Run one operation of the contract that has one root field, and return that field's value: no errors allowed."""
    answer = await answer_of(service, name, variables, *files, by=by)
    assert "errors" not in answer, answer
    (value,) = answer["data"].values()
    if isinstance(value, dict):
        assert value.get("userErrors", []) == []
    return value


async def mistake(
    service: Service, name: str, variables: dict[str, Any], *, by: Person | None = None
) -> dict[str, Any]:
    """Run a mutation that must be refused, and return the one mistake; everything beside it is null or false."""
    (payload,) = (await answer_of(service, name, variables, by=by))["data"].values()
    (found,) = payload.pop("userErrors")
    assert not any(payload.values())
    error: dict[str, Any] = found
    return error


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
