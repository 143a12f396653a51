"""The explorer's page and files, as they are served: to browsers alone, and with a policy that lets nothing else in."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from playwright.async_api import Route as PageRoute
from playwright.async_api import expect
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse

from pet.pages.explorer import explored
from pet.pages.headers import page_headers, policy_of_inline_blocks
from tests.conftest import StartService
from tests.e2e.page import built_explorer, open_page
from tests.e2e.server import serve

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PAGE = "<!doctype html><title>The explorer</title>"
SCRIPT = b"export const answer = 42;\n" * 50
ROOT = Path(__file__).parents[1]
MISSING = ROOT / "src" / "pet" / "pages" / "explorer_missing.html"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """What a build leaves behind, in small."""
    assets = tmp_path / "graphql" / "assets"
    assets.mkdir(parents=True)
    (tmp_path / "index.html").write_text(PAGE)
    (assets / "index-1a2b.js").write_bytes(SCRIPT)
    (assets / "index-1a2b.js.gz").write_bytes(gzip.compress(SCRIPT))
    (assets / "codicon-3c4d.ttf").write_bytes(b"\x00\x01\x00\x00")
    return tmp_path


@pytest.fixture
async def client(built: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the explorer, before an API that answers everything alike."""
    async with client_of(built) as opened:
        yield opened


def client_of(built: Path) -> httpx.AsyncClient:
    app = Starlette(routes=explored(PlainTextResponse("the API"), built))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://pet", headers={"Accept": "*/*"})


async def test_a_browser_gets_the_page_with_its_policy(client: httpx.AsyncClient) -> None:
    response = await client.get("/graphql", headers={"Accept": BROWSER})
    assert (response.status_code, response.text) == (200, PAGE)
    assert dict(response.headers) == {
        "content-type": "text/html; charset=utf-8",
        "content-length": str(len(PAGE)),
        "cache-control": "no-cache",
        "vary": "Accept",
        "cross-origin-opener-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "content-security-policy": (
            "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; "
            "style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
    }


@pytest.mark.parametrize(
    ("method", "accept", "query"),
    [
        pytest.param("POST", BROWSER, "", id="post"),
        pytest.param("OPTIONS", BROWSER, "", id="options"),
        pytest.param("GET", BROWSER, "?query={__typename}", id="operation"),
        pytest.param("GET", BROWSER, "?extensions={}", id="trusted operation"),
        pytest.param("GET", "*/*", "", id="whatever"),
        pytest.param("GET", "application/json", "", id="json"),
        pytest.param("GET", "application/graphql-response+json, text/html;q=0.1", "", id="json before html"),
    ],
)
async def test_everything_else_is_the_apis(client: httpx.AsyncClient, method: str, accept: str, query: str) -> None:
    response = await client.request(method, f"/graphql{query}", headers={"Accept": accept})
    assert (response.status_code, response.text) == (200, "the API")


async def test_the_head_of_the_page_has_no_body(client: httpx.AsyncClient) -> None:
    response = await client.head("/graphql", headers={"Accept": BROWSER})
    assert (response.headers["content-length"], response.headers["content-type"]) == (
        str(len(PAGE)),
        "text/html; charset=utf-8",
    )


@pytest.mark.parametrize(
    ("coding", "sent_as"), [("gzip, br", "gzip"), ("identity", None)], ids=["compressed", "as it is"]
)
async def test_a_file_is_kept_for_ever(client: httpx.AsyncClient, coding: str, sent_as: str | None) -> None:
    path = "/graphql/assets/index-1a2b.js"
    response = await client.get(path, headers={"Accept-Encoding": coding})
    assert (response.status_code, response.content) == (200, SCRIPT)
    assert response.headers.get("content-encoding") == sent_as
    assert int(response.headers["content-length"]) == (len(gzip.compress(SCRIPT)) if sent_as else len(SCRIPT))
    assert response.headers["content-type"] in ("text/javascript; charset=utf-8", "application/javascript")
    assert {name: response.headers[name] for name in ("cache-control", "vary", "x-content-type-options")} == {
        "cache-control": "public, max-age=31536000, immutable",
        "vary": "Accept-Encoding",
        "x-content-type-options": "nosniff",
    }
    assert response.headers["content-security-policy"] == "default-src 'none'; script-src 'self'"
    known = {"Accept-Encoding": coding, "If-None-Match": response.headers["etag"]}
    assert (await client.get(path, headers=known)).status_code == 304


async def test_a_file_that_the_build_did_not_compress_is_sent_as_it_is(client: httpx.AsyncClient) -> None:
    response = await client.get("/graphql/assets/codicon-3c4d.ttf", headers={"Accept-Encoding": "gzip"})
    assert (response.status_code, response.content) == (200, b"\x00\x01\x00\x00")
    assert "content-encoding" not in response.headers


@pytest.mark.parametrize("path", ["nothing.js", "", "../../index.html", "%2e%2e/%2e%2e/index.html"])
async def test_there_are_no_other_files(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(f"/graphql/assets/{path}")).status_code == 404


async def test_where_nothing_was_built_a_plain_page_says_how(tmp_path: Path) -> None:
    async with client_of(tmp_path) as client:
        response = await client.get("/graphql", headers={"Accept": BROWSER})
        assert response.status_code == 200
        assert "<code>make explorer</code>" in response.text
        assert response.headers["content-security-policy"] == policy_of_inline_blocks(response.text)
        assert (await client.get("/graphql/assets/index-1a2b.js")).status_code == 404
        assert (await client.post("/graphql")).text == "the API"


async def test_switched_off_a_browser_gets_what_everybody_gets(start_service: StartService) -> None:
    service = await start_service(graphiql=False)
    seen = [await service.client.get("/graphql", headers={"Accept": accept}) for accept in (BROWSER, "*/*")]
    assert [response.status_code for response in seen] == [400, 400]
    assert list(seen[0].json()) == ["errors"]
    assert seen[0].json() == seen[1].json()
    assert (await service.client.get("/graphql/assets/index.js")).status_code == 404


@pytest.mark.slow
def test_a_wheel_contains_all_that_was_built(tmp_path: Path) -> None:
    folder = built_explorer()
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as opened:
        packed = {name for name in opened.namelist() if name.startswith("pet/pages/explorer_files/")}
    built = {path.relative_to(ROOT / "src").as_posix() for path in folder.rglob("*") if path.is_file()}
    assert packed == built
    assert {f"pet/pages/explorer_files/{name}" for name in ("index.html", "licenses.md")} <= packed


@pytest.mark.browser
@pytest.mark.slow
async def test_the_plain_page_shows_that_the_api_works(tmp_path: Path) -> None:
    html = MISSING.read_text(encoding="utf-8")
    headers = page_headers(policy_of_inline_blocks(html)) | {"Content-Type": "text/html; charset=utf-8"}

    async def plain_page(route: PageRoute) -> None:
        if route.request.method == "GET":
            await route.fulfill(body=html, headers=headers)
        else:
            await route.continue_()

    async with serve(tmp_path / "data") as server, open_page("about:blank") as page:
        await server.service.register("muse")
        await page.route("**/graphql", plain_page)
        await page.goto(f"{str(server.client.base_url).rstrip('/')}/graphql")
        await expect(page.locator("#answer")).to_contain_text('"username": "muse"')
        await page.get_by_label("An operation").fill("{ nothing }")
        await page.get_by_role("button", name="Run").click()
        await expect(page.locator("#answer")).to_contain_text("Cannot query field 'nothing' on type 'Query'.")
        await expect(page.locator("h1")).to_have_text(re.compile("not built yet"))
