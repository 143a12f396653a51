"""The table of routes against the document, both ways, and what every path has in common."""

from __future__ import annotations

import re
from collections import defaultdict

from pet.rest_compat.routes import ROUTES
from tests.conftest import CONTRACT, Service
from tests.rest_compat.conftest import refusal
from tests.rest_compat.golden import FOLDER

METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"}
_HEADING = re.compile(r"^### (\d+\.\d+) ", re.MULTILINE)
_ROUTE = re.compile(r"^\*\*([A-Z]+)\*\* `([^`?]+)[^`]*`", re.MULTILINE)


def documented() -> list[tuple[str, str, str]]:
    """Return method, path and section of each route of the document, in its order."""
    text = (CONTRACT / "rest-api.ru.md").read_text(encoding="utf-8")
    _, *parts = _HEADING.split(text)
    sections = zip(parts[::2], parts[1::2], strict=True)
    return [(method, path, section) for section, body in sections for method, path in _ROUTE.findall(body)]


def methods_by_path() -> dict[str, set[str]]:
    """Return the documented methods of each path, ids filled in."""
    found: dict[str, set[str]] = defaultdict(set)
    for method, path, _ in documented():
        found[re.sub(r":\w+", "nobody", path)].add(method)
    return dict(found)


PATHS = methods_by_path()


def test_the_table_is_the_document() -> None:
    assert [(route.method, route.path, route.section) for route in ROUTES] == documented()
    assert len(ROUTES) == 29


def test_every_section_has_golden_files_of_success() -> None:
    sections = {path.name.partition("-")[0] for path in FOLDER.glob("*-success*.json")}
    assert sections == {route.section for route in ROUTES}


def test_every_golden_file_is_compared_by_a_test() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in FOLDER.parent.glob("test_*.py"))
    compared = set(re.findall(r'"(\d\.\d-[a-z-]+)"', sources))
    assert {path.stem for path in FOLDER.glob("*.json")} == compared


async def test_a_local_page_may_call_every_path(service: Service) -> None:
    for path, methods in PATHS.items():
        asked = {
            "Origin": "http://localhost:5173",
            "Access-Control-Request-Method": min(methods),
            "Access-Control-Request-Headers": "authorization, content-type, range, apollo-require-preflight",
        }
        response = await service.client.options(path, headers=asked)
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == "http://localhost:5173"
        assert methods <= set(response.headers["access-control-allow-methods"].split(", "))
        allowed = {name.strip().lower() for name in response.headers["access-control-allow-headers"].split(",")}
        assert {"authorization", "content-type", "range"} <= allowed


async def test_a_strange_page_may_call_no_path(service: Service) -> None:
    for path, methods in PATHS.items():
        asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": min(methods)}
        response = await service.client.options(path, headers=asked)
        assert response.status_code == 400
        assert "access-control-allow-origin" not in response.headers


async def test_a_wrong_method_is_told_all_the_right_ones(service: Service) -> None:
    for path, methods in PATHS.items():
        right = methods | ({"HEAD"} if "GET" in methods else set())
        for method in METHODS - right:
            response = await service.client.request(method, path)
            assert response.status_code == 405, (method, path)
            assert set(response.headers["allow"].split(", ")) == right
            if method != "HEAD":
                assert response.json() == refusal("This route does not take this method.")


async def test_an_unknown_route_answers_in_the_envelope(service: Service) -> None:
    for path in ("/nothing", "/users/", "/auth/register/", "/media/upload/video", "/social", "/users/a/b/c"):
        response = await service.client.get(path)
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/json"
        assert response.json() == refusal("There is no such route.")


async def test_an_error_may_be_read_by_a_local_page(service: Service) -> None:
    response = await service.client.get("/nothing", headers={"Origin": "http://127.0.0.1:8080"})
    assert response.headers["access-control-allow-origin"] == "http://127.0.0.1:8080"
    assert "Retry-After" in response.headers["access-control-expose-headers"]
