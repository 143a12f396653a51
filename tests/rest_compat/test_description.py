"""The description of the REST surface: whole, valid, served, and true of every golden answer."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from jsonschema_rs import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Mount, Route

from pet.app import create_app, description
from pet.rest_compat.routes import ROUTES
from pet.settings import Settings
from tests.conftest import Service
from tests.openapi.closing import closed, operations_of, resolved
from tests.rest_compat.golden import FOLDER
from tests.setups import Prepare, on_embedded

DOCUMENT: dict[str, Any] = description()
STRICT = closed(DOCUMENT)

FOR_PEOPLE = {"/", "/docs", "/docs/assets", "/graphql", "/graphql/assets", "/openapi.json"}
"""Pages, and GraphQL, which describes itself."""

_NAMED = re.compile(r"<(uuid|object_id|time|size|jwt|seconds|expires|signature)(?::\w+)?>")

_STANDING_FOR = {
    "uuid": "01890a5d-ac96-774b-bcce-b302099a8057",
    "object_id": "65a1b2c3d4e5f60718293a4b",
    "time": "2026-01-31T12:00:00.000Z",
    "size": "1024",
    "jwt": "eyJ.eyJ.x",
    "seconds": "42",
    "expires": "1769860800",
    "signature": "c2lnbmF0dXJl",
}
"""For what golden files show by a name."""


def test_it_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


@on_embedded
async def test_every_route_is_in_it_and_it_has_no_other(tmp_path: Path, prepare: Prepare) -> None:
    app = create_app(Settings(data_dir=tmp_path, **prepare(tmp_path)))
    async with app.router.lifespan_context(app):
        routes = [route for route in app.routes if isinstance(route, Route) and route.path not in FOR_PEOPLE]
        mounted = {route.path for route in app.routes if isinstance(route, Mount)}
    assert mounted <= FOR_PEOPLE
    served = {(method, route.path) for route in routes for method in route.methods or ()}
    described = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    reading = {(method, path) for method, path in served if method == "HEAD"}
    assert described - reading == served - reading
    assert described <= served


def test_every_legacy_route_has_its_name() -> None:
    for route in ROUTES:
        operation = DOCUMENT["paths"][route.template][route.method.lower()]
        assert operation["operationId"] == route.id
        assert operation["summary"]


def test_everything_is_told_of() -> None:
    untold = [
        f"{operation['operationId']}: {parameter['name']}"
        for operation in operations_of(DOCUMENT)
        for parameter in (resolved(DOCUMENT, reference) for reference in operation.get("parameters", ()))
        if not parameter["description"]
    ]
    untold += [name for name, schema in DOCUMENT["components"]["schemas"].items() if not schema["description"]]
    assert untold == []


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_a_golden_answer_is_as_described(path: Path) -> None:
    golden = json.loads(path.read_text(encoding="utf-8"))
    method, _, url = golden["request"].partition(" ")
    operation = operation_at(method, urlsplit(url).path)
    response = resolved(STRICT, operation["responses"][str(golden["status"])])
    media_type = golden["headers"].get("content-type", "")
    if golden["body"] is None or media_type != "application/json":
        kinds = response.get("content", {})
        assert not media_type or not kinds or media_type in kinds or f"{media_type.split('/')[0]}/*" in kinds
        return
    schema = response["content"][media_type]["schema"] | {"components": STRICT["components"]}
    validator = Draft202012Validator(schema, validate_formats=True)
    assert [error.message for error in validator.iter_errors(plain(golden["body"]))] == []


async def test_it_is_served_whole_and_not_sent_twice(service: Service) -> None:
    first = await service.client.get("/openapi.json")
    assert (first.status_code, first.headers["content-type"]) == (200, "application/json")
    assert first.json() == DOCUMENT
    tag = first.headers["etag"]
    for known in (tag, f'W/{tag}, "other"', "*"):
        again = await service.client.get("/openapi.json", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    other = await service.client.get("/openapi.json", headers={"If-None-Match": '"other"'})
    assert (other.status_code, other.content) == (200, first.content)
    head = await service.client.head("/openapi.json")
    assert (head.status_code, head.headers["etag"], head.headers["content-length"]) == (
        200,
        tag,
        str(len(first.content)),
    )


def operation_at(method: str, path: str) -> dict[str, Any]:
    """Return the operation that a request reaches: of several templates the one with the most fixed words."""
    fitting = [template for template in STRICT["paths"] if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path)]
    best = min(fitting, key=lambda template: template.count("{"))
    found: dict[str, Any] = STRICT["paths"][best][method.lower()]
    return found


def plain(value: Any, key: str = "") -> Any:
    """Return a golden body with values in the place of names."""
    if isinstance(value, dict):
        return {name: plain(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, str):
        return value
    text = _NAMED.sub(lambda match: _STANDING_FOR[match[1]], value)
    return int(text) if key == "size" else text
